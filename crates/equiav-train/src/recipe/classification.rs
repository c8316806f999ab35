//! Everything that decides a fine-tuning run, and what its values must satisfy.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::ensure;
use equiav_augment::{Chance, Modality, Profile};
use equiav_data::{Frames, LabeledAugment};
use equiav_frontend::{FrontEnd, InputKind};
use equiav_models::{ClassifierConfig, EncoderConfig, TrunkConfig};
use serde::{Deserialize, Serialize};

use super::{Compute, Optimizer, RunConfig, Source, input_size, positive, suffix};

/// Everything that decides a fine-tuning run.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Finetune {
    /// What the run is called; its default folder is `runs/NAME`.
    pub name: String,
    /// The seed of every random stream.
    pub seed: u64,
    /// Whether inputs are made as the published code does; see [`FrontEnd::profile`].
    pub profile: Profile,
    /// Where tensors live and how they are computed.
    pub compute: Compute,
    /// Labelled clips and how they are fed.
    pub data: LabeledData,
    /// From decoded sound and picture to the encoders' inputs; that of the pre-training.
    pub front_end: FrontEnd,
    /// What happens to a clip in training.
    pub augment: LabeledAugment,
    /// The network and what it starts from.
    pub model: ClassifierModel,
    /// The loss.
    pub objective: ClassificationObjective,
    /// AdamW, its schedule, clipping, and the average of the weights.
    pub optimizer: Optimizer,
    /// How long the run is and what it keeps.
    pub run: RunConfig,
    /// What is measured, and which epoch is chosen by it.
    pub evaluation: ModelSelection,
}

/// Labelled clips and how they are fed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LabeledData {
    /// Where the clips come from; its `evaluate` lists are the test lists, measured once at the end.
    pub source: Source,
    /// The table of classes, `index,mid,display_name`; absent, the one of a corpus made on the spot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<PathBuf>,
    /// The share of the training list that is measured while training instead of being trained on.
    pub validation: f64,
    /// Clips of each class to train on; absent, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_class: Option<usize>,
    /// The seed of that choice; the same for runs that are to be compared.
    #[serde(default)]
    pub split_seed: u64,
    /// A file with one weight a line for each clip of the training list, by which clips are drawn with
    /// replacement; absent, each clip comes once an epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
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

/// The network and what it starts from.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierModel {
    /// Which modalities are seen.
    pub mode: Mode,
    /// The vision transformers; those of the pre-training.
    pub encoder: EncoderConfig,
    /// Channels that each modality is projected to.
    pub projection: i64,
    /// How likely a clip skips a branch of a block in training.
    pub drop_path: Chance,
    /// A run folder, exported weights or a weight file to start from; absent, fresh encoders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<PathBuf>,
}

/// Which modalities a classifier sees.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Sound and picture.
    Multimodal,
    /// The sound alone.
    Audio,
    /// The picture alone.
    Visual,
}

/// The loss of class scores.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClassificationObjective {
    /// `bce` for classes that do not exclude each other, `ce` for those that do.
    pub loss: ClassLoss,
    /// How many times faster the map to the classes learns than the rest.
    pub head_factor: f64,
}

// PUBLISHED: bce-for-exclusive-classes, the published default is binary cross-entropy whatever the classes.
/// Which loss.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassLoss {
    /// Binary cross-entropy with logits.
    Bce,
    /// Cross-entropy.
    Ce,
}

/// What is measured, and which epoch is chosen by it.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSelection {
    /// Epochs between two measurements of the validation clips; the last epoch is always measured.
    pub every: u64,
    /// Clips per forward pass.
    pub batch: usize,
    /// `middle` or `all` frames of a test clip; of all, the probabilities' mean counts.
    pub frames: Frames,
    /// The figure of the validation clips by which an epoch is chosen.
    pub choose_by: BestMetric,
    /// Tests the mean of the weights after the last so many epochs instead of the chosen epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_last: Option<u64>,
}

/// A figure of a classifier.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BestMetric {
    /// Mean average precision.
    Map,
    /// The share of clips whose best class is theirs.
    Top1,
}

impl BestMetric {
    /// What it is called among metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Map => "map",
            Self::Top1 => "top1",
        }
    }
}

impl Mode {
    /// The modalities that are seen.
    pub fn modalities(self) -> Vec<Modality> {
        self.inputs().into_keys().collect()
    }

    /// The modalities that are seen, and what each is made of.
    pub fn inputs(self) -> BTreeMap<Modality, InputKind> {
        let audio = (Modality::AUDIO, InputKind::Spectrogram);
        let visual = (Modality::VISUAL, InputKind::Image);
        match self {
            Self::Multimodal => [audio, visual].into(),
            Self::Audio => [audio].into(),
            Self::Visual => [visual].into(),
        }
    }
}

impl Finetune {
    /// The network for `classes` classes.
    pub fn classifier(&self, classes: usize) -> ClassifierConfig {
        let trunk = |(modality, kind): (Modality, InputKind)| {
            let trunk = TrunkConfig {
                suffix: suffix(&BTreeMap::new(), modality).to_owned(),
                input: input_size(&self.front_end, kind),
                encoder: self.model.encoder.clone(),
            };
            (modality.to_string(), trunk)
        };
        ClassifierConfig {
            trunks: self.model.mode.inputs().into_iter().map(trunk).collect::<BTreeMap<_, _>>(),
            projection: self.model.projection,
            classes: classes as i64,
        }
    }

    /// Checks what no single key can know.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let Self { data, evaluation, objective, .. } = self;
        positive("data.workers", data.workers)?;
        positive("data.prefetch_batches", data.prefetch_batches)?;
        positive("data.per_class", data.per_class.unwrap_or(1))?;
        positive("evaluation.every", evaluation.every as usize)?;
        positive("evaluation.batch", evaluation.batch)?;
        let share = data.max_unreadable;
        ensure!((0.0..=1.0).contains(&share), "data.max_unreadable = {share}: expected 0 to 1");
        let share = data.validation;
        ensure!((0.0..1.0).contains(&share), "data.validation = {share}: expected 0 to below 1");
        let smoothing = self.augment.label_smoothing;
        let sound = (0.0..1.0).contains(&smoothing);
        ensure!(sound, "augment.label_smoothing = {smoothing}: expected 0 to below 1");
        let factor = objective.head_factor;
        let sound = factor.is_finite() && factor > 0.0;
        ensure!(sound, "objective.head_factor = {factor}: expected a number above 0");
        ensure!(self.model.drop_path < Chance::ALWAYS, "model.drop_path = 1: expected below 1");
        if let Some(last) = evaluation.average_last {
            let most = self.run.epochs.min(self.run.keep_checkpoints as u64);
            ensure!(
                (1..=most).contains(&last),
                "evaluation.average_last = {last}: expected 1 to {most}, the epochs that run.keep_checkpoints keeps"
            );
            let no = self.run.save_every.is_none();
            ensure!(
                no,
                "evaluation.average_last needs checkpoints at the ends of epochs alone: leave run.save_every out"
            );
        }
        self.optimizer.check()?;
        self.run.check()?;
        self.classifier(1).check()
    }
}
