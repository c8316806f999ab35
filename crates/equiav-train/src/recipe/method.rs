//! The recipe of any method: the sections that all share, and one of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::ensure;
use equiav_augment::{Modality, Profile};
use equiav_frontend::FrontEnd;
use equiav_models::{EncoderConfig, HeadConfig, PoolConfig, PredictorConfig};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::modality::{self, ModalitySettings};
use super::{
    Augment, Compute, Data, Evaluation, Families, Model, Objective, OnlineSchedule, Optimizer,
    RunConfig, Sections, Settings, Shared,
};

/// Everything that decides a run of a method that has the section `[method]` to itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MethodSettings<S> {
    /// What the run is called; its default folder is `runs/NAME`.
    pub name: String,
    /// The seed of every random stream.
    pub seed: u64,
    /// Whether inputs are made as the published code does.
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
    /// The networks of a method that embeds each modality by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<TowersConfig>,
    /// The method's own.
    pub method: S,
    /// The weights of its terms.
    #[serde(default)]
    pub objective: TermWeights,
    /// AdamW, its schedule, clipping, and the EMA of the weights.
    pub optimizer: Optimizer,
    /// How long the run is and what it keeps.
    pub run: RunConfig,
    /// What is measured on held-out clips.
    pub evaluation: Evaluation,
}

/// Networks that embed each modality by itself, the same sizes for all. A run that has them is opened by every command
/// that opens a model.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TowersConfig {
    /// The vision transformers, with their pools.
    pub encoder: EncoderConfig,
    /// What makes embeddings of pooled tokens.
    pub head: HeadConfig,
    /// How many numbers a linear map makes of these that the method fits; absent, there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readout: Option<i64>,
    /// What the encoders start from, as `model.start` of EquiAV.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<PathBuf>,
}

/// Everything that decides a run of a method with arrays for clips: no files are read.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ArraySettings<S> {
    /// What the run is called; its default folder is `runs/NAME`.
    pub name: String,
    /// The seed of every random stream.
    pub seed: u64,
    /// Where tensors live and how they are computed.
    pub compute: Compute,
    /// The method's own.
    pub method: S,
    /// The weights of its terms.
    #[serde(default)]
    pub objective: TermWeights,
    /// AdamW, its schedule, clipping, and the EMA of the weights.
    pub optimizer: Optimizer,
    /// How long the run is and what it keeps.
    pub run: RunConfig,
    /// When the method measures, and by what the best epoch is chosen.
    pub evaluation: EvaluationSchedule,
}

/// When a method measures, and by what the best epoch is chosen.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationSchedule {
    /// Epochs between two measurements; the last epoch is always measured.
    pub every: u64,
    /// The metric that the best epoch is chosen by.
    pub best: String,
}

/// The weights of the terms of the loss.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TermWeights {
    /// The weight of each term by its name; 1 for a term that is not named.
    #[serde(default)]
    pub weights: BTreeMap<String, f64>,
}

impl<S: Clone + DeserializeOwned + Serialize> Sections for MethodSettings<S> {
    fn check(&self) -> anyhow::Result<()> {
        self.augment.check()?;
        self.objective.check()?;
        self.data.check()?;
        self.evaluation.check()?;
        self.embedding().map_or(Ok(()), |recipe| recipe.check())?;
        self.shared().check()
    }

    fn shared(&self) -> Shared<'_> {
        Shared {
            seed: self.seed,
            compute: &self.compute,
            optimizer: &self.optimizer,
            run: &self.run,
            weights: Some(&self.objective.weights),
            pairwise: false,
            evaluate_every: self.evaluation.every,
            online: self.evaluation.online(),
            best: &self.evaluation.best,
        }
    }

    fn resolve(&mut self, families: &Families) -> anyhow::Result<()> {
        modality::check(&self.modality)?;
        self.augment.resolve(&self.modality, families)
    }
}

impl<S> MethodSettings<S> {
    /// The pre-training recipe by which the [`TowersConfig`] of this one embed; none where it has none.
    pub fn embedding(&self) -> Option<Settings> {
        let TowersConfig { encoder, head, readout, start } = self.model.clone()?;
        Some(Settings {
            name: self.name.clone(),
            seed: self.seed,
            profile: self.profile,
            compute: self.compute.clone(),
            data: self.data.clone(),
            front_end: self.front_end.clone(),
            augment: self.augment.clone(),
            modality: self.modality.clone(),
            model: Model {
                encoder,
                predictor: PredictorConfig::Mean,
                intra_head: HeadConfig::NONE,
                inter_head: head,
                aggregate: PoolConfig::Mean,
                zero_init_predictor: false,
                start,
                readout,
            },
            objective: Objective::clean_pair(),
            optimizer: self.optimizer.clone(),
            run: self.run.clone(),
            evaluation: self.evaluation.clone(),
        })
    }
}

impl TermWeights {
    fn check(&self) -> anyhow::Result<()> {
        for (name, weight) in &self.weights {
            ensure!(weight.is_finite(), "objective.weights.{name} = {weight}: expected a number");
        }
        Ok(())
    }
}

impl<S: Clone + DeserializeOwned + Serialize> Sections for ArraySettings<S> {
    fn check(&self) -> anyhow::Result<()> {
        self.objective.check()?;
        self.shared().check()
    }

    fn shared(&self) -> Shared<'_> {
        Shared {
            seed: self.seed,
            compute: &self.compute,
            optimizer: &self.optimizer,
            run: &self.run,
            weights: Some(&self.objective.weights),
            pairwise: false,
            evaluate_every: self.evaluation.every,
            online: OnlineSchedule::OFF,
            best: &self.evaluation.best,
        }
    }
}
