//! The section `[method]` of a recipe of cross-modal clustering.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

/// Clusters, and who learns whose.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct XdcSettings {
    /// `xdc`.
    pub name: String,
    /// Whose clusters an encoder learns.
    pub labels: PseudoLabels,
    /// How many clusters there are, at least 2.
    pub clusters: usize,
    /// Epochs from one clustering to the next, at least 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub every: u64,
    /// Whether features are compared by their directions instead of their squared distance.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cosine: bool,
}

/// Whose clusters an encoder learns (Alwassel et al., arXiv 1911.12667, section 3).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PseudoLabels {
    /// Those of another modality (XDC); of more than two modalities a clip draws whose in each epoch.
    Other,
    /// Its own (SDC).
    Own,
    /// Both, by a classifier for each (MDC).
    OwnAndOther,
    /// Those of the features of all modalities side by side, each of unit length (CDC).
    Joint,
}

impl PseudoLabels {
    /// Whether another modality's clusters are learned.
    pub(super) fn others(self) -> bool {
        matches!(self, Self::Other | Self::OwnAndOther)
    }

    /// Whether its own, or those of all, are.
    pub(super) fn own(self) -> bool {
        self != Self::Other
    }
}

impl XdcSettings {
    /// Checks the values.
    ///
    /// # Errors
    ///
    /// If one makes no sense.
    pub fn check(&self) -> anyhow::Result<()> {
        let Self { clusters, every, .. } = self;
        ensure!(
            *clusters > 1,
            "method.clusters = {clusters}: a single cluster tells nothing apart"
        );
        ensure!(*every > 0, "method.every = 0: expected at least 1");
        Ok(())
    }
}

fn one() -> u64 {
    1
}

fn is_one(epochs: &u64) -> bool {
    *epochs == 1
}
