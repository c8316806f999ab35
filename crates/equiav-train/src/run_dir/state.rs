//! Where a run stands: everything of it that is no tensor.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::legacy::Legacy;
use crate::metrics::Metrics;

/// Where a run stands.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(from = "StateFile")]
pub struct State {
    /// Finished epochs.
    pub epoch: u64,
    /// Clips that the epoch under way has used, of all processes; 0 between two epochs.
    pub used: usize,
    /// Steps made, skipped ones included.
    pub step: u64,
    /// Steps skipped since their loss or gradient was not finite.
    pub skipped: u64,
    /// How many of these were the last ones.
    pub skipped_in_a_row: u64,
    /// Clips that could not be read so far, by their ids, with the reasons.
    pub unreadable: BTreeMap<String, String>,
    /// The last metrics of every list.
    pub metrics: Metrics,
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

/// A state as this or an earlier version wrote it.
#[derive(Deserialize)]
struct StateFile {
    epoch: u64,
    used: usize,
    step: u64,
    skipped: u64,
    skipped_in_a_row: u64,
    unreadable: BTreeMap<String, String>,
    metrics: Option<Metrics>,
    #[serde(flatten)]
    legacy: Legacy,
    best: Option<Best>,
}

impl From<StateFile> for State {
    fn from(file: StateFile) -> Self {
        Self {
            epoch: file.epoch,
            used: file.used,
            step: file.step,
            skipped: file.skipped,
            skipped_in_a_row: file.skipped_in_a_row,
            unreadable: file.unreadable,
            metrics: file.metrics.unwrap_or_else(|| file.legacy.metrics()),
            best: file.best,
        }
    }
}

impl State {
    /// Takes note of an evaluation, which is the best if its score by the metric `best` is above every earlier one.
    pub(crate) fn evaluated(&mut self, metrics: Metrics, best: &str) {
        if let Some(score) = metrics.score(best)
            && self.best.is_none_or(|best| score > best.score)
        {
            self.best = Some(Best { step: self.step, score });
        }
        self.metrics = metrics;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{ListMetrics, Metric};

    #[test]
    fn states_of_earlier_versions_are_read() {
        let text = r#"{"epoch": 2, "used": 0, "step": 8, "skipped": 0, "skipped_in_a_row": 0,
            "unreadable": {}, "retrieved": [{"list": "held-out", "found": 20, "listed": 21,
            "digest": "ab", "left_out": ["gone"], "visual_to_audio": {"r1": 0.25, "median_rank": 3.0,
            "intervals": {"r1": {"low": 0.1, "high": 0.4}}}, "audio_to_visual": {"r1": 0.5}}],
            "best": {"step": 4, "r1": 0.4}}"#;
        let state: State = serde_json::from_str(text).expect("a state");
        assert_eq!(state.best, Some(Best { step: 4, score: 0.4 }));
        let list = state.metrics.list("held-out").expect("the list");
        assert_eq!((list.found, list.listed, list.skipped.len()), (20, 21, 1));
        assert_eq!(list.value("audio_to_visual/r1"), Some(0.5));
        assert_eq!(list.values[0].interval, Some((0.1, 0.4)));
        assert_eq!(state.metrics.score("r1"), Some(0.375));
        let again: State =
            serde_json::from_str(&serde_json::to_string(&state).expect("JSON")).expect("a state");
        assert_eq!(again, state);
        let text = r#"{"epoch": 1, "used": 0, "step": 1, "skipped": 0, "skipped_in_a_row": 0,
            "unreadable": {}, "retrieved": [], "classified": [{"list": "validation", "found": 3,
            "listed": 3, "digest": "", "left_out": [], "map": 0.5, "roc_auc": null, "top1": 0.7,
            "intervals": {"map": [0.1, 0.9]}}], "best": null}"#;
        let state: State = serde_json::from_str(text).expect("a state");
        assert_eq!(state.metrics.score("map"), Some(0.5));
        assert_eq!(state.metrics.lists[0].values[0].interval, Some((0.1, 0.9)));
    }

    #[test]
    fn a_collapsed_epoch_is_never_the_best() {
        let metrics = |r1, collapsed: bool| Metrics {
            lists: vec![ListMetrics {
                list: "held-out".to_owned(),
                collapsed: collapsed.then(|| "every sound has the same embedding".to_owned()),
                values: vec![Metric::new("visual_to_audio/r1", r1)],
                ..ListMetrics::default()
            }],
        };
        let mut state = State { step: 1, ..State::default() };
        state.evaluated(metrics(0.05, true), "r1");
        assert_eq!(state.best, None, "not even where there is no other");
        assert!(state.metrics.lists[0].collapsed.is_some());
        state.step = 2;
        state.evaluated(metrics(0.0, false), "r1");
        assert_eq!(state.best, Some(Best { step: 2, score: 0.0 }));
        state.step = 3;
        state.evaluated(metrics(0.05, true), "r1");
        assert_eq!(state.best, Some(Best { step: 2, score: 0.0 }), "chance is above it");
        state.step = 4;
        state.evaluated(metrics(1.0, false), "r1");
        assert_eq!(state.best, Some(Best { step: 4, score: 1.0 }));
    }
}
