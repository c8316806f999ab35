//! `equiav pretrain`.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use equiav_train::{Callback, Override, PretrainRecipe, PretrainSummary, RunOptions};

use crate::args::device::TrainedOn;
use crate::args::distributed_args::{DistributedArgs, RunEnd};
use crate::output::metrics;
use crate::output::remark;

/// Train encoders from a recipe, with EquiAV or the method that it names
///
/// The same command on the same folder goes on with the step after its newest checkpoint, and ends with
/// the weights that it would have had without the interruption. SIGTERM, SIGINT (Ctrl-C) and SIGUSR1
/// finish the step, save, and exit with code 75: the same command goes on.
///
/// Several processes share every batch when torchrun --no-python or srun starts this command.
#[derive(clap::Args)]
pub(crate) struct Pretrain {
    /// What to do: a file such as recipes/stamps.toml, or a built-in name: quick, stamps, vggsound, audioset2m,
    /// mae-quick
    recipe: PathBuf,

    /// Where checkpoints and logs go; a run found there is resumed [default: runs/NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Change a value of the recipe, e.g. --set optimizer.lr=3e-4; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<Override>,

    #[command(flatten)]
    device: TrainedOn,

    #[command(flatten)]
    together: DistributedArgs,
}

impl Pretrain {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let recipe = PretrainRecipe::load(&self.recipe, &self.device.among(&self.overrides)?)?;
        let out = self.out.unwrap_or_else(|| PathBuf::from("runs").join(recipe.name()));
        let train = |options: RunOptions<'_>, callback: &mut dyn Callback| {
            recipe.pretrain(options, callback)
        };
        let summary = match self.together.run(&out, train, end)? {
            ControlFlow::Continue(summary) => summary,
            ControlFlow::Break(code) => return Ok(code),
        };
        remark!("\n{}", metrics::table(&summary.metrics).trim_end());
        remark!(
            "{} steps in {} epochs, run folder {}, last checkpoint {}",
            summary.steps,
            summary.epochs,
            out.display(),
            summary.checkpoint.display()
        );
        Ok(ExitCode::SUCCESS)
    }
}

fn end(summary: &PretrainSummary) -> RunEnd<'_> {
    let PretrainSummary { stopped, steps, checkpoint, .. } = summary;
    RunEnd { stopped: *stopped, steps: *steps, checkpoint }
}
