//! Encoders with a linear classifier on their pooled tokens: the network of fine-tuning.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use tch::{Tensor, nn};

use crate::config::{InputConfig, size};
use crate::encoder::checkpoint::Checkpoint;
use crate::encoder::encode::{Encode, EncodeOptions, ViewKind};
use crate::encoder::{Encoder, EncoderConfig};
use crate::layers::init;
use crate::pool::Pool;

/// How the names of the last linear map's parameters begin.
const HEAD: &str = "mlp_head";

/// One modality of a [`Classifier`].
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkConfig {
    /// What tells this modality's parameters apart: `a` and `v` in the published names.
    pub suffix: String,
    /// The size of the input.
    pub input: InputConfig,
    /// The vision transformer.
    pub encoder: EncoderConfig,
}

/// The shape of a [`Classifier`].
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierConfig {
    /// The modalities that are seen, by their names; their projections are joined in this order.
    pub trunks: BTreeMap<String, TrunkConfig>,
    /// Channels that each modality's pooled tokens are projected to, at least 1.
    pub projection: i64,
    /// Number of classes, at least 1.
    pub classes: i64,
}

/// Encoders, a projection each, and one linear map of the projections to a score per class.
#[derive(Debug)]
pub struct Classifier {
    trunks: BTreeMap<String, Trunk>,
    head: nn::Linear,
}

/// One modality's part.
#[derive(Debug)]
struct Trunk {
    encoder: Encoder,
    pool: Box<dyn Pool>,
    projection: nn::Linear,
}

/// Whether `name` is a parameter of the map to the classes, which starts fresh and may learn faster.
pub fn is_head(name: &str) -> bool {
    name.strip_prefix(HEAD).is_some_and(|rest| rest.starts_with('.'))
}

impl ClassifierConfig {
    /// Checks that the sizes fit together.
    ///
    /// # Errors
    ///
    /// If they do not; the message names the modality and the key.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.trunks.is_empty(), "a classifier needs a modality");
        for (name, trunk) in &self.trunks {
            trunk.encoder.check(trunk.input).with_context(|| format!("in the {name} encoder"))?;
        }
        size("projection", self.projection)?;
        size("the number of classes", self.classes)
    }

    /// Makes the classifier; its parameters go under `root` and carry the published names:
    /// those of the encoders, `pred_SUFFIX_inter` for projections, `mlp_head.0` for the head.
    ///
    /// # Panics
    ///
    /// If [`check`](Self::check) fails.
    #[track_caller]
    pub fn build(&self, root: &nn::Path) -> Classifier {
        if let Err(error) = self.check() {
            panic!("{error:#}");
        }
        let trunk = |(name, config): (&String, &TrunkConfig)| {
            let TrunkConfig { suffix, input, encoder } = config;
            let projection = root / format!("pred_{suffix}_inter");
            let trunk = Trunk {
                encoder: encoder.build(root, suffix, *input),
                pool: encoder.pool.build(&(root / format!("pool_{suffix}")), encoder.width),
                projection: init::linear(projection, encoder.width, self.projection),
            };
            (name.clone(), trunk)
        };
        let trunks: BTreeMap<String, Trunk> = self.trunks.iter().map(trunk).collect();
        let joined = trunks.len() as i64 * self.projection;
        Classifier { trunks, head: init::linear(root / HEAD / 0, joined, self.classes) }
    }
}

impl Classifier {
    /// As [`Encoder::checkpoint_blocks`], of every encoder.
    pub fn checkpoint_blocks(&mut self, checkpoint: Option<Checkpoint>) {
        let trunks = self.trunks.values_mut();
        trunks.for_each(|trunk| trunk.encoder.checkpoint_blocks(checkpoint));
    }

    /// The projection of one modality's plain views: of the point that their tokens are pooled to.
    ///
    /// # Shapes
    ///
    /// - `input`: `[b, c, height, width]`, of 1 or 3 channels
    /// - `factors`: `[depth, 2, b]`, see [`Encoder::forward_scaled`]; absent, every branch counts
    /// - `material`: `[b, width]`, see [`Encode::counted`]
    /// - returns: `[b, projection]`
    ///
    /// # Panics
    ///
    /// If there is no such modality, or the sizes differ from those it was made for.
    // PUBLISHED: head-of-one-modality, the published map to the classes takes the mean token of a picture alone.
    #[track_caller]
    pub fn project(
        &self,
        modality: &str,
        input: &Tensor,
        factors: Option<&Tensor>,
        material: Option<&Tensor>,
    ) -> Tensor {
        let trunk = self.trunks.get(modality);
        let trunk = trunk.unwrap_or_else(|| panic!("the classifier has no modality {modality}"));
        let counted = trunk.encoder.counted(material);
        let counted = counted.as_ref();
        let tokens = match factors {
            None => {
                let options = EncodeOptions { counted, ..EncodeOptions::of(ViewKind::Plain) };
                trunk.encoder.encode(input, &options).tokens
            }
            Some(factors) => trunk.encoder.forward_scaled(input, factors, counted),
        };
        trunk.pool.pool(&tokens, counted).point.apply(&trunk.projection)
    }

    /// The scores of the classes, from the projections of every modality.
    ///
    /// # Shapes
    ///
    /// - `projections`: `[b, projection]` each
    /// - returns: `[b, classes]`
    ///
    /// # Panics
    ///
    /// If the modalities are not those of the classifier, or the sizes differ.
    #[track_caller]
    pub fn classify(&self, projections: &BTreeMap<String, Tensor>) -> Tensor {
        let same = projections.keys().eq(self.trunks.keys());
        assert!(same, "the classifier needs {:?}", self.trunks.keys().collect::<Vec<_>>());
        let joined: Vec<&Tensor> = projections.values().collect();
        Tensor::cat(&joined, -1).apply(&self.head)
    }
}
