//! The flags that `ingest` and `scan` share: how clips are cut, and what is done about faults.

use std::path::PathBuf;

use equiav_data::ffmpeg::Ffmpeg;
use equiav_ingest::{AudioFormat, IngestSettings, Summary};
use equiav_search::embed::find_ffmpeg;

use crate::output::{errln, remark};

/// Changes to the defaults, or to a recipe.
#[derive(clap::Args)]
pub(super) struct WindowArgs {
    /// A TOML file with the settings below, keys with `_`; flags come after it
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,

    /// Length of a clip in seconds [default: 10]
    #[arg(long, value_name = "SECONDS")]
    window: Option<f64>,

    /// From the start of a clip to that of the next in seconds [default: its length]
    #[arg(long, value_name = "SECONDS")]
    stride: Option<f64>,

    /// Share of a window that must have both sound and picture [default: 0.5]
    #[arg(long, value_name = "SHARE")]
    min_share: Option<f64>,

    /// Frames of a clip [default: 10]
    #[arg(long, value_name = "N")]
    frames: Option<usize>,

    /// Rate of the sound in Hz [default: 16000]
    #[arg(long, value_name = "HZ")]
    sample_rate: Option<u32>,

    /// Channel that is taken, from 0 on [default: 0]
    #[arg(long, value_name = "N")]
    channel: Option<usize>,

    /// Longest short side of a frame in pixels [default: 360]
    #[arg(long, value_name = "PIXELS")]
    short_side: Option<u32>,

    /// Seconds that FFmpeg may give nothing of a file [default: 60]
    #[arg(long, value_name = "SECONDS")]
    time_limit: Option<f64>,

    /// Memory of one FFmpeg in MiB [default: 2048]
    #[arg(long, value_name = "MIB")]
    memory_limit_mb: Option<u64>,

    /// Files worked on at once [default: one a processor]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,

    /// What is done about a fault, such as silent=keep: keep, drop or fail; may be repeated
    #[arg(long, value_name = "REASON=ACTION")]
    policy: Vec<String>,
}

/// Changes that concern the writing of shards.
#[derive(clap::Args)]
pub(super) struct ShardArgs {
    /// Format of the sound: flac or wav [default: flac]
    #[arg(long, value_name = "FORMAT")]
    audio: Option<AudioFormat>,

    /// Quality of the frames, 1 to 100 [default: 90]
    #[arg(long, value_name = "N")]
    jpeg_quality: Option<u8>,

    /// Most files whose clips share a shard [default: 100]
    #[arg(long, value_name = "N")]
    files_per_shard: Option<usize>,

    /// Size of the files at which a shard is closed in 10^6 bytes [default: 1000]
    #[arg(long, value_name = "MB")]
    input_mb_per_shard: Option<u64>,
}

impl WindowArgs {
    /// The recipe, or the defaults, with the flags.
    pub(super) fn settings(self) -> anyhow::Result<IngestSettings> {
        let mut settings = match &self.recipe {
            Some(path) => IngestSettings::read(path)?,
            None => IngestSettings::default(),
        };
        set(&mut settings.window, self.window);
        settings.stride = self.stride.or(settings.stride);
        set(&mut settings.min_share, self.min_share);
        set(&mut settings.frames, self.frames);
        set(&mut settings.sample_rate, self.sample_rate);
        set(&mut settings.channel, self.channel);
        set(&mut settings.short_side, self.short_side);
        set(&mut settings.time_limit, self.time_limit);
        set(&mut settings.memory_limit_mb, self.memory_limit_mb);
        set(&mut settings.workers, self.workers);
        for policy in &self.policy {
            settings.policy.set(policy).map_err(anyhow::Error::msg)?;
        }
        settings.check()?;
        Ok(settings)
    }
}

impl ShardArgs {
    /// Makes the changes in `settings`.
    pub(super) fn change(self, settings: &mut IngestSettings) {
        set(&mut settings.audio, self.audio);
        set(&mut settings.jpeg_quality, self.jpeg_quality);
        set(&mut settings.files_per_shard, self.files_per_shard);
        set(&mut settings.input_mb_per_shard, self.input_mb_per_shard);
    }
}

fn set<T>(setting: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *setting = value;
    }
}

/// The FFmpeg of this machine; says which it is.
pub(super) fn ffmpeg() -> anyhow::Result<Ffmpeg> {
    let ffmpeg = find_ffmpeg()?;
    errln!("{} ({})", ffmpeg.version, ffmpeg.program.display());
    Ok(ffmpeg)
}

/// Prints how many files give clips, and how many have each finding.
pub(super) fn print(summary: &Summary) {
    let Summary { files, used, clips, findings } = summary;
    remark!("{used} of {files} files give {clips} clips");
    for (reason, files) in findings {
        remark!("{files:>8}  {reason}");
    }
}
