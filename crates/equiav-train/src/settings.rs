//! Everything that decides a run, as a recipe holds it, and what its values must satisfy.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use equiav_augment::{AudioAugment, Modality, Profile, VisualAugment};
use equiav_data::FrontEnd;
use equiav_models::{
    BranchConfig, EncoderConfig, HeadConfig, InputConfig, Inter, Intra, PredictorConfig,
};
use equiav_torch::MatmulPrecision;
use serde::{Deserialize, Serialize};

use crate::corpus::Source;

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
    /// Where tensors live and how fp32 matrix products are computed.
    pub compute: Compute,
    /// Clips and how they are fed.
    pub data: Data,
    /// From decoded sound and picture to the encoders' inputs.
    pub front_end: FrontEnd,
    /// The augmentations of each modality.
    pub augment: Augment,
    /// Sizes of the networks.
    pub model: Model,
    /// The losses.
    pub objective: Objective,
    /// AdamW, its schedule and clipping.
    pub optimizer: Optimizer,
    /// How long the run is and what it keeps.
    pub run: Length,
    /// What is measured on held-out clips.
    pub evaluation: Evaluation,
}

/// Where tensors live and how fp32 matrix products are computed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Compute {
    /// `cpu` or `cuda`; a run that asks for CUDA fails where there is none.
    pub device: DeviceName,
    /// Threads of one operation; 0 for as many as there are processors.
    pub threads: usize,
    /// `highest`, `high` or `medium`, as PyTorch's float32 matrix product precision.
    pub matmul_precision: MatmulPrecision,
}

/// A kind of device.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceName {
    /// The processor.
    Cpu,
    /// The first GPU.
    Cuda,
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
    pub queue: usize,
    /// Memory for decoded clips, in MB; 0 decodes anew each epoch.
    pub cache_mb: usize,
    /// The share of unreadable clips above which the run stops.
    pub max_unreadable: f64,
}

/// The augmentations of each modality.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Augment {
    /// On the spectrogram.
    pub audio: AudioAugment,
    /// On the frame.
    pub visual: VisualAugment,
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
    /// Weights of a masked autoencoder that both encoders start from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<PathBuf>,
}

/// The losses.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// What pulls the two views of one modality together.
    pub intra: Intra,
    /// Which embeddings the modalities are compared by.
    pub inter: Inter,
    /// S, the number of predicted embeddings in a centroid.
    pub centroid: usize,
    /// The temperature of every loss.
    pub temperature: f64,
    /// Whether the temperature is learned, starting from that value.
    pub learn_temperature: bool,
    /// The weights of the terms.
    pub weights: Weights,
}

/// The weights of the terms of the total loss.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// Of the inter-modal term.
    pub inter: f64,
    /// Of the intra-modal term of audio.
    pub intra_audio: f64,
    /// Of the intra-modal term of the picture.
    pub intra_visual: f64,
}

impl Weights {
    /// The weight of the intra-modal term of `modality`.
    pub fn intra(&self, modality: Modality) -> f64 {
        match modality {
            Modality::Audio => self.intra_audio,
            Modality::Visual => self.intra_visual,
        }
    }
}

/// AdamW, its schedule and clipping.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// The learning rate at the end of the warm-up.
    pub lr: f64,
    /// The learning rate of the first step.
    pub start_lr: f64,
    /// The learning rate at the end of the run.
    pub final_lr: f64,
    /// Epochs of linear warm-up; a fraction is allowed.
    pub warmup_epochs: f64,
    /// The decay rates of the two moments.
    pub betas: (f64, f64),
    /// The addend of the denominator.
    pub eps: f64,
    /// The decoupled weight decay, on every parameter.
    pub weight_decay: f64,
    /// The largest global gradient norm; absent for no clipping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
}

/// How long the run is and what it keeps.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Length {
    /// Passes over the training clips.
    pub epochs: u64,
    /// Clips per step, over all processes.
    pub batch: usize,
    /// Checkpoints to keep, the newest ones.
    pub keep: usize,
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
}

impl Settings {
    /// The network of each modality, as the recipe asks for it.
    pub fn branches(&self) -> BTreeMap<Modality, BranchConfig> {
        Modality::ALL.into_iter().map(|modality| (modality, self.branch(modality))).collect()
    }

    fn branch(&self, modality: Modality) -> BranchConfig {
        let (height, width, vector) = match modality {
            Modality::Audio => {
                (self.front_end.mels, self.front_end.frames, self.augment.audio.len())
            }
            Modality::Visual => {
                (self.front_end.image, self.front_end.image, self.augment.visual.len())
            }
        };
        BranchConfig {
            suffix: modality.suffix().to_owned(),
            input: InputConfig { height: height as i64, width: width as i64 },
            vector: vector as i64,
            encoder: self.model.encoder.clone(),
            predictor: self.model.predictor.clone(),
            intra_head: self.model.intra_head.clone(),
            inter_head: self.model.inter_head.clone(),
        }
    }

    /// Checks what no single key can know.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let positive = |key: &str, value: usize| {
            ensure!(value > 0, "{key} = {value}: expected at least 1");
            Ok(())
        };
        positive("run.batch", self.run.batch)?;
        ensure!(self.run.batch > 1, "run.batch = 1: a contrastive loss needs at least 2 clips");
        positive("run.epochs", self.run.epochs as usize)?;
        positive("run.keep", self.run.keep)?;
        positive("data.workers", self.data.workers)?;
        positive("data.queue", self.data.queue)?;
        positive("evaluation.every", self.evaluation.every as usize)?;
        positive("evaluation.batch", self.evaluation.batch)?;
        positive("objective.centroid", self.objective.centroid)?;
        let tau = self.objective.temperature;
        ensure!(tau > 0.0 && tau.is_finite(), "objective.temperature = {tau}: expected above 0");
        let share = self.data.max_unreadable;
        ensure!((0.0..=1.0).contains(&share), "data.max_unreadable = {share}: expected 0 to 1");
        self.optimizer.check()?;
        self.check_sizes()
    }

    fn check_sizes(&self) -> anyhow::Result<()> {
        for (modality, branch) in self.branches() {
            branch.check().with_context(|| format!("the {modality} network cannot be built"))?;
        }
        Ok(())
    }
}

impl Optimizer {
    fn check(&self) -> anyhow::Result<()> {
        for (key, value) in [
            ("lr", self.lr),
            ("start_lr", self.start_lr),
            ("final_lr", self.final_lr),
            ("warmup_epochs", self.warmup_epochs),
            ("weight_decay", self.weight_decay),
            ("eps", self.eps),
        ] {
            let sound = value.is_finite() && value >= 0.0;
            ensure!(sound, "optimizer.{key} = {value}: expected a number of at least 0");
        }
        for beta in [self.betas.0, self.betas.1] {
            ensure!(
                (0.0..1.0).contains(&beta),
                "optimizer.betas holds {beta}: expected 0 to below 1"
            );
        }
        if let Some(norm) = self.clip_norm {
            ensure!(norm > 0.0, "optimizer.clip_norm = {norm}: expected above 0, or no such key");
        }
        Ok(())
    }
}
