//! How long a run is, how it goes through a batch, and what it keeps.

use serde::{Deserialize, Serialize};

use super::positive;

/// How long the run is, how it goes through a batch, and what it keeps.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Passes over the training clips.
    pub epochs: u64,
    /// Clips per step, over all processes.
    pub batch: usize,
    /// Clips of a batch that are in the networks at a time; absent, all of them. The gradient is
    /// that of the whole batch, for the price of a second forward pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_batch: Option<usize>,
    /// Checkpoints to keep: the newest ones; the best is kept beside them.
    #[serde(alias = "keep")]
    pub keep_checkpoints: usize,
    /// Steps between two checkpoints; absent, one at the end of every epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub save_every: Option<u64>,
    /// How many steps in a row may be skipped since their loss or gradient is not finite; one more
    /// ends the run.
    pub max_skipped: u64,
    /// Whether a run ends whose embeddings are one for all clips for a twentieth of its steps.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub stop_collapsed: bool,
    /// Steps between two records of every variable's gradient norm; absent, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient_norms_every: Option<u64>,
    /// Steps between two records of the cosine between the gradients of groups of terms, such as `inter` and `intra`;
    /// absent, none. Each group takes a further pass through the networks on these steps alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient_cosines_every: Option<u64>,
}

fn yes() -> bool {
    true
}

impl RunConfig {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        positive("run.batch", self.batch)?;
        positive("run.micro_batch", self.micro_batch.unwrap_or(1))?;
        positive("run.epochs", self.epochs as usize)?;
        positive("run.keep_checkpoints", self.keep_checkpoints)?;
        positive("run.save_every", self.save_every.unwrap_or(1) as usize)?;
        positive("run.gradient_norms_every", self.gradient_norms_every.unwrap_or(1) as usize)?;
        positive("run.gradient_cosines_every", self.gradient_cosines_every.unwrap_or(1) as usize)
    }
}
