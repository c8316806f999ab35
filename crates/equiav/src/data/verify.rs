//! `equiav data verify`: shards read to the last byte.

use std::process::ExitCode;

use equiav_data::shard::{expand, verify};

use crate::output::outln;

/// Read shards and decode every member
///
/// Prints a line for every fault; the exit status is 1 when there is one.
#[derive(clap::Args)]
pub(crate) struct Verify {
    /// Tar files, folders of them, or patterns like clips-{000000..000009}.tar
    #[arg(required = true)]
    shards: Vec<String>,
}

impl Verify {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let (mut shards, mut samples, mut members, mut faults) = (0, 0, 0, 0);
        for pattern in &self.shards {
            for path in expand(pattern)? {
                let verified = verify(&path);
                for fault in &verified.faults {
                    outln!("{fault}")?;
                }
                shards += 1;
                samples += verified.samples;
                members += verified.members;
                faults += verified.faults.len();
            }
        }
        outln!("{shards} shards, {samples} samples, {members} members, {faults} faults")?;
        Ok(if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
