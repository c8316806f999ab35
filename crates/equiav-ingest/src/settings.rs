//! What an ingest is asked for: windows, formats, limits, policies; from TOML or flags.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{IngestError, Policy, Reason};

/// How clips are cut from files and written. The defaults suit ten-second clips of the web.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct IngestSettings {
    /// How long a clip is, in seconds; 0.2 to 600.
    pub window: f64,
    /// From the start of one clip to that of the next, in seconds; at least a sixteenth of
    /// `window`, which it equals where it is absent.
    pub stride: Option<f64>,
    /// The share of a window that both sound and picture must cover, 0.1 to 1; a window with
    /// less is skipped, the last one of a file is else cut where the shorter of both ends.
    pub min_share: f64,
    /// Frames per clip, at the centers of as many equal parts; 1 to 64.
    pub frames: usize,
    /// Samples per second of the sound, in Hz; 1000 to 192000.
    pub sample_rate: u32,
    /// The channel that is taken, counted from 0.
    pub channel: usize,
    /// The format of the sound.
    pub audio: AudioFormat,
    /// The longest short side of a frame, in pixels; larger ones are scaled down, none is scaled
    /// up. 16 to 4096.
    pub short_side: u32,
    /// 1 to 100.
    pub jpeg_quality: u8,
    /// The most files whose clips share a shard.
    pub files_per_shard: usize,
    /// A shard is closed after the file with which its files reach this size, in 10^6 bytes.
    pub input_mb_per_shard: u64,
    /// How long FFmpeg may give nothing of a file while one waits for it, in seconds; where the frames that
    /// are wanted lie far apart, a minute longer for each second between them.
    #[serde(skip_serializing)]
    pub time_limit: f64,
    /// The most memory of one FFmpeg process, in MiB; 256 or more.
    #[serde(skip_serializing)]
    pub memory_limit_mb: u64,
    /// Threads that work on files, 0 for as many as the machine has; no result depends on it.
    #[serde(skip_serializing)]
    pub workers: usize,
    /// Files that have one of these findings are tried again where their shard is finished: after a limit
    /// was raised, or a disk mended.
    #[serde(skip_serializing)]
    pub retry: Vec<Reason>,
    /// What is done about clips with faults.
    pub policy: Policy,
}

/// The format of the sound of a clip; both hold 16 bits.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AudioFormat {
    /// About half the size.
    Flac,
    /// Faster to read.
    Wav,
}

impl AudioFormat {
    /// What a member's name ends in.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            AudioFormat::Flac => "flac",
            AudioFormat::Wav => "wav",
        }
    }
}

impl std::str::FromStr for AudioFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "flac" => Ok(AudioFormat::Flac),
            "wav" => Ok(AudioFormat::Wav),
            _ => Err(format!("`{text}` is no format of sound here: expected flac or wav")),
        }
    }
}

impl Default for IngestSettings {
    fn default() -> Self {
        Self {
            window: 10.0,
            stride: None,
            min_share: 0.5,
            frames: 10,
            sample_rate: 16_000,
            channel: 0,
            audio: AudioFormat::Flac,
            short_side: 360,
            jpeg_quality: 90,
            files_per_shard: 100,
            input_mb_per_shard: 1_000,
            time_limit: 60.0,
            memory_limit_mb: 2_048,
            workers: 0,
            retry: Vec::new(),
            policy: Policy::default(),
        }
    }
}

impl IngestSettings {
    /// Reads a TOML file; keys that it does not name keep their defaults.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or holds an unknown key or a value of the wrong kind.
    pub fn read(path: &Path) -> Result<Self, IngestError> {
        let text = std::fs::read_to_string(path).map_err(|error| IngestError::io(path, error))?;
        toml::from_str(&text).map_err(|error| {
            let reason = equiav_data::one_line(&error.to_string());
            IngestError::IngestSettings(format!("in recipe {}: {reason}", path.display()))
        })
    }

    /// Refuses what cannot be meant.
    ///
    /// # Errors
    ///
    /// Names the key, its value and what was expected.
    pub fn check(&self) -> Result<(), IngestError> {
        let within = |key: &str, value: f64, low: f64, high: f64| {
            let fine = (low..=high).contains(&value);
            let wrong = || format!("{key} = {value}: expected {low} to {high}");
            if fine { Ok(()) } else { Err(IngestError::IngestSettings(wrong())) }
        };
        within("window", self.window, 0.2, 600.0)?;
        within("stride", self.stride.unwrap_or(self.window), self.window / 16.0, 1e6)?;
        within("min_share", self.min_share, 0.1, 1.0)?;
        within("frames", self.frames as f64, 1.0, 64.0)?;
        within("sample_rate", self.sample_rate.into(), 1_000.0, 192_000.0)?;
        within("channel", self.channel as f64, 0.0, 63.0)?;
        within("short_side", self.short_side.into(), 16.0, 4_096.0)?;
        within("jpeg_quality", self.jpeg_quality.into(), 1.0, 100.0)?;
        within("files_per_shard", self.files_per_shard as f64, 1.0, 1e6)?;
        within("input_mb_per_shard", self.input_mb_per_shard as f64, 1.0, 1e6)?;
        within("time_limit", self.time_limit, 1.0, 1e6)?;
        within("memory_limit_mb", self.memory_limit_mb as f64, 256.0, 1e6)?;
        within("workers", self.workers as f64, 0.0, 1_024.0)?;
        self.policy.check().map_err(IngestError::IngestSettings)
    }

    /// [`window`](Self::window) in milliseconds, the unit in which windows are cut.
    pub(crate) fn window_ms(&self) -> u64 {
        (self.window * 1e3).round() as u64
    }

    /// [`stride`](Self::stride) in milliseconds.
    pub(crate) fn stride_ms(&self) -> u64 {
        (self.stride.unwrap_or(self.window) * 1e3).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_fine_and_a_recipe_changes_what_it_names() {
        IngestSettings::default().check().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recipe.toml");
        std::fs::write(&path, "window = 4\naudio = \"wav\"\npolicy = { silent = \"fail\" }\n")
            .unwrap();
        let settings = IngestSettings::read(&path).unwrap();
        assert_eq!((settings.window, settings.audio), (4.0, AudioFormat::Wav));
        assert_eq!(settings.policy.action(crate::Reason::Silent), crate::Action::Fail);
        assert_eq!(settings.frames, 10);
    }

    #[test]
    fn an_unknown_key_and_an_absurd_value_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recipe.toml");
        for (text, named) in [
            ("windows = 4", "windows"),
            ("audio = \"mp3\"", "mp3"),
            ("policy = { silence = \"drop\" }", "silence"),
        ] {
            std::fs::write(&path, text).unwrap();
            let message = IngestSettings::read(&path).unwrap_err().to_string();
            assert!(message.contains(named) && !message.contains('\n'), "{message}");
        }
        let absurd = IngestSettings { window: f64::NAN, ..IngestSettings::default() };
        assert!(absurd.check().unwrap_err().to_string().contains("window = NaN"));
        let absurd = IngestSettings { stride: Some(0.0), ..IngestSettings::default() };
        assert!(absurd.check().unwrap_err().to_string().contains("stride = 0: expected 0.625"));
    }
}
