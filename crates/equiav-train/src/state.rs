//! Where a run stands: everything of it that is no tensor.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::classified::Classified;
use crate::retrieve::Retrieved;
use crate::task::Measured;

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
    /// The last measurement of every held-out list, of a pre-training run.
    pub retrieved: Vec<Retrieved>,
    /// The last measurement of every list, of a fine-tuning run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classified: Vec<Classified>,
    /// The best measurement so far.
    pub best: Option<Best>,
}

/// The best measurement of a run.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// Steps made before it.
    pub step: u64,
    /// R@1, the mean over lists and directions, or what the recipe chooses by, in [0, 1].
    #[serde(alias = "r1")]
    pub score: f64,
}

impl State {
    /// Takes note of a measurement, which is the best if it is above every earlier one.
    pub(crate) fn measured(&mut self, measured: Measured) {
        if let Some(score) = measured.score()
            && self.best.is_none_or(|best| score > best.score)
        {
            self.best = Some(Best { step: self.step, score });
        }
        match measured {
            Measured::Retrieved(retrieved) => self.retrieved = retrieved,
            Measured::Classified(classified, _) => self.classified = classified,
        }
    }
}

#[cfg(test)]
mod tests {
    use equiav_eval::{Coverage, Rank, Retrieval};

    use super::*;

    fn retrieved(ranks: &[Rank], collapsed: bool) -> Measured {
        let figures = Retrieval::of_ranks(ranks, 20);
        Measured::Retrieved(vec![Retrieved {
            list: "held-out".to_owned(),
            coverage: Coverage { found: 20, listed: 20, digest: String::new() },
            left_out: Vec::new(),
            variant: None,
            collapsed: collapsed.then(|| "every sound has the same embedding".to_owned()),
            visual_to_audio: figures,
            audio_to_visual: figures,
        }])
    }

    #[test]
    fn a_collapsed_epoch_is_never_the_best() {
        let ranks = |above, tied| [Rank { above, tied, best: 1, correct: 1 }; 20];
        let mut state = State { step: 1, ..State::default() };
        state.measured(retrieved(&ranks(0, 19), true));
        assert_eq!(state.best, None, "not even where there is no other");
        assert!(state.retrieved[0].collapsed.is_some());
        state.step = 2;
        state.measured(retrieved(&ranks(4, 0), false));
        assert_eq!(state.best, Some(Best { step: 2, score: 0.0 }));
        state.step = 3;
        state.measured(retrieved(&ranks(0, 19), true));
        assert_eq!(state.best, Some(Best { step: 2, score: 0.0 }), "chance is above it");
        state.step = 4;
        state.measured(retrieved(&ranks(0, 0), false));
        assert_eq!(state.best, Some(Best { step: 4, score: 1.0 }));
    }
}
