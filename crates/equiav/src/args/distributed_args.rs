//! What commands have in common that several processes may run at once.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use equiav_torch::Timeouts;
use equiav_train::World;

use crate::output::remark;

/// The exit code of a run that was asked to stop and has saved: sysexits' EX_TEMPFAIL, try again.
const STOPPED: u8 = 75;

/// How a command finds the other processes.
#[derive(clap::Args)]
pub(crate) struct DistributedArgs {
    /// How long processes wait for each other before they give up and name who is missing
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    limit: u64,
}

impl DistributedArgs {
    /// The processes that a launcher has started, or this one alone.
    pub(crate) fn processes(&self) -> anyhow::Result<World> {
        let limit = Duration::from_secs(self.limit);
        World::from_environment(Timeouts { rendezvous: limit, collective: limit })
    }
}

/// Says that the leader's run was stopped by `signal` and has saved `checkpoint` after `steps`; how it ends.
pub(crate) fn stopped(signal: i32, steps: u64, checkpoint: &Path) -> ExitCode {
    let checkpoint = checkpoint.display();
    remark!(
        "stopped by signal {signal} after step {steps}, saved {checkpoint}: the same command goes on"
    );
    ExitCode::from(STOPPED)
}

/// How a process ends whose leader prints the outcome.
pub(crate) fn follow(stopped: Option<i32>) -> ExitCode {
    stopped.map_or(ExitCode::SUCCESS, |_| ExitCode::from(STOPPED))
}
