//! What kinds of training differ in: how clips are fed, stepped on and measured; `run.rs` is the rest.

use std::path::Path;

use equiav_data::{Batch, DataError, LabeledBatch, LabeledLoader, Loader, Pass, Replaced, Sampler};

use crate::checkpoint::Files;
use crate::classified::Classified;
use crate::processes::Processes;
use crate::retrieve::Retrieved;
use crate::settings::{Length, Optimizer};
use crate::step::Position;
use crate::watch::{StepReport, Watch};

/// The batches of one pass.
pub(crate) trait Feed<B>: Iterator<Item = Result<B, DataError>> {
    /// Takes a used batch back, where its memory can serve again.
    fn recycle(&self, _: B) {}
}

impl Feed<Batch> for Loader {
    fn recycle(&self, batch: Batch) {
        Self::recycle(self, batch);
    }
}

impl Feed<LabeledBatch> for LabeledLoader {}

/// What a run trains and how.
pub(crate) trait Task {
    /// What a step is made on.
    type Batch: Fed;

    /// The settings that all kinds of training share.
    fn shared(&self) -> Shared<'_>;

    /// How many clips are trained on.
    fn clips(&self) -> usize;

    /// What errors call a clip.
    fn id(&self, clip: usize) -> &str;

    /// How many numbers are learned.
    fn parameters(&self) -> usize;

    /// The order of every epoch, of this process's clips.
    fn sampler(&self) -> anyhow::Result<Sampler>;

    /// The batches of `pass`, an order of this task's sampler.
    fn batches(&self, pass: Pass) -> anyhow::Result<Box<dyn Feed<Self::Batch>>>;

    /// Makes one update.
    fn step(&mut self, batch: &Self::Batch, position: Position) -> anyhow::Result<StepReport>;

    /// Measures every list that is measured while training.
    fn measure(&self) -> anyhow::Result<Measured>;

    /// The tensors of a checkpoint.
    fn files(&self) -> Files;

    /// Gives every process what the leader has taken up or prepared.
    fn share(&mut self) -> anyhow::Result<()>;

    /// Prepares a run without a checkpoint.
    fn begin(&mut self, watch: &mut dyn Watch) -> anyhow::Result<()>;

    /// Takes up the checkpoint at `path`.
    fn resume(&mut self, path: &Path) -> anyhow::Result<()>;
}

/// The settings that all kinds of training share.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a> {
    /// How long the run is and what it keeps.
    pub(crate) run: &'a Length,
    /// The schedule of the learning rate.
    pub(crate) optimizer: &'a Optimizer,
    /// Who trains together.
    pub(crate) processes: &'a Processes,
    /// Epochs between two measurements.
    pub(crate) every: u64,
}

/// A batch as a run sees it.
pub(crate) trait Fed {
    /// What could not be read on the way to it.
    fn replaced(&self) -> &[Replaced];
}

/// The figures of the lists that a run measures.
#[derive(Clone, Debug)]
pub(crate) enum Measured {
    /// Of pre-training.
    Retrieved(Vec<Retrieved>),
    /// Of fine-tuning, with the figure by which an epoch is chosen.
    Classified(Vec<Classified>, Option<f64>),
}

impl Measured {
    /// By how much it is good: the mean R@1 over lists and directions, or what the recipe chooses by; none where
    /// anything has collapsed, which is never the best.
    pub(crate) fn score(&self) -> Option<f64> {
        if !self.collapsed().is_empty() {
            return None;
        }
        match self {
            Self::Retrieved(retrieved) => {
                let ways = |one: &Retrieved| [one.visual_to_audio.r1, one.audio_to_visual.r1];
                let all: Vec<f64> = retrieved.iter().flat_map(ways).collect();
                (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
            }
            Self::Classified(_, score) => *score,
        }
    }

    /// The lists whose clips are told apart no more, with what has collapsed.
    pub(crate) fn collapsed(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Retrieved(all) => {
                all.iter().filter_map(|one| Some((&*one.list, one.collapsed.as_deref()?))).collect()
            }
            Self::Classified(all, _) => {
                all.iter().filter_map(|one| Some((&*one.list, one.collapsed.as_deref()?))).collect()
            }
        }
    }
}

impl Fed for Batch {
    fn replaced(&self) -> &[Replaced] {
        &self.replaced
    }
}

impl Fed for LabeledBatch {
    fn replaced(&self) -> &[Replaced] {
        &self.replaced
    }
}
