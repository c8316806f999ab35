//! The variants of the paper's ablation (its table 4): which embeddings the losses compare.

use serde::{Deserialize, Serialize};
use tch::Tensor;

/// What pulls the two views of one modality together.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Intra {
    /// The augmented view and its prediction from the plain view: the paper's choice.
    Equivariant,
    /// The augmented view and the plain view themselves; the parameter vector is not used.
    Invariant,
    /// Nothing.
    None,
}

/// Which embedding of a clip is compared with the other modality's.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inter {
    /// The mean of the plain view's tokens.
    CleanPair,
    /// The mean of the augmented view's tokens.
    AugmentedPair,
    /// One prediction, from the first of the centroid's vectors.
    SinglePrediction,
    /// The mean of the predictions from all of the centroid's vectors: the paper's choice.
    Centroid,
}

/// What a step compares: the two variants, and how the centroid takes part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForwardOptions<'a> {
    /// What pulls the two views of one modality together.
    pub intra: Intra,
    /// Which embeddings the modalities are compared by.
    pub inter: Inter,
    /// How much of the compared point is the prediction or the centroid of [`Inter`], in [0, 1]; the rest is the plain
    /// view's own point. 1 but for a schedule from the clean pair to the centroid.
    pub centroid_share: f64,
    /// The block, counted from 0, on whose output the loss within the modality acts, predictions included; none, on the
    /// tokens. What lies above it then learns from the other modality alone (as Soft Equivariance Regularization has
    /// it, ICLR 2026).
    pub intra_block: Option<usize>,
    /// Whether the sampled predictions see the tokens as constants, so that the inter-modal loss trains predictors and
    /// heads and no encoder.
    pub detach_tokens: bool,
    /// Which clips' predictions of the augmented view are told its vector, `[b, 1]` of 1 and 0; the others see zeros in its
    /// place, which leaves invariance alone to be learned. None for all.
    pub told: Option<&'a Tensor>,
}

impl ForwardOptions<'_> {
    /// The two variants as published.
    pub fn new(intra: Intra, inter: Inter) -> Self {
        Self {
            intra,
            inter,
            centroid_share: 1.0,
            intra_block: None,
            detach_tokens: false,
            told: None,
        }
    }
}

/// Whether augmented views are compared with the other modality's plain ones as well, and how.
///
/// An augmentation may disturb what both modalities have in common, such as a hue. Compared as it is, an augmented view
/// then teaches to forget it; told what was done, the network can take it back.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AugmentedPositives {
    /// They are not, as in the paper.
    #[default]
    None,
    /// As they are, as other methods have it: the parameter vector is not used.
    Unconditioned,
    /// By a second predictor, which is told the view's own parameter vector.
    Conditioned,
}

impl AugmentedPositives {
    /// Whether they are not; recipes do not name that.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

impl Intra {
    /// Whether the plain and the augmented view must be encoded for this.
    pub(crate) fn needs_views(self) -> bool {
        self != Self::None
    }
}

impl Inter {
    /// Whether the plain view must be encoded for this.
    pub(crate) fn needs_plain(self) -> bool {
        self != Self::AugmentedPair
    }

    /// How many of `available` sampled vectors are predicted from.
    pub(crate) fn predictions(self, available: i64) -> i64 {
        match self {
            Self::CleanPair | Self::AugmentedPair => 0,
            Self::SinglePrediction => 1,
            Self::Centroid => available,
        }
    }
}
