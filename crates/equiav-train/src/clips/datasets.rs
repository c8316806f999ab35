//! What a recipe's sections become before a run begins: data sets, loaders, the lists to evaluate.

use std::sync::Arc;

use equiav_data::{Clips, Dataset, DatasetConfig, LoaderOptions};
use equiav_frontend::FrontEnd;

use super::array_clips::ArrayClips;
use super::evaluation_lists::EvaluationLists;
use super::train_clips::TrainClips;
use crate::callback::Callback;
use crate::distributed::World;
use crate::recipe::{Augment, Data, Evaluation, LabeledData, MethodSettings, Precision, Settings};

/// The sections of a recipe that decide what unlabeled clips are trained on, and how they are fed.
#[derive(Clone, Copy, Debug)]
pub struct UnlabeledSections<'a> {
    /// The seed of every random stream.
    pub seed: u64,
    /// Clips and how they are fed.
    pub data: &'a Data,
    /// From decoded sound and picture to the encoders' inputs.
    pub front_end: &'a FrontEnd,
    /// The augmentations of each modality.
    pub augment: &'a Augment,
    /// How many parameter vectors are sampled beside that of the augmented view.
    pub centroid_samples: usize,
    /// What is measured on held-out clips.
    pub evaluation: &'a Evaluation,
}

/// What a run trains on, and what it is evaluated on.
#[derive(Clone, Debug)]
pub struct RunClips {
    /// The clips to train on.
    pub train: TrainClips,
    /// The lists to evaluate, by name.
    pub lists: Vec<(String, Arc<Dataset>)>,
    /// Clips per forward pass of an evaluation.
    pub batch: usize,
    /// How clips are fed.
    pub options: LoaderOptions,
}

impl RunClips {
    /// Arrays that a method brings itself, with no list to evaluate.
    pub fn of_arrays(clips: Arc<ArrayClips>) -> Self {
        let (batch, options) = (clips.len(), LoaderOptions::default());
        Self { train: TrainClips::Arrays(clips), lists: Vec::new(), batch, options }
    }

    /// The lists to evaluate, with the ranks that share the work.
    pub(crate) fn evaluation<'a>(
        &'a self,
        world: &'a World,
        precision: Precision,
    ) -> EvaluationLists<'a> {
        let Self { train, lists, batch, options } = self;
        EvaluationLists { lists, train, world, batch: *batch, options: *options, precision }
    }

    /// Makes sure that all ranks see the same clips in every list.
    pub(crate) fn ensure_same(&self, world: &World) -> anyhow::Result<()> {
        let lists = self.lists.iter().map(|(name, list)| (name.as_str(), list.clips().digest()));
        world.ensure_same_lists([("train", self.train.digest())].into_iter().chain(lists))
    }
}

impl UnlabeledSections<'_> {
    /// The data set over `clips`.
    ///
    /// # Errors
    ///
    /// If the front end makes no sense, or there is no clip.
    pub fn dataset(&self, clips: Clips) -> anyhow::Result<Arc<Dataset>> {
        Ok(Arc::new(Dataset::new(DatasetConfig {
            clips,
            front_end: self.front_end.clone(),
            views: self.augment.views(),
            centroid: self.centroid_samples,
            seed: self.seed,
            cache_bytes: self.data.cache_mb << 20,
        })?))
    }

    /// Makes, fetches or reads the corpus; every rank of `world` waits for the others.
    ///
    /// # Errors
    ///
    /// If a corpus cannot be made, or a list or shard cannot be read or is empty.
    pub fn prepare(&self, world: &World, callback: &mut dyn Callback) -> anyhow::Result<RunClips> {
        let corpus = self.data.source.prepare(callback)?;
        world.group.await_all("corpus")?;
        let options = loader_options(self.data);
        let dataset = self.dataset(corpus.train)?;
        let lists = corpus.evaluate.into_iter();
        let lists = lists.map(|(name, list)| Ok((name, self.dataset(list)?)));
        Ok(RunClips {
            train: TrainClips::Unlabeled { dataset, order: corpus.order, options },
            lists: lists.collect::<anyhow::Result<_>>()?,
            batch: self.evaluation.batch,
            options,
        })
    }
}

impl Settings {
    /// The sections that decide what is trained on.
    pub fn unlabeled(&self) -> UnlabeledSections<'_> {
        UnlabeledSections {
            seed: self.seed,
            data: &self.data,
            front_end: &self.front_end,
            augment: &self.augment,
            centroid_samples: self.objective.centroid_samples,
            evaluation: &self.evaluation,
        }
    }
}

impl<S> MethodSettings<S> {
    /// The sections that decide what is trained on.
    pub fn unlabeled(&self) -> UnlabeledSections<'_> {
        UnlabeledSections {
            seed: self.seed,
            data: &self.data,
            front_end: &self.front_end,
            augment: &self.augment,
            centroid_samples: 1,
            evaluation: &self.evaluation,
        }
    }
}

/// The data set of `recipe` over `clips`.
///
/// # Errors
///
/// If the front end makes no sense, or there is no clip.
pub fn dataset(recipe: &Settings, clips: Clips) -> anyhow::Result<Arc<Dataset>> {
    recipe.unlabeled().dataset(clips)
}

/// How unlabeled clips are fed.
pub(crate) fn loader_options(data: &Data) -> LoaderOptions {
    let Data { workers, prefetch_batches: queue, max_unreadable, .. } = *data;
    LoaderOptions { workers, queue, max_unreadable }
}

/// How labeled clips are fed.
pub(crate) fn labeled_loader_options(data: &LabeledData) -> LoaderOptions {
    let LabeledData { workers, prefetch_batches: queue, max_unreadable, .. } = *data;
    LoaderOptions { workers, queue, max_unreadable }
}
