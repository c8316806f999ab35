//! The section `[method]` of a recipe of space-time crops.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

/// Crops, temperatures, and how much each loss counts.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SticaSettings {
    /// `stica`.
    pub name: String,
    /// How much of the loss is that between modalities, in [0, 1]; the rest is that of crops. 0.5 as published.
    pub alpha: f64,
    /// Large crops of each view, at least 1; 2 in the published example.
    pub large: usize,
    /// Small crops of each view; 4 in the published example.
    pub small: usize,
    /// The temperature between modalities; 0.1 as published.
    pub temperature: f64,
    /// The temperature between crops; 0.5 as published.
    pub crop_temperature: f64,
}

impl SticaSettings {
    /// Checks the values.
    ///
    /// # Errors
    ///
    /// If one makes no sense.
    pub fn check(&self) -> anyhow::Result<()> {
        let Self { alpha, large, temperature, crop_temperature, .. } = *self;
        ensure!((0.0..=1.0).contains(&alpha), "method.alpha = {alpha}: expected 0 to 1");
        ensure!(large > 0, "method.large = 0: expected at least 1");
        for (key, tau) in [("temperature", temperature), ("crop_temperature", crop_temperature)] {
            ensure!(tau > 0.0 && tau.is_finite(), "method.{key} = {tau}: expected above 0");
        }
        Ok(())
    }
}
