//! The labelled clips of a fine-tuning run: to train on, to choose by, to test.

use std::sync::Arc;

use anyhow::{Context, ensure};
use equiav_augment::{AudioAugment, AudioVector, VisualAugment, VisualVector};
use equiav_data::{
    Clips, Dataset, DatasetConfig, Labeled, LabeledConfig, SampleWeights, Split, Targets,
    audio_visual,
};

use super::scores::LabeledList;
use crate::callback::Callback;
use crate::clips::corpus::labels;
use crate::recipe::{BestMetric, Finetune};

/// The labelled clips of a run.
pub(crate) struct LabeledClips {
    /// The training list, of which a part is trained on.
    pub(crate) train: Arc<Labeled>,
    /// The part that an epoch is chosen by; none where the recipe keeps none.
    pub(crate) validation: Option<LabeledList>,
    /// The test lists.
    pub(crate) test: Vec<LabeledList>,
}

impl LabeledClips {
    /// Makes or fetches the corpus of `recipe`, reads its labels and splits it.
    ///
    /// # Errors
    ///
    /// If a list or the label table cannot be had, a label is unknown, or nothing is left to train on.
    pub(crate) fn prepare(recipe: &Finetune, callback: &mut dyn Callback) -> anyhow::Result<Self> {
        let corpus = recipe.data.source.prepare(callback)?;
        let labels = labels(recipe.data.labels.as_deref(), &recipe.data.source)?;
        let targets = Targets::of(&corpus.train, &labels)?;
        let data = &recipe.data;
        let split = Split::draw(&targets, data.split_seed, data.validation, data.per_class);
        ensure!(
            !split.train.is_empty(),
            "data.validation = {} leaves no clip to train on",
            data.validation
        );
        let choice = recipe.evaluation.choose_by;
        ensure!(
            choice != BestMetric::Top1 || targets.are_exclusive(),
            "evaluation.choose_by = \"top1\" needs clips of one class each (help: map)"
        );
        let digest = Split::digest(&corpus.train, &split.validation);
        let train = labeled(recipe, corpus.train, targets, split.train)?;
        let validation = (!split.validation.is_empty()).then(|| LabeledList {
            name: "validation".to_owned(),
            labeled: train.clone(),
            clips: split.validation,
            digest,
        });
        let test = corpus.evaluate.into_iter().map(|(name, clips)| {
            let targets = Targets::of(&clips, &labels).with_context(|| format!("in `{name}`"))?;
            let (all, digest) = ((0..clips.len()).collect::<Vec<_>>(), clips.digest());
            let labeled = labeled(recipe, clips, targets, all.clone())?;
            Ok(LabeledList { name, labeled, clips: all, digest })
        });
        let test = test.collect::<anyhow::Result<_>>()?;
        Ok(Self { train, validation, test })
    }
}

/// How likely each clip to train on is drawn, where `recipe` names a file of weights.
///
/// # Errors
///
/// If it cannot be read, or its weights are not as many as the clips.
pub(super) fn weights(recipe: &Finetune, train: &Labeled) -> anyhow::Result<Option<SampleWeights>> {
    let Some(path) = &recipe.data.weights else { return Ok(None) };
    let all = SampleWeights::read(path, train.dataset().len())?;
    let own: Vec<f64> = train.train().iter().map(|clip| all[*clip]).collect();
    let weights = SampleWeights::new(&own)
        .map_err(|error| anyhow::anyhow!("data.weights = {}: {error}", path.display()))?;
    Ok(Some(weights))
}

fn labeled(
    recipe: &Finetune,
    clips: Clips,
    targets: Targets,
    train: Vec<usize>,
) -> anyhow::Result<Arc<Labeled>> {
    let cache_bytes = recipe.data.cache_mb << 20;
    let dataset = plain_dataset(clips, recipe)?;
    let labeled = Labeled::new(LabeledConfig {
        dataset,
        targets: Arc::new(targets),
        modalities: recipe.model.mode.modalities(),
        train,
        augment: recipe.augment.clone(),
        cache_bytes,
    })?;
    Ok(Arc::new(labeled))
}

/// `clips` with the front end of `recipe`; the parameter vectors that it could draw are not used.
fn plain_dataset(clips: Clips, recipe: &Finetune) -> anyhow::Result<Arc<Dataset>> {
    Ok(Arc::new(Dataset::new(DatasetConfig {
        clips,
        front_end: recipe.front_end.clone(),
        views: audio_visual(
            AudioAugment::corrected(AudioVector::P24),
            VisualAugment::corrected(VisualVector::P18),
        ),
        centroid: 1,
        seed: recipe.seed,
        cache_bytes: 0,
    })?))
}
