//! The numerical tests once more, where sums are rounded otherwise.

use std::time::Instant;

use anyhow::{Result, ensure};

use super::binaries::{self, Binary};
use crate::output::note;
use crate::workspace::Workspace;
use crate::{process, setup};

/// Crates whose tests compare numbers that libtorch has computed.
const NUMERICAL: [&str; 5] =
    ["equiav-torch", "equiav-loss", "equiav-models", "equiav-parity", "equiav-train"];

/// Tests of these crates that compare runs with runs under the same setting, to the bit, and take minutes; and
/// those of memory, which other kernels use otherwise.
const OF_NO_NUMBERS: [&str; 2] = ["runs", "memory"];

/// Kernels without and with vectors, MKL's own choice of them and the one that is the same on all processors,
/// and sums that threads share.
const SETTINGS: [&[(&str, &str)]; 4] = [
    &[("ATEN_CPU_CAPABILITY", "default"), ("MKL_CBWR", "COMPATIBLE"), ("OMP_NUM_THREADS", "1")],
    &[("ATEN_CPU_CAPABILITY", "avx2"), ("OMP_NUM_THREADS", "2")],
    &[("ATEN_CPU_CAPABILITY", "default"), ("OMP_NUM_THREADS", "2")],
    &[("ATEN_CPU_CAPABILITY", "avx2"), ("MKL_CBWR", "COMPATIBLE"), ("OMP_NUM_THREADS", "1")],
];

/// How many of the settings the gate has time for; they differ in everything.
const OF_THE_GATE: usize = 2;

/// The tests under the settings of the gate.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    under(workspace, &SETTINGS[..OF_THE_GATE])
}

/// The tests under every setting.
pub(super) fn run_all(workspace: &Workspace) -> Result<()> {
    under(workspace, &SETTINGS)
}

fn under(workspace: &Workspace, settings: &[&[(&str, &str)]]) -> Result<()> {
    setup::ensure(workspace)?;
    // A part of the crates would have their dependencies built again, with other features.
    let binaries = binaries::built(workspace, &["--workspace"])?;
    let numerical: Vec<&Binary> = binaries.iter().filter(|binary| is_numerical(binary)).collect();
    let mut failed = Vec::new();
    for setting in settings {
        let (shown, started) = (show(setting), Instant::now());
        note(&format!("{} test programs under {shown}", numerical.len()));
        for binary in &numerical {
            let mut command = binary.command();
            command.arg("--quiet").envs(setting.iter().copied());
            if let Err(error) = process::run(&mut command) {
                failed.push(format!("{error} of {} under {shown}", binary.package()));
            }
        }
        note(&format!("{shown}: {:.1} s", started.elapsed().as_secs_f64()));
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

fn is_numerical(binary: &Binary) -> bool {
    NUMERICAL.contains(&binary.package()) && !OF_NO_NUMBERS.contains(&binary.name.as_str())
}

fn show(setting: &[(&str, &str)]) -> String {
    let each: Vec<String> = setting.iter().map(|(name, value)| format!("{name}={value}")).collect();
    each.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gates_settings_differ_in_everything() {
        let [one, other] = [0, 1].map(|number| show(SETTINGS[number]));
        assert!(one.contains("default MKL_CBWR=COMPATIBLE OMP_NUM_THREADS=1"), "{one}");
        assert!(other.contains("avx2 OMP_NUM_THREADS=2"), "{other}");
    }
}
