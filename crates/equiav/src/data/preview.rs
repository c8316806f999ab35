//! `equiav data preview`: a contact sheet of what a model will see.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use equiav_data::{preview, sheet};

use super::clip_args::ClipArgs;
use crate::output::{errln, remark};

/// Draw clips before and after augmentation, with what was done to them in words
///
/// Clips are taken evenly from the list and augmented as in the first epoch of the recipe.
#[derive(clap::Args)]
pub(crate) struct Preview {
    #[command(flatten)]
    source: ClipArgs,

    /// How many clips to draw
    #[arg(long, default_value = "8")]
    clips: NonZeroUsize,

    /// The PNG file to write
    #[arg(long, value_name = "FILE", default_value = "preview.png")]
    out: PathBuf,
}

impl Preview {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let (recipe, clips) = self.source.open(None)?;
        let dataset = equiav_train::dataset(&recipe, clips)?;
        let drawn = preview(&dataset, self.clips.get())?;
        sheet::save(&drawn.sheet, &self.out)?;
        for skipped in &drawn.skipped {
            errln!("warning: skipped: {skipped}");
        }
        let (shown, out) = (drawn.clips.len(), self.out.display());
        remark!("{shown} of {} clips drawn to {out}", dataset.len());
        Ok(ExitCode::SUCCESS)
    }
}
