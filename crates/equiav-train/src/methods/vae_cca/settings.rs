//! The section `[method]` of a recipe of VAE-CCA.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

/// Stochastic heads, classes and what compares them.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct VaeCcaSettings {
    /// `vae-cca`.
    pub name: String,
    /// Channels of the hidden layers of what makes a variance and of what reconstructs, at least 1.
    pub hidden: i64,
    /// Where the centers of classes come from.
    #[serde(default, skip_serializing_if = "Centers::is_stored")]
    pub centers: Centers,
    /// What is added to the variances of the terms `canonical` and `canonical_class`, which the published code lacks; absent,
    /// there are no such terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canonical_ridge: Option<f64>,
}

/// Where the centers of classes come from.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Centers {
    /// They are learned and saved.
    #[default]
    Stored,
    /// They are drawn anew at every step, as in the published code, where they pull embeddings nowhere.
    Redrawn,
}

impl Centers {
    /// Whether it is the one that recipes do not name.
    pub fn is_stored(&self) -> bool {
        *self == Self::Stored
    }
}

impl VaeCcaSettings {
    /// Checks the values.
    ///
    /// # Errors
    ///
    /// If one makes no sense.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(self.hidden > 0, "method.hidden = {}: expected at least 1", self.hidden);
        let ridge = self.canonical_ridge.unwrap_or(0.0);
        ensure!(
            ridge >= 0.0 && ridge.is_finite(),
            "method.canonical_ridge = {ridge}: expected at least 0"
        );
        Ok(())
    }
}
