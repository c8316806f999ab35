//! `equiav pretrain`.

use std::path::PathBuf;
use std::process::ExitCode;

use equiav_train::{Override, Recipe};

use crate::progress::Progress;
use crate::table;

/// Train encoders with EquiAV from a recipe
///
/// The same command on the same folder goes on where the last finished epoch ended.
#[derive(clap::Args)]
pub(crate) struct Pretrain {
    /// What to do: a file such as recipes/stamps.toml, or a built-in name: quick, stamps
    recipe: PathBuf,

    /// Where checkpoints and logs go; a run found there is resumed [default: runs/NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Change a value of the recipe, e.g. --set optimizer.lr=3e-4; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<Override>,
}

impl Pretrain {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let recipe = Recipe::load(&self.recipe, &self.overrides)?;
        let out = self.out.unwrap_or_else(|| PathBuf::from("runs").join(&recipe.name));
        let mut progress = Progress::new();
        let summary = equiav_train::pretrain(&recipe, &out, &mut progress)?;
        println!();
        print!("{}", table::retrieval(&summary.retrieved));
        println!(
            "{} steps in {} epochs, run folder {}, last checkpoint {}",
            summary.steps,
            summary.epochs,
            out.display(),
            summary.checkpoint.display()
        );
        Ok(ExitCode::SUCCESS)
    }
}
