//! The choice between the published behavior and the corrected one.

use serde::{Deserialize, Serialize};

/// Which of two behaviors the augmentations have.
///
/// The published code does several things that its own parameter vector does not describe. Weights
/// trained with it need them again; a new training run is better off without them. Every such
/// place carries a marker comment, whose key has a row in `docs/published.md`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// What the published implementation does.
    Published,
    /// What its parameter vector says.
    #[default]
    Corrected,
}

impl Profile {
    /// Both profiles.
    pub const ALL: [Self; 2] = [Self::Published, Self::Corrected];
}
