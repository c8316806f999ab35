//! The sections of a pre-training recipe, and what their values must satisfy.

pub(super) mod online;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use equiav_augment::{Modality, Profile};
use equiav_frontend::{FrontEnd, InputAugment, InputKind};
use equiav_models::{
    BranchConfig, EncoderConfig, HeadConfig, InputConfig, PoolConfig, PredictorConfig,
};
use serde::{Deserialize, Serialize};

use super::modality::{self, ModalitySettings};
use super::{Augment, Compute, Objective, OnlineSchedule, Optimizer, RunConfig, Source, positive};

/// Everything that decides a run.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What the run is called; its default folder is `runs/NAME`.
    pub name: String,
    /// The seed of every random stream.
    pub seed: u64,
    /// Whether the published code's deviations from its own vectors are kept; sections may differ by
    /// a `profile` of their own.
    pub profile: Profile,
    /// Where tensors live and how they are computed.
    pub compute: Compute,
    /// Clips and how they are fed.
    pub data: Data,
    /// From decoded sound and picture to the encoders' inputs.
    pub front_end: FrontEnd,
    /// The augmentations of each modality.
    pub augment: Augment,
    /// What each modality is made of, by name; `audio` and `visual` are there without a table.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub modality: BTreeMap<Modality, ModalitySettings>,
    /// Sizes of the networks.
    pub model: Model,
    /// The losses.
    pub objective: Objective,
    /// AdamW, its schedule, clipping, and the average of the weights.
    pub optimizer: Optimizer,
    /// How long the run is and what it keeps.
    pub run: RunConfig,
    /// What is measured on held-out clips.
    pub evaluation: Evaluation,
}

/// Clips and how they are fed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Where the clips come from.
    pub source: Source,
    /// Threads that decode and augment.
    pub workers: usize,
    /// Batches that may wait, decoded, for the step.
    #[serde(alias = "queue")]
    pub prefetch_batches: usize,
    /// Memory for decoded clips, in MB; 0 decodes anew each epoch.
    pub cache_mb: usize,
    /// The share of unreadable clips above which the run stops.
    pub max_unreadable: f64,
}

/// Sizes of the networks, the same for both modalities.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The vision transformers.
    pub encoder: EncoderConfig,
    /// The transformation predictors.
    pub predictor: PredictorConfig,
    /// The heads of the intra-modal losses.
    pub intra_head: HeadConfig,
    /// The heads of the inter-modal loss.
    pub inter_head: HeadConfig,
    /// What makes one point of the predictions of a centroid; absent, their mean.
    #[serde(default, skip_serializing_if = "PoolConfig::is_mean")]
    pub aggregate: PoolConfig,
    /// Whether fresh predictors predict the mean of the tokens, so that training begins as with the clean pair.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub zero_init_predictor: bool,
    /// What the encoders start from: the run folder of any method of this program, exported weights, or the weight file
    /// of a public masked autoencoder, which serves all modalities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<PathBuf>,
    /// How many numbers a fitted linear map makes of the inter-modal heads'; methods that fit one have it, EquiAV has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readout: Option<i64>,
}

/// What is measured on held-out clips.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Epochs between two measurements; the last epoch is always measured.
    pub every: u64,
    /// Clips per forward pass.
    pub batch: usize,
    /// The seed of the fixed set of vectors.
    pub seed: u64,
    /// Whether clips with byte-equal sound or picture count as correct answers too.
    pub duplicates_correct: bool,
    /// The metric that the best epoch is chosen by, the mean over lists and directions.
    #[serde(default = "r1", skip_serializing_if = "is_r1")]
    pub best: String,
    /// Steps between two measurements of a few held-out clips while training; 0, none; absent, as many as keep what
    /// they take within a fiftieth of the steps' time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub online_every: Option<u64>,
    /// How many held-out clips that are, of the first list.
    #[serde(default = "online_clips", skip_serializing_if = "is_online_clips")]
    pub online_clips: usize,
}

impl Data {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        positive("data.workers", self.workers)?;
        positive("data.prefetch_batches", self.prefetch_batches)?;
        let share = self.max_unreadable;
        ensure!((0.0..=1.0).contains(&share), "data.max_unreadable = {share}: expected 0 to 1");
        Ok(())
    }
}

impl Evaluation {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        positive("evaluation.every", self.every as usize)?;
        positive("evaluation.batch", self.batch)?;
        let clips = self.online_clips;
        ensure!(
            clips > 1,
            "evaluation.online_clips = {clips}: expected at least 2 (help: evaluation.online_every = 0 measures none)"
        );
        Ok(())
    }

    /// When a few held-out clips are measured, and how many.
    pub(super) fn online(&self) -> OnlineSchedule {
        OnlineSchedule { every: self.online_every, clips: self.online_clips }
    }
}

/// The size of an encoder's inputs of that `kind` under `front_end`.
pub fn input_size(front_end: &FrontEnd, kind: InputKind) -> InputConfig {
    let (_, height, width) = kind.shape(front_end);
    InputConfig { height: height as i64, width: width as i64 }
}

impl Settings {
    /// The network of each modality, as the recipe asks for it.
    pub fn branches(&self) -> BTreeMap<Modality, BranchConfig> {
        let branch =
            |(modality, view): (Modality, InputAugment)| (modality, self.branch(modality, &view));
        self.augment.views().into_iter().map(branch).collect()
    }

    fn branch(&self, modality: Modality, view: &InputAugment) -> BranchConfig {
        let own = self.modality.get(&modality).cloned().unwrap_or_default();
        BranchConfig {
            suffix: modality::suffix(&self.modality, modality).to_owned(),
            input: input_size(&self.front_end, view.kind()),
            vector: view.len() as i64,
            encoder: own.encoder.unwrap_or_else(|| self.model.encoder.clone()),
            predictor: own.predictor.unwrap_or_else(|| self.model.predictor.clone()),
            intra_head: self.model.intra_head.clone(),
            inter_head: self.model.inter_head.clone(),
            augmented_positives: self.objective.augmented_positives,
            aggregate: self.model.aggregate,
            zero_init_predictor: self.model.zero_init_predictor,
            readout: self.model.readout,
        }
    }

    /// Checks what no single key can know.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.augment.check()?;
        self.data.check()?;
        self.evaluation.check()?;
        self.objective.check()?;
        self.optimizer.check()?;
        self.run.check()?;
        ensure!(self.run.batch > 1, "run.batch = 1: a contrastive loss needs at least 2 clips");
        let (quiet, batch) = (self.objective.silent_negatives, self.run.batch);
        ensure!(
            quiet <= batch,
            "objective.silent_negatives = {quiet}: at most one for each clip of run.batch = {batch}"
        );
        shares_fit(&self.branches())?;
        for (modality, branch) in self.branches() {
            branch.check().with_context(|| format!("the {modality} network cannot be built"))?;
            let (block, blocks) = (self.objective.intra_block, branch.encoder.depth);
            ensure!(
                block.is_none_or(|block| (block as i64) < blocks),
                "objective.intra_block = {}: the {modality} encoder has blocks 0 to {}",
                block.unwrap_or_default(),
                blocks - 1
            );
        }
        Ok(())
    }
}

/// Refuses encoders that differ where they are to have the very same blocks.
fn shares_fit(branches: &BTreeMap<Modality, BranchConfig>) -> anyhow::Result<()> {
    let shape = |branch: &BranchConfig| {
        let EncoderConfig { width, depth, heads, mlp, shared_from, .. } = branch.encoder.clone();
        (width, depth, heads, mlp, shared_from)
    };
    let shapes: Vec<_> = branches.values().map(shape).collect();
    let shares = shapes.iter().any(|shape| shape.4.is_some());
    ensure!(
        !shares || shapes.windows(2).all(|pair| pair[0] == pair[1]),
        "encoder.shared_from: the encoders of all modalities need the same width, depth, heads, mlp and shared_from"
    );
    Ok(())
}

/// The metric of retrieval by which the best epoch is chosen unless the recipe says otherwise.
fn r1() -> String {
    "r1".to_owned()
}

fn is_r1(name: &str) -> bool {
    name == "r1"
}

/// Enough for neighbors of several classes, few enough for memory.
fn online_clips() -> usize {
    128
}

fn is_online_clips(clips: &usize) -> bool {
    *clips == online_clips()
}
