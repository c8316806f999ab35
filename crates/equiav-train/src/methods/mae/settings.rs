//! The section `[method]` of a recipe for masked autoencoding.

use anyhow::ensure;
use equiav_models::{DecoderConfig, EncoderConfig};
use serde::{Deserialize, Serialize};

/// Masks and networks.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MaeSettings {
    /// `mae`.
    pub name: String,
    /// The encoders; those of the recipe that will start from them.
    pub encoder: EncoderConfig,
    /// The decoders, which are dropped after training.
    pub decoder: DecoderConfig,
    /// The share of patches that is hidden, above 0 and below 1; 0.75 as published.
    pub mask_ratio: f64,
    /// Whether patches are drawn with mean 0 and variance 1 each, as published.
    pub normalize_patches: bool,
}

impl MaeSettings {
    /// How many of `patches` are seen: at least one, and not all.
    pub(super) fn visible(&self, patches: usize) -> usize {
        let seen = ((1.0 - self.mask_ratio) * patches as f64).round() as usize;
        seen.clamp(1, patches.saturating_sub(1).max(1))
    }

    /// Refuses a share that hides nothing or all.
    ///
    /// # Errors
    ///
    /// If it does.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let ratio = self.mask_ratio;
        ensure!(
            ratio > 0.0 && ratio < 1.0,
            "method.mask_ratio = {ratio}: expected above 0 and below 1"
        );
        Ok(())
    }
}
