//! What is said of every file, and of all together.

pub(crate) mod page;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Finding, Reason};

/// What became of one file.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct FileReport {
    /// Its relative path, as one line of text.
    pub file: String,
    /// The relative path of the sound that belongs to it, of a pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sound: Option<String>,
    /// How many clips it gives; 0 where it is skipped.
    pub clips: usize,
    /// What it holds, where FFmpeg can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
    /// All that is wrong with it.
    pub findings: Vec<Finding>,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Media {
    /// From the first sample or frame to the end of the last, in seconds.
    pub seconds: f64,
    /// The sound's rate in Hz, 0 without a sound track.
    pub rate: u32,
    /// The sound's channels.
    pub channels: usize,
    /// The picture's width and height, in pixels.
    pub size: [u32; 2],
    /// Frames of the video, 0 without a video track.
    pub frames: usize,
}

/// Figures of all files together.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Summary {
    /// Files looked at.
    pub files: usize,
    /// Files that give a clip.
    pub used: usize,
    /// Clips.
    pub clips: usize,
    /// How many files have each finding.
    pub findings: BTreeMap<Reason, usize>,
}

impl Summary {
    /// Adds up `reports`.
    pub fn of<'a>(reports: impl IntoIterator<Item = &'a FileReport>) -> Self {
        let mut summary = Self::default();
        for report in reports {
            summary.files += 1;
            summary.used += usize::from(report.clips > 0);
            summary.clips += report.clips;
            for finding in &report.findings {
                *summary.findings.entry(finding.reason).or_default() += 1;
            }
        }
        summary
    }
}
