//! The losses and their weights.

use anyhow::ensure;
use equiav_augment::Modality;
use equiav_models::{Inter, Intra};
use serde::{Deserialize, Serialize};

use super::positive;

/// The losses.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// What pulls the two views of one modality together.
    pub intra: Intra,
    /// Which embeddings the modalities are compared by.
    pub inter: Inter,
    /// S, the number of predicted embeddings in a centroid.
    pub centroid: usize,
    /// The temperature of every loss.
    pub temperature: f64,
    /// Whether the temperature is learned, starting from that value.
    pub learn_temperature: bool,
    /// The weights of the terms.
    pub weights: Weights,
    /// Rows of similarities in memory at a time, so that it grows with the batch and not with its
    /// square; absent, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<usize>,
}

impl Objective {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        positive("objective.centroid", self.centroid)?;
        positive("objective.rows", self.rows.unwrap_or(1))?;
        let tau = self.temperature;
        ensure!(tau > 0.0 && tau.is_finite(), "objective.temperature = {tau}: expected above 0");
        Ok(())
    }
}

/// The weights of the terms of the total loss.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// Of the inter-modal term.
    pub inter: f64,
    /// Of the intra-modal term of audio.
    pub intra_audio: f64,
    /// Of the intra-modal term of the picture.
    pub intra_visual: f64,
}

impl Weights {
    /// The weight of the intra-modal term of `modality`.
    pub fn intra(&self, modality: Modality) -> f64 {
        match modality {
            Modality::Audio => self.intra_audio,
            Modality::Visual => self.intra_visual,
        }
    }
}
