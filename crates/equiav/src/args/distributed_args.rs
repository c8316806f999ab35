//! What commands have in common that several processes may run at once.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use equiav_torch::Timeouts;
use equiav_train::{Callback, RunOptions, StopSignal, World};

use crate::output::progress::{Follower, Progress};
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

/// What the summary of a run says of its end.
pub(crate) struct RunEnd<'a> {
    /// The signal that stopped it before its last step.
    pub(crate) stopped: Option<i32>,
    /// Steps so far.
    pub(crate) steps: u64,
    /// Where they were saved.
    pub(crate) checkpoint: &'a Path,
}

impl DistributedArgs {
    /// Has `train` work on the run folder `out` with the processes that a launcher has started, or alone.
    /// Continues with its summary on the process that prints the outcome of a whole run; else how this
    /// process ends.
    pub(crate) fn run<S>(
        &self,
        out: &Path,
        train: impl FnOnce(RunOptions<'_>, &mut dyn Callback) -> anyhow::Result<S>,
        end: impl Fn(&S) -> RunEnd<'_>,
    ) -> anyhow::Result<ControlFlow<ExitCode, S>> {
        let (stop, world) = (StopSignal::on_signals()?, self.world()?);
        let options = RunOptions { out, world: &world, stop: &stop };
        if !world.is_main() {
            let mut follower = Follower { rank: world.group.rank() };
            let summary = train(options, &mut follower)?;
            let code = end(&summary).stopped.map_or(ExitCode::SUCCESS, |_| STOPPED.into());
            return Ok(ControlFlow::Break(code));
        }
        let mut progress = Progress::new();
        let summary = train(options, &mut progress)?;
        progress.finish();
        let RunEnd { stopped, steps, checkpoint } = end(&summary);
        if let Some(signal) = stopped {
            let checkpoint = checkpoint.display();
            remark!(
                "stopped by signal {signal} after step {steps}, saved {checkpoint}: the same command goes on"
            );
            return Ok(ControlFlow::Break(STOPPED.into()));
        }
        Ok(ControlFlow::Continue(summary))
    }

    fn world(&self) -> anyhow::Result<World> {
        let limit = Duration::from_secs(self.limit);
        World::from_environment(Timeouts { rendezvous: limit, collective: limit })
    }
}
