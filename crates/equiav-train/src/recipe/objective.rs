//! The losses of EquiAV and their weights.

use std::collections::BTreeMap;

use anyhow::ensure;
use equiav_augment::Modality;
use equiav_models::{AugmentedPositives, ForwardOptions, Inter, Intra};
use serde::{Deserialize, Serialize};

use super::positive;

/// Every pair of `modalities` with the name of its term: `inter` of two, `inter_A_B` of more.
pub(crate) fn pairs(modalities: &[Modality]) -> Vec<(String, [Modality; 2])> {
    let two = modalities.len() == 2;
    let name = |a, b| if two { "inter".to_owned() } else { format!("inter_{a}_{b}") };
    let after = |(place, a): (usize, &Modality)| {
        let others = modalities[place + 1..].iter();
        others.map(|b| (name(*a, *b), [*a, *b])).collect::<Vec<_>>()
    };
    modalities.iter().enumerate().flat_map(after).collect()
}

/// How a picture's tokens are compared with sounds; see [`TokenPool`](equiav_loss::TokenPool).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tokens {
    /// They are not, as in the paper.
    #[default]
    None,
    /// By the one that fits best.
    Max,
    /// By all, the more the better they fit.
    LogSumExp,
}

/// What a picture's tokens are when they are compared with sounds.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenSource {
    /// After all blocks, by the head of the inter-modal loss.
    #[default]
    Encoded,
    /// Patches by themselves, which have met no other, by a head of their own.
    Patches,
}

impl TokenSource {
    /// Whether it is the one that recipes do not name.
    pub fn is_encoded(&self) -> bool {
        *self == Self::Encoded
    }
}

impl Tokens {
    /// Whether they are not; recipes do not name that.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// The losses.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// What pulls the two views of one modality together.
    pub intra: Intra,
    /// Which embeddings the modalities are compared by.
    pub inter: Inter,
    /// Whether augmented views are compared with the other modality's plain ones as well (term `inter_augmented`):
    /// `none`, `unconditioned`, or `conditioned` on their vectors by a second predictor.
    #[serde(default, skip_serializing_if = "AugmentedPositives::is_none")]
    pub augmented_positives: AugmentedPositives,
    /// Whether the tokens of pictures are compared with sounds as well (term `tokens`), which `equiav localize` then draws: `none`, by
    /// the one that fits best (`max`), or by all, the more the better they fit (`log-sum-exp`).
    #[serde(default, skip_serializing_if = "Tokens::is_none")]
    pub tokens: Tokens,
    /// What these tokens are: `encoded`, after all blocks, where each may know the whole picture; or `patches`, by themselves, which
    /// can only tell what is at their place, by a head of their own.
    #[serde(default, skip_serializing_if = "TokenSource::is_encoded")]
    pub token_source: TokenSource,
    /// How many sounds of silence or faint noise stand beside a batch, which the tokens of no picture should fit, in the mean: each
    /// clip brings one with the chance of this over `run.batch`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub silent_negatives: usize,
    /// S, the number of predicted embeddings in a centroid.
    #[serde(alias = "centroid")]
    pub centroid_samples: usize,
    /// Epochs over which what the modalities compare goes from the plain view's own point to the centroid, in equal
    /// parts an epoch; absent, it is the centroid from the first step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub centroid_warmup_epochs: Option<u64>,
    /// The block, counted from 0, on whose output the losses within the modalities act, so that the blocks above it
    /// learn from the other modality alone; absent, they act on the tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intra_block: Option<usize>,
    /// Whether the centroid sees the tokens as constants, so that the loss between the modalities trains predictors and
    /// heads and no encoder: to find out what the encoder learns from it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub detach_centroid: bool,
    /// For how many of the clips, in [0, 1], the loss within a modality hides from the predictor what was done to the view (its vector
    /// is zeros there), so that what the vector would give away has to be learned; 1 trains a predictor to invariance.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub vector_dropout: f64,
    /// The temperature of every loss.
    pub temperature: f64,
    /// Whether the temperature is learned, starting from that value.
    pub learn_temperature: bool,
    /// The weight of each term by its name: `inter`, `intra_audio`, `intra_visual`, `inter_augmented`,
    /// `tokens`; of more than two modalities `inter_A_B` of each pair.
    pub weights: BTreeMap<String, f64>,
    /// Rows of similarities in memory at a time, so that it grows with the batch and not with its
    /// square; absent, all of them.
    #[serde(default, alias = "rows", skip_serializing_if = "Option::is_none")]
    pub loss_chunk_size: Option<usize>,
}

impl Objective {
    /// That of a network that compares plain views alone, in whichever way it was trained.
    pub(super) fn clean_pair() -> Self {
        Self {
            intra: Intra::None,
            inter: Inter::CleanPair,
            augmented_positives: AugmentedPositives::None,
            tokens: Tokens::None,
            token_source: TokenSource::Encoded,
            silent_negatives: 0,
            centroid_samples: 1,
            centroid_warmup_epochs: None,
            intra_block: None,
            detach_centroid: false,
            vector_dropout: 0.0,
            temperature: 1.0,
            learn_temperature: false,
            weights: BTreeMap::new(),
            loss_chunk_size: None,
        }
    }

    /// What a step of `epoch`, counted from 0, compares.
    pub(crate) fn compared(&self, epoch: u64) -> ForwardOptions<'static> {
        let share = match self.centroid_warmup_epochs {
            Some(epochs) if epoch < epochs => epoch as f64 / epochs as f64,
            _ => 1.0,
        };
        ForwardOptions {
            centroid_share: share,
            intra_block: self.intra_block,
            detach_tokens: self.detach_centroid,
            ..ForwardOptions::new(self.intra, self.inter)
        }
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        positive("objective.centroid_samples", self.centroid_samples)?;
        positive("objective.loss_chunk_size", self.loss_chunk_size.unwrap_or(1))?;
        let tau = self.temperature;
        ensure!(tau > 0.0 && tau.is_finite(), "objective.temperature = {tau}: expected above 0");
        ensure!(
            self.silent_negatives == 0 || !self.tokens.is_none(),
            "objective.silent_negatives = {}: only tokens are compared with silence (help: objective.tokens = \"max\", or \
             objective.silent_negatives = 0)",
            self.silent_negatives
        );
        ensure!(
            self.token_source.is_encoded() || !self.tokens.is_none(),
            "objective.token_source: no tokens are compared (help: objective.tokens = \"max\")"
        );
        ensure!(
            self.tokens.is_none()
                || self.intra != Intra::None
                || self.inter != Inter::AugmentedPair,
            "objective.tokens: the plain view, whose tokens are compared, is not encoded where objective.intra = \"none\" and \
             objective.inter = \"augmented-pair\" (help: another of both, or objective.tokens = \"none\")"
        );
        let dropout = self.vector_dropout;
        ensure!(
            (0.0..=1.0).contains(&dropout),
            "objective.vector_dropout = {dropout}: expected 0 to 1"
        );
        ensure!(
            dropout == 0.0 || self.intra == Intra::Equivariant,
            "objective.vector_dropout = {dropout}: nothing is predicted within a modality (help: objective.intra = \"equivariant\")"
        );
        // Which terms there are is the method's affair: see `Method::term_names`.
        for (name, weight) in &self.weights {
            ensure!(weight.is_finite(), "objective.weights.{name} = {weight}: expected a number");
        }
        Ok(())
    }
}

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}
