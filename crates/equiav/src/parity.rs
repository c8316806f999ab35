//! `equiav parity`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use equiav_torch::cuda_device;
use tch::Device;

use crate::output::outln;

/// Compare with dumps of the published implementation
///
/// Prints the largest deviation of every item and exits with 1 when one is above its tolerance.
#[derive(clap::Args)]
pub(crate) struct Parity {
    /// A dump, or a folder of dumps, in the format that fixtures/README.md describes
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    /// Where the dumped network computes: cpu, or cuda for the first GPU
    #[arg(long, default_value = "cpu", value_parser = ["cpu", "cuda"])]
    device: String,
}

impl Parity {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let device = match self.device.as_str() {
            "cuda" => cuda_device(0).context("--device cuda (help: --device cpu)")?,
            _ => Device::Cpu,
        };
        let reports = equiav_parity::check_on(&self.folder, device)?;
        let mut disagreeing = 0;
        for report in &reports {
            outln!("{}", report.folder.display())?;
            for item in &report.items {
                let verdict = if item.agrees() { "agrees" } else { "DISAGREES" };
                let (deviation, tolerance) = (item.deviation, item.tolerance);
                outln!("  {verdict:<9}  {deviation:>9.2e} of {tolerance:.0e}  {}", item.name)?;
                disagreeing += usize::from(!item.agrees());
            }
        }
        let items: usize = reports.iter().map(|report| report.items.len()).sum();
        outln!("{} of {items} items agree", items - disagreeing)?;
        Ok(if disagreeing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
