//! The clips that a run trains on: in which order, and in which batches.

use std::sync::Arc;

use anyhow::Context;
use equiav_augment::Modality;
use equiav_data::{
    Clips, DataError, Dataset, Labeled, LabeledLoader, Loader, LoaderOptions, Order, Pass,
    SampleWeights, Sampler,
};

use super::array_clips::{ArrayBatches, ArrayClips};
use super::device_batch::HostBatch;
use crate::distributed::World;

/// The clips that a run trains on.
#[derive(Clone, Debug)]
pub enum TrainClips {
    /// Plain and augmented views of every clip of a data set.
    Unlabeled {
        /// The clips with their front end and augmentations.
        dataset: Arc<Dataset>,
        /// How an epoch goes through them.
        order: Order,
        /// How they are fed.
        options: LoaderOptions,
    },
    /// Labeled views of the clips to train on.
    Labeled {
        /// The clips with their front end, augmentations and classes.
        labeled: Arc<Labeled>,
        /// Of each clip to train on, how likely it is drawn; absent, each comes once an epoch.
        weights: Option<SampleWeights>,
        /// How they are fed.
        options: LoaderOptions,
    },
    /// Arrays that a method brings itself.
    Arrays(Arc<ArrayClips>),
}

/// The batches of one pass.
pub(crate) enum BatchIter {
    Unlabeled(Loader),
    Labeled(LabeledLoader),
    Arrays(ArrayBatches),
}

impl TrainClips {
    /// How many clips are trained on.
    #[allow(clippy::len_without_is_empty, reason = "a run has clips")]
    pub fn len(&self) -> usize {
        match self {
            Self::Unlabeled { dataset, .. } => dataset.len(),
            Self::Labeled { labeled, .. } => labeled.train().len(),
            Self::Arrays(clips) => clips.len(),
        }
    }

    /// The whole list that they are of; none of arrays.
    pub fn clips(&self) -> Option<&Clips> {
        match self {
            Self::Unlabeled { dataset, .. } => Some(dataset.clips()),
            Self::Labeled { labeled, .. } => Some(labeled.dataset().clips()),
            Self::Arrays(_) => None,
        }
    }

    /// A hash of the list that they are of, or of what arrays hold.
    pub(crate) fn digest(&self) -> String {
        match self {
            Self::Arrays(clips) => clips.digest(),
            _ => self.clips().map_or_else(String::new, Clips::digest),
        }
    }

    /// What a clip is called: its name in the list, or the number of its row.
    pub(crate) fn id(&self, clip: usize) -> String {
        self.clips().map_or_else(|| clip.to_string(), |clips| clips.id(clip).to_owned())
    }

    /// The modalities of their batches.
    pub fn modalities(&self) -> Vec<Modality> {
        match self {
            Self::Unlabeled { dataset, .. } => dataset.views().keys().copied().collect(),
            Self::Labeled { labeled, .. } => labeled.modalities().to_vec(),
            Self::Arrays(clips) => clips.modalities(),
        }
    }

    /// Whether their batches have labels.
    pub fn are_labeled(&self) -> bool {
        match self {
            Self::Unlabeled { .. } => false,
            Self::Labeled { .. } => true,
            Self::Arrays(clips) => clips.are_labeled(),
        }
    }

    /// Whether their batches have augmented views with their vectors.
    pub fn are_augmented(&self) -> bool {
        matches!(self, Self::Unlabeled { .. })
    }

    /// The order of every epoch, of this rank's clips, in batches of which each rank has its share of `batch`.
    ///
    /// # Errors
    ///
    /// If the clips do not suffice for a batch.
    pub(crate) fn sampler(&self, seed: u64, batch: usize, world: &World) -> Sampler {
        let (rank, size, batch) = (world.group.rank(), world.size(), world.share(batch));
        let sampler = match self {
            Self::Unlabeled { dataset, order, .. } => {
                Sampler::over(seed, dataset.clips().portions(), *order, batch)
            }
            Self::Labeled { weights: Some(weights), .. } => {
                Sampler::weighted(seed, weights.clone(), batch)
            }
            Self::Labeled { weights: None, .. } | Self::Arrays(_) => {
                Sampler::new(seed, self.len(), batch)
            }
        };
        sampler.split(rank, size)
    }

    /// The batches of `pass`, an order of [`sampler`](Self::sampler).
    ///
    /// # Errors
    ///
    /// If the system gives no thread.
    pub(crate) fn batches(&self, mut pass: Pass) -> anyhow::Result<BatchIter> {
        let feeding = "starting the loader";
        Ok(match self {
            Self::Unlabeled { dataset, options, .. } => {
                let loader = Loader::resume(dataset.clone(), pass, *options);
                BatchIter::Unlabeled(loader.context(feeding)?)
            }
            Self::Labeled { labeled, options, .. } => {
                // The sampler counts through the clips to train on.
                let train = labeled.train();
                pass.order.iter_mut().for_each(|clip| *clip = train[*clip]);
                let loader = LabeledLoader::resume(labeled.clone(), pass, *options);
                BatchIter::Labeled(loader.context(feeding)?)
            }
            Self::Arrays(clips) => BatchIter::Arrays(clips.clone().batches(pass)),
        })
    }
}

impl Iterator for BatchIter {
    type Item = Result<HostBatch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Unlabeled(loader) => Some(loader.next()?.map(HostBatch::Unlabeled)),
            Self::Labeled(loader) => Some(loader.next()?.map(HostBatch::Labeled)),
            Self::Arrays(batches) => Some(Ok(HostBatch::Arrays(batches.next()?))),
        }
    }
}

impl BatchIter {
    /// Gives the memory of a used batch back to the loader, where it can serve again.
    pub(crate) fn recycle(&self, batch: HostBatch) {
        if let (Self::Unlabeled(loader), HostBatch::Unlabeled(batch)) = (self, batch) {
            loader.recycle(batch);
        }
    }
}
