//! `equiav import`.

use std::path::PathBuf;
use std::process::ExitCode;

use equiav_train::model::import;
use equiav_train::{Override, Recipe};

use crate::output::remark;

/// Read foreign weights (.pth, .pt or safetensors) and write them as a model folder
///
/// Nothing in the file is executed. Prints what was loaded, what is missing, unexpected or of another
/// shape, and fails when an encoder is not covered.
#[derive(clap::Args)]
pub(crate) struct Import {
    /// The weights: an EquiAV checkpoint, or with --start a masked autoencoder for both encoders
    weights: PathBuf,

    /// The recipe whose model the weights belong to
    #[arg(long, default_value = "audioset2m")]
    recipe: PathBuf,

    /// Change a value of the recipe; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<Override>,

    /// The weights are a masked autoencoder's: they start both encoders
    #[arg(long)]
    start: bool,

    /// The folder to write; an earlier export there is replaced
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Import {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let recipe = Recipe::load(&self.recipe, &self.overrides)?;
        let kind = if self.start { import::ImportKind::Start } else { import::ImportKind::Whole };
        let report = import::import(&self.weights, kind, &recipe, &self.out)?;
        remark!("{}\n{}", report.to_string().trim_end(), self.out.display());
        Ok(ExitCode::SUCCESS)
    }
}
