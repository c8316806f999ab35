//! `equiav finetune`.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use equiav_train::{Callback, FinetuneRecipe, FinetuneSummary, Override, RunOptions, finetune};

use crate::args::device::TrainedOn;
use crate::args::distributed_args::{DistributedArgs, RunEnd};
use crate::output::remark;
use crate::output::{classes, overlap};

/// Train a classifier on labeled clips, from pre-trained encoders or from scratch
///
/// The epoch is chosen on a part of the training list; the recipe's test lists are measured once, with the
/// chosen weights, and the figures kept as `test.json` in the run folder. The same command on the same
/// folder goes on with the step after its newest checkpoint. SIGTERM, SIGINT (Ctrl-C) and SIGUSR1 finish
/// the step, save, and exit with code 75: the same command goes on.
///
/// Several processes share every batch when torchrun --no-python or srun starts this command.
#[derive(clap::Args)]
pub(crate) struct Finetune {
    /// What to do: a file, or a built-in name: finetune-quick, finetune-audioset20k, finetune-vggsound
    recipe: PathBuf,

    /// Start from this run folder, exported model folder or weight file; the same as --set model.start=PATH
    #[arg(long, value_name = "PATH", conflicts_with = "scratch")]
    from: Option<PathBuf>,

    /// Start from fresh encoders, whatever the recipe names
    #[arg(long)]
    scratch: bool,

    /// Where checkpoints and logs go; a run found there is resumed [default: runs/NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Change a value of the recipe, e.g. --set model.mode=audio; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<Override>,

    #[command(flatten)]
    device: TrainedOn,

    #[command(flatten)]
    together: DistributedArgs,
}

impl Finetune {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let recipe = self.recipe()?;
        let out = self.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(&recipe.name));
        let train = |options: RunOptions<'_>, callback: &mut dyn Callback| {
            finetune(&recipe, options, callback)
        };
        let tuned = match self.together.run(&out, train, end)? {
            ControlFlow::Continue(tuned) => tuned,
            ControlFlow::Break(code) => return Ok(code),
        };
        remark!("\n{}", classes::classification(&tuned.test).trim_end());
        overlap::warn(tuned.test.iter().map(|test| (&test.list, &test.overlap)));
        let tested: Vec<String> =
            tuned.tested.iter().map(|path| path.display().to_string()).collect();
        remark!(
            "{} steps in {} epochs, run folder {}, tested {}",
            tuned.steps,
            tuned.epochs,
            out.display(),
            tested.join(", ")
        );
        Ok(ExitCode::SUCCESS)
    }

    /// The recipe with what it starts from.
    fn recipe(&self) -> anyhow::Result<FinetuneRecipe> {
        let mut overrides = self.device.among(&self.overrides)?;
        overrides.extend(self.from.iter().map(|path| Override::text("model.start", path)));
        overrides.extend(self.scratch.then(|| Override::absent("model.start")));
        let recipe = FinetuneRecipe::load(&self.recipe, &overrides)?;
        anyhow::ensure!(
            self.scratch || recipe.model.start.is_some(),
            "nothing to start from: name a run folder or weights with --from, or say --scratch"
        );
        Ok(recipe)
    }
}

fn end(summary: &FinetuneSummary) -> RunEnd<'_> {
    let FinetuneSummary { stopped, steps, checkpoint, .. } = summary;
    RunEnd { stopped: *stopped, steps: *steps, checkpoint }
}
