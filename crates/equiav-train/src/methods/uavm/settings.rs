//! The section `[method]` of a recipe of a unified classifier.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

/// How a classifier learns from one modality at a time.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UavmSettings {
    /// `uavm`.
    pub name: String,
    /// The chance of a step to see sounds, in (0, 1); else it sees pictures.
    #[serde(default = "half", skip_serializing_if = "is_half")]
    pub audio_share: f64,
    /// How much of a label goes to all classes alike, in [0, 1); 0.1 as published.
    #[serde(default)]
    pub smoothing: f64,
    /// For how many clips, in [0, 1], another clip of the batch is mixed in, with a share of Beta(10, 10); one half as
    /// published.
    #[serde(default)]
    pub mixup: f64,
    /// Whether a clip may be of several classes, each told by itself; else of one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub multilabel: bool,
    /// Whether each modality has a classifier of its own, as where no block is shared.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_classifiers: bool,
}

impl UavmSettings {
    /// Checks the values.
    ///
    /// # Errors
    ///
    /// If one makes no sense.
    pub fn check(&self) -> anyhow::Result<()> {
        let Self { audio_share, smoothing, mixup, .. } = *self;
        ensure!(
            audio_share > 0.0 && audio_share < 1.0,
            "method.audio_share = {audio_share}: expected above 0 and below 1"
        );
        ensure!(
            (0.0..1.0).contains(&smoothing),
            "method.smoothing = {smoothing}: expected 0 to below 1"
        );
        ensure!((0.0..=1.0).contains(&mixup), "method.mixup = {mixup}: expected 0 to 1");
        Ok(())
    }
}

fn half() -> f64 {
    0.5
}

fn is_half(share: &f64) -> bool {
    *share == 0.5
}
