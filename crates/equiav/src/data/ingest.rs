//! `equiav data ingest`: a folder of videos to shards of clips.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::ensure;
use equiav_ingest::{Reason, ingest};
use equiav_train::{Callback, Event};

use super::window_args::{self, ShardArgs, WindowArgs};
use crate::output::progress::Progress;
use crate::output::remark;

/// Cut a folder of videos, or of pictures with sounds, into clips in numbered shards
///
/// A video is what FFmpeg finds sound and picture in, whatever its ending (mp4, mkv, webm, mov, avi, ts,
/// wmv, flv and others; no playlist); a picture (jpg, png, webp) and a sound (wav, flac, mp3, ogg, m4a,
/// opus, aac, aiff and others) of one name are a clip too. FFmpeg decodes, in processes
/// with a limit on time and memory. Safe to interrupt and to repeat: finished shards are kept, and
/// equal input gives equal bytes. SHARDS/report.jsonl names every file with what became of it. Ends with 1
/// when no file gives a clip, or when the machine fails: what was finished before stays.
#[derive(clap::Args)]
pub(crate) struct Ingest {
    /// Where the videos are, at any depth
    folder: PathBuf,

    /// Where the shards go
    #[arg(long, value_name = "SHARDS")]
    out: PathBuf,

    #[command(flatten)]
    windows: WindowArgs,

    #[command(flatten)]
    packing: ShardArgs,

    /// Try files again that are known for this fault, such as time-limit; may be repeated
    #[arg(long, value_name = "REASON")]
    retry: Vec<Reason>,
}

impl Ingest {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let mut settings = self.windows.settings()?;
        self.packing.change(&mut settings);
        settings.retry.extend(self.retry);
        let ffmpeg = window_args::ffmpeg()?;
        let mut progress = Progress::new();
        let mut watch = |done, total| {
            progress.on_event(&Event::Preparing { what: "ingest".to_owned(), done, total });
        };
        let made = ingest(&self.folder, &self.out, &settings, &ffmpeg, &mut watch)?;
        window_args::print(&made.summary);
        remark!("{} shards, {} of them from before", made.shards, made.skipped);
        remark!("{}", made.report.display());
        ensure!(made.summary.clips > 0, "nothing came of it: {}", nothing(&made.report));
        Ok(ExitCode::SUCCESS)
    }
}

/// What one then looks at.
fn nothing(report: &Path) -> String {
    format!("no file gives a clip; help: {} says why of each", report.display())
}
