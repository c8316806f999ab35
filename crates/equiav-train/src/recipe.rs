//! A run's settings: read from TOML, changed by dotted overrides, checked, and only then usable.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use equiav_augment::{AudioAugment, Modality, Profile, VisualAugment};
use equiav_data::FrontEnd;
use equiav_models::{
    BranchConfig, EncoderConfig, HeadConfig, InputConfig, Inter, Intra, PredictorConfig,
};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::corpus::Source;
use crate::overrides::Override;
use crate::suggest;

/// The recipes that travel inside the program, by name.
pub const BUILT_IN: [(&str, &str); 2] = [
    ("quick", include_str!("../../../recipes/quick.toml")),
    ("audioset2m", include_str!("../../../recipes/audioset2m.toml")),
];

/// A checked recipe; [`Recipe::load`] and [`Recipe::parse`] are the only ways to get one.
#[derive(Clone, Debug)]
pub struct Recipe(Settings);

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
    pub matmul_precision: equiav_torch::MatmulPrecision,
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

impl Recipe {
    /// Reads the recipe at `path`, or the built-in one of that name, and applies `overrides`.
    ///
    /// # Errors
    ///
    /// If there is no such file or name, a key is unknown (the nearest known one is suggested) or a
    /// value makes no sense.
    pub fn load(path: &Path, overrides: &[Override]) -> anyhow::Result<Self> {
        let built_in = BUILT_IN.iter().find(|(name, _)| path.as_os_str() == *name);
        let text = match built_in {
            Some((_, text)) if !path.exists() => (*text).to_owned(),
            _ => std::fs::read_to_string(path).with_context(|| unreadable(path))?,
        };
        Self::parse(&text, overrides).with_context(|| format!("in recipe {}", path.display()))
    }

    /// Checks the recipe in `text` after `overrides`.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn parse(text: &str, overrides: &[Override]) -> anyhow::Result<Self> {
        let mut table: Table = toml::from_str(text)?;
        for change in overrides {
            change.apply(&mut table)?;
        }
        inherit_profile(&mut table);
        let settings: Settings = serde_path_to_error::deserialize(table).map_err(|error| {
            suggest::explain(&error.path().to_string(), &error.inner().to_string())
        })?;
        settings.check()?;
        Ok(Self(settings))
    }

    /// The recipe as TOML, with every override in place.
    ///
    /// # Panics
    ///
    /// Never: every setting has a TOML form.
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.0).expect("settings have a TOML form")
    }
}

impl Deref for Recipe {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.0
    }
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
    fn check(&self) -> anyhow::Result<()> {
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

/// Sections that know a profile take the recipe's, unless they name their own.
fn inherit_profile(recipe: &mut Table) {
    let Some(profile) = recipe.get("profile").cloned() else { return };
    for path in [&["front_end"][..], &["augment", "audio"], &["augment", "visual"]] {
        let section = path.iter().try_fold(&mut *recipe, |table, key| match table.get_mut(*key) {
            Some(Value::Table(inner)) => Some(inner),
            _ => None,
        });
        if let Some(section) = section {
            section.entry("profile").or_insert_with(|| profile.clone());
        }
    }
}

/// What to say of a recipe that cannot be read.
fn unreadable(path: &Path) -> String {
    let names = BUILT_IN.map(|(name, _)| name).join(", ");
    format!("reading recipe {} (built-in recipes: {names})", path.display())
}

/// The dotted keys whose values differ between two recipes, beyond those that cannot change a result.
///
/// # Errors
///
/// If `saved` is not TOML.
pub fn differing_keys(saved: &str, recipe: &Recipe) -> anyhow::Result<Vec<String>> {
    const HARMLESS: [&str; 5] =
        ["data.workers", "data.queue", "data.cache_mb", "compute.threads", "run.keep"];
    let saved: Table = toml::from_str(saved)?;
    let Ok(now) = toml::from_str::<Table>(&recipe.to_toml()) else {
        bail!("the recipe has no TOML form");
    };
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    flatten("", &Value::Table(saved), &mut before);
    flatten("", &Value::Table(now), &mut after);
    let keys = before.keys().chain(after.keys()).filter(|key| before.get(*key) != after.get(*key));
    let mut keys: Vec<String> = keys.cloned().collect();
    keys.sort();
    keys.dedup();
    keys.retain(|key| !HARMLESS.contains(&key.as_str()));
    Ok(keys)
}

/// Lists the leaves of `value` by their dotted keys.
fn flatten(key: &str, value: &Value, leaves: &mut BTreeMap<String, Value>) {
    match value {
        Value::Table(table) => {
            for (name, inner) in table {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                flatten(&key, inner, leaves);
            }
        }
        leaf => {
            leaves.insert(key.to_owned(), leaf.clone());
        }
    }
}
