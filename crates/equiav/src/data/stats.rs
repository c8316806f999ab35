//! `equiav data stats`: what a recipe's front end must know of a data set.

use std::path::PathBuf;
use std::process::ExitCode;

use equiav_data::{Clips, statistics};
use equiav_train::{Override, Recipe};

/// Measure the mean and standard deviation of the filterbank, for the front_end of a recipe
#[derive(clap::Args)]
pub(crate) struct Stats {
    /// The clips: a manifest, a folder of shards, or a pattern like clips-{000000..000009}.tar
    #[arg(value_name = "CLIPS")]
    clips: String,

    /// The recipe whose front end is measured with
    #[arg(long, default_value = "quick")]
    recipe: PathBuf,

    /// Change a value of the recipe; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<Override>,
}

impl Stats {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let recipe = Recipe::load(&self.recipe, &self.overrides)?;
        let clips = Clips::open(&self.clips)?;
        let found = statistics(&clips, &recipe.front_end)?;
        let (listed, digest) = (clips.len(), clips.digest());
        println!("{} of {listed} clips, {} frames, list {digest}", found.clips, found.frames);
        println!("mean = {:.4}  # standard error {:.4}", found.mean, found.standard_error);
        println!("std = {:.4}", found.std);
        for skipped in &found.skipped {
            eprintln!("warning: left out: {skipped}");
        }
        Ok(ExitCode::SUCCESS)
    }
}
