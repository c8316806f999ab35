//! The shape of a branch and of a whole model, as recipes and `config.json` hold it.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use tch::nn;

use crate::branch::Branch;
use crate::branch::variant::AugmentedPositives;
use crate::encoder::EncoderConfig;
use crate::head::HeadConfig;
use crate::layers::mlp::MlpConfig;
use crate::pool::PoolConfig;
use crate::predictor::PredictorConfig;

/// The largest number that a size may be, so that no product of sizes overflows.
const LARGEST: i64 = 1 << 16;

/// The size of an encoder's input.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InputConfig {
    /// Rows: pixels, or mel bins; a multiple of the patch.
    pub height: i64,
    /// Columns: pixels, or frames; a multiple of the patch.
    pub width: i64,
}

/// The shape of a [`Branch`].
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BranchConfig {
    /// What tells this modality's parameters apart: `a` and `v` in the published names.
    pub suffix: String,
    /// The size of the input.
    pub input: InputConfig,
    /// Length of a parameter vector, at least 1.
    pub vector: i64,
    /// The vision transformer.
    pub encoder: EncoderConfig,
    /// The transformation predictor.
    pub predictor: PredictorConfig,
    /// The head of the intra-modal loss.
    pub intra_head: HeadConfig,
    /// The head of the inter-modal loss.
    pub inter_head: HeadConfig,
    /// Whether augmented views have inter-modal embeddings too; a second predictor makes those that are conditioned.
    #[serde(default, skip_serializing_if = "AugmentedPositives::is_none")]
    pub augmented_positives: AugmentedPositives,
    /// What makes one point of the S predictions of a centroid; absent, their mean, the published one.
    #[serde(default, skip_serializing_if = "PoolConfig::is_mean")]
    pub aggregate: PoolConfig,
    /// Whether every prediction of a fresh predictor is the mean of the tokens: its last layers start at zero.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub zero_init_predictor: bool,
    /// How many numbers a fitted linear map makes of the inter-modal head's, see [`Readout`](crate::Readout); absent,
    /// there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readout: Option<i64>,
}

/// The shape of a model, as `config.json` holds it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ModelConfig {
    /// Always `equiav`.
    pub model_type: String,
    /// The shape of each modality's branch, by the modality's name.
    pub branches: BTreeMap<String, BranchConfig>,
    /// Whatever else a user of the weights must know, such as the front end.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

impl BranchConfig {
    /// Checks that the sizes fit together.
    ///
    /// # Errors
    ///
    /// If they do not; the message names the key.
    pub fn check(&self) -> anyhow::Result<()> {
        let suffix = &self.suffix;
        let plain = !suffix.is_empty() && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric());
        ensure!(plain, "suffix = {suffix:?}: expected letters and digits");
        size("vector", self.vector)?;
        self.encoder.check(self.input).context("in the encoder")?;
        self.predictor.check().context("in the predictor")?;
        self.aggregate.check(self.encoder.width).context("in the aggregate")?;
        for (head, config) in [("intra_head", &self.intra_head), ("inter_head", &self.inter_head)] {
            config.check(head)?;
        }
        if let Some(components) = self.readout {
            size("readout", components)?;
            let out = self.inter_head.outputs(self.encoder.width);
            ensure!(components <= out, "readout = {components}: at most inter_head.out = {out}");
        }
        Ok(())
    }
}

impl EncoderConfig {
    pub(crate) fn check(&self, input: InputConfig) -> anyhow::Result<()> {
        let Self { width, depth, heads, patch, mlp, mask_padding: _, pool, shared_from } = *self;
        size("width", width)?;
        size("depth", depth)?;
        size("heads", heads)?;
        size("patch", patch)?;
        mlp.check()?;
        pool.check(width)?;
        ensure!(width % heads == 0, "heads = {heads} does not divide width = {width}");
        if let Some(first) = shared_from {
            ensure!(
                (0..=depth).contains(&first),
                "shared_from = {first}: expected 0 to depth = {depth}"
            );
        }
        ensure!(width % 4 == 0, "width = {width}: the position table needs a multiple of 4");
        for (key, length) in [("input.height", input.height), ("input.width", input.width)] {
            size(key, length)?;
            ensure!(length % patch == 0, "patch = {patch} does not divide {key} = {length}");
        }
        size("the number of patches", (input.height / patch) * (input.width / patch))
    }
}

impl PredictorConfig {
    fn check(&self) -> anyhow::Result<()> {
        match *self {
            Self::Attention { hidden, heads, head_width, mlp } => {
                size("hidden", hidden)?;
                size("heads", heads)?;
                size("head_width", head_width)?;
                mlp.check()
            }
            Self::Linear | Self::Mean => Ok(()),
            Self::Hypernetwork { hidden, rank } => size("hidden", hidden).and(size("rank", rank)),
        }
    }
}

impl MlpConfig {
    fn check(self) -> anyhow::Result<()> {
        size("mlp.ratio", self.ratio())
    }
}

impl ModelConfig {
    /// The configuration of a model of those branches, with nothing extra.
    pub fn new(branches: BTreeMap<String, BranchConfig>) -> Self {
        Self { model_type: MODEL_TYPE.to_owned(), branches, extra: BTreeMap::new() }
    }

    /// Makes every branch under `root`.
    ///
    /// # Errors
    ///
    /// If the configuration is of another kind of model, or a branch's sizes do not fit together.
    pub fn build(&self, root: &nn::Path) -> anyhow::Result<BTreeMap<String, Branch>> {
        let kind = &self.model_type;
        ensure!(kind == MODEL_TYPE, "model_type = {kind:?}: expected {MODEL_TYPE:?}");
        ensure!(!self.branches.is_empty(), "the configuration has no branches");
        let mut suffixes = Vec::new();
        for (name, config) in &self.branches {
            config.check().with_context(|| format!("in branch {name}"))?;
            let suffix = &config.suffix;
            ensure!(!suffixes.contains(&suffix), "two branches have the suffix {suffix:?}");
            suffixes.push(suffix);
        }
        let branches = self.branches.iter();
        Ok(branches.map(|(name, config)| (name.clone(), config.build(root))).collect())
    }
}

const MODEL_TYPE: &str = "equiav";

pub(crate) fn size(key: &str, value: i64) -> anyhow::Result<()> {
    ensure!((1..=LARGEST).contains(&value), "{key} = {value}: expected 1 to {LARGEST}");
    Ok(())
}
