//! Where a run stands: everything of it that is no tensor.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::retrieve::Retrieved;

/// Where a run stands.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Finished epochs.
    pub epoch: u64,
    /// Clips that the epoch under way has used, of all processes; 0 between two epochs.
    pub used: usize,
    /// Steps made, those left out included.
    pub step: u64,
    /// Steps left out since their loss or gradient was not finite.
    pub skipped: u64,
    /// How many of these were the last ones.
    pub skipped_in_a_row: u64,
    /// Clips that could not be read so far, by their ids, with the reasons.
    pub unreadable: BTreeMap<String, String>,
    /// The last measurement of every held-out list.
    pub retrieved: Vec<Retrieved>,
    /// The best measurement so far.
    pub best: Option<Best>,
}

/// The best measurement of a run.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// Steps made before it.
    pub step: u64,
    /// R@1, the mean over lists and directions, in [0, 1].
    pub r1: f64,
}

impl State {
    /// Takes note of a measurement, which is the best if it is above every earlier one.
    pub(crate) fn measured(&mut self, retrieved: Vec<Retrieved>) {
        let ways = |figures: &Retrieved| [figures.visual_to_audio.r1, figures.audio_to_visual.r1];
        let all: Vec<f64> = retrieved.iter().flat_map(ways).collect();
        let r1 = all.iter().sum::<f64>() / all.len() as f64;
        if !all.is_empty() && self.best.is_none_or(|best| r1 > best.r1) {
            self.best = Some(Best { step: self.step, r1 });
        }
        self.retrieved = retrieved;
    }
}
