//! `equiav data ingest`: a folder of videos to shards of clips.

use std::path::PathBuf;
use std::process::ExitCode;

use equiav_ingest::ingest;
use equiav_train::{Event, Watch};

use super::cutting::{self, Cutting, Packing};
use crate::progress::Progress;

/// Cut a folder of videos, or of pictures with sounds, into clips in numbered shards
///
/// Videos are mp4, mkv, webm, mov, avi, ogv, mpg, mpeg and m4v; a picture (jpg, png, webp) and a
/// sound (wav, flac, mp3, ogg, m4a, opus) of one name are a clip too. FFmpeg decodes, in processes
/// with a limit on time and memory. Safe to interrupt and to repeat: finished shards are kept, and
/// equal input gives equal bytes. SHARDS/report.jsonl names every file with what became of it.
#[derive(clap::Args)]
pub(crate) struct Ingest {
    /// Where the videos are, at any depth
    folder: PathBuf,

    /// Where the shards go
    #[arg(long, value_name = "SHARDS")]
    out: PathBuf,

    #[command(flatten)]
    cutting: Cutting,

    #[command(flatten)]
    packing: Packing,
}

impl Ingest {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let mut settings = self.cutting.settings()?;
        self.packing.change(&mut settings);
        let ffmpeg = cutting::ffmpeg()?;
        let mut progress = Progress::new();
        let mut watch = |done, total| {
            progress.note(&Event::Preparing { what: "ingest".to_owned(), done, total });
        };
        let made = ingest(&self.folder, &self.out, &settings, &ffmpeg, &mut watch)?;
        cutting::print(&made.summary);
        println!("{} shards, {} of them from before", made.shards, made.skipped);
        println!("{}", made.report.display());
        Ok(ExitCode::SUCCESS)
    }
}
