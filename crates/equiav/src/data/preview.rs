//! `equiav data preview`: a contact sheet of what a model will see.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use equiav_data::{Clips, preview, sheet};
use equiav_train::{Override, Recipe};

/// Draw clips before and after augmentation, with what was done to them in words
///
/// Clips are taken evenly from the list and augmented as in the first epoch of the recipe.
#[derive(clap::Args)]
pub(crate) struct Preview {
    /// The clips: a manifest, a folder of shards, or a pattern like clips-{000000..000009}.tar
    #[arg(value_name = "CLIPS")]
    list: String,

    /// The recipe whose front end and augmentations are shown
    #[arg(long, default_value = "quick")]
    recipe: PathBuf,

    /// Change a value of the recipe; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<Override>,

    /// How many clips to draw
    #[arg(long, default_value = "8")]
    clips: NonZeroUsize,

    /// The PNG file to write
    #[arg(long, value_name = "FILE", default_value = "preview.png")]
    out: PathBuf,
}

impl Preview {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let recipe = Recipe::load(&self.recipe, &self.overrides)?;
        let dataset = equiav_train::dataset(&recipe, Clips::open(&self.list)?)?;
        let drawn = preview(&dataset, self.clips.get())?;
        sheet::save(&drawn.sheet, &self.out)?;
        for left_out in &drawn.left_out {
            eprintln!("warning: left out: {left_out}");
        }
        let (shown, out) = (drawn.clips.len(), self.out.display());
        println!("{shown} of {} clips drawn to {out}", dataset.len());
        Ok(ExitCode::SUCCESS)
    }
}
