//! `equiav data oracle`: how well the procedural corpus can be matched at all.

use std::path::PathBuf;
use std::process::ExitCode;

use equiav_train::eval::oracle::oracle;
use equiav_train::{Override, Recipe};

use crate::output::progress::Progress;
use crate::output::{out, outln, retrieval};

/// Measure retrieval by plain signal processing, the limit of the procedural corpus
///
/// Reads hue, size, height, outline, pattern and beads from the middle frame of every held-out clip, and pitch, band,
/// onsets, timbre, envelope and course from its sound, and matches both by how likely they are in one clip. No model is
/// run. How far readings of one clip lie apart is learned from clips of the training list, nothing from the held-out ones.
#[derive(clap::Args)]
pub(crate) struct OracleCommand {
    /// The recipe whose corpus is measured
    #[arg(default_value = "quick")]
    recipe: PathBuf,

    /// Change a value of the recipe, e.g. --set data.source.held_out=1000; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<Override>,

    /// How many clips of the training list to learn from, the first ones
    #[arg(long, value_name = "CLIPS", default_value_t = 1000)]
    clips: usize,

    /// Print one JSON object a list instead of a table
    #[arg(long)]
    json: bool,

    /// With --json: the rank of every query's right answer too, in the order of the list
    #[arg(long, requires = "json")]
    ranks: bool,
}

impl OracleCommand {
    pub(in crate::data) fn run(self) -> anyhow::Result<ExitCode> {
        let recipe = Recipe::load(&self.recipe, &self.overrides)?;
        let (source, evaluation) = (&recipe.data.source, &recipe.evaluation);
        let measured = oracle(source, self.clips, evaluation, &mut Progress::new())?;
        if !self.json {
            out!("{}", retrieval::retrieval(&measured))?;
            return Ok(ExitCode::SUCCESS);
        }
        for figures in measured {
            let figures = if self.ranks { figures } else { figures.without_ranks() };
            outln!("{}", serde_json::to_string(&figures)?)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
