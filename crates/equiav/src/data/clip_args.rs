//! What commands on a list of clips have in common: the clips, and the recipe that they are seen by.

use std::path::PathBuf;

use equiav_data::Clips;
use equiav_train::{Override, Recipe};

/// Clips under a recipe.
#[derive(clap::Args)]
pub(super) struct ClipArgs {
    /// The clips: a manifest, a folder of shards, or a pattern like clips-{000000..000009}.tar
    #[arg(value_name = "CLIPS")]
    list: String,

    /// The recipe whose front end and augmentations are used
    #[arg(long, default_value = "quick")]
    recipe: PathBuf,

    /// Change a value of the recipe; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<Override>,
}

impl ClipArgs {
    /// Reads both, with `last` among the recipe's changes.
    pub(super) fn open(self, last: Option<Override>) -> anyhow::Result<(Recipe, Clips)> {
        let overrides: Vec<Override> = self.overrides.into_iter().chain(last).collect();
        Ok((Recipe::load(&self.recipe, &overrides)?, Clips::open(&self.list)?))
    }
}
