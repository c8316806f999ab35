//! Which of a clip's two views a thing belongs to.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A kind of view of a clip.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Modality {
    /// What is heard.
    Audio,
    /// What is seen.
    Visual,
}

impl Modality {
    /// Every modality, in the order in which batches and reports list them.
    pub const ALL: [Self; 2] = [Self::Audio, Self::Visual];

    /// The name in recipes, logs and batches: `audio` or `visual`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Visual => "visual",
        }
    }

    /// The ending of the published parameter names: `a` or `v`.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Audio => "a",
            Self::Visual => "v",
        }
    }
}

impl fmt::Display for Modality {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}
