//! `equiav data pack`: files to shards.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use equiav_data::Manifest;
use equiav_data::shard::pack;
use equiav_train::{Callback, Event};

use crate::output::progress::Progress;
use crate::output::{errln, remark};

/// Pack the files of a manifest into shards, byte by byte
///
/// Shards that are finished are kept, so that what was interrupted goes on. Clips that cannot be
/// read are named and skipped; then the exit status is 1.
#[derive(clap::Args)]
pub(crate) struct Pack {
    /// The manifest
    manifest: PathBuf,

    /// The folder for the shards
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Clips in a shard
    #[arg(long, value_name = "N", default_value = "1000")]
    samples: NonZeroUsize,
}

impl Pack {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let manifest = Manifest::read(&self.manifest)?;
        let mut progress = Progress::new();
        let packed = pack(&manifest, &self.out, self.samples, &mut |done, total| {
            progress.on_event(&Event::Preparing { what: "shards".to_owned(), done, total });
        })?;
        for reason in &packed.skipped {
            errln!("warning: skipped: {reason}");
        }
        remark!(
            "{} of {} clips in {} shards ({} were there), list {}",
            packed.clips,
            manifest.clips.len(),
            packed.shards,
            packed.found,
            manifest.digest()
        );
        Ok(if packed.skipped.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
