//! Batches of labeled examples made by threads, with the bytes of a single thread.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use equiav_augment::Modality;
use ndarray::{Array2, Array4};

use super::{Labeled, LabeledExample, Visit, side_by_side};
use crate::error::{ClipError, DataError};
use crate::features::batch::Replaced;
use crate::io::prefetch::Prefetch;
use crate::loader::LoaderOptions;
use crate::loader::replacement::{Place, Read, account, read_or_replace};
use crate::sampling::sampler::Pass;

/// A batch of labeled clips in training.
#[derive(Clone, Debug)]
pub struct LabeledBatch {
    /// Which time which clip was drawn, replacements included.
    pub visits: Vec<Visit>,
    /// The views, `[b, 1, mels, frames]` or `[b, 3, height, width]`.
    pub parts: BTreeMap<Modality, Array4<f32>>,
    /// Which columns of views hold any of the clip, `[b, width]`, of those modalities that may be padded.
    pub material: BTreeMap<Modality, Array2<bool>>,
    /// How much of each class is in each clip, `[b, classes]`, in [0, 1].
    pub targets: Array2<f32>,
    /// The clips met here for the first time since the data set was made that could not be read.
    pub replaced: Vec<Replaced>,
    /// How many clips of this batch stand in the place of an unreadable one.
    pub substituted: usize,
}

/// An iterator over the batches of an epoch.
///
/// After an error it ends. Dropping it, at any time, stops its threads and waits for them.
pub struct LabeledLoader {
    labeled: Arc<Labeled>,
    examples: Prefetch<Result<Read<LabeledExample>, DataError>>,
    visits: Arc<Vec<Visit>>,
    batch: usize,
    position: usize,
    max_unreadable: f64,
    ended: bool,
}

impl LabeledLoader {
    /// Goes through `pass`, whose order holds positions in the data set, behind the samples that are
    /// done.
    ///
    /// The batches are those of an undisturbed pass to the byte. A clip may come more than once.
    ///
    /// # Errors
    ///
    /// If the system gives no thread.
    ///
    /// # Panics
    ///
    /// If a batch has no clip, or the order names a clip that does not exist.
    #[track_caller]
    pub fn resume(
        labeled: Arc<Labeled>,
        pass: Pass,
        options: LoaderOptions,
    ) -> Result<Self, DataError> {
        let (batch, clips) = (pass.batch, labeled.dataset().len());
        assert!(batch > 0, "LabeledLoader: a batch needs a clip");
        assert!(pass.order.iter().all(|clip| *clip < clips), "LabeledLoader: no such clip");
        let visits = Arc::new(visits(&pass));
        let done = pass.done.min(visits.len());
        let (source, order) = (Arc::clone(&labeled), Arc::clone(&visits));
        let max_unreadable = options.max_unreadable;
        let read = move |position: usize| {
            let position = done + position;
            let start = position / batch * batch;
            read(&source, order[position], &order[start..start + batch], max_unreadable)
        };
        let examples = Prefetch::new(visits.len() - done, options.effort(batch), read)
            .map_err(|error| DataError::io("starting a loader thread".as_ref(), error))?;
        Ok(Self { labeled, examples, visits, batch, position: done, max_unreadable, ended: false })
    }

    /// The next batch, `size` examples of which come.
    fn batch(&mut self, size: usize) -> Result<LabeledBatch, DataError> {
        let (mut examples, mut visits) = (Vec::with_capacity(size), Vec::with_capacity(size));
        let mut failures: Vec<Vec<ClipError>> = Vec::with_capacity(size);
        for _ in 0..size {
            let visit = self.visits[self.position];
            let result = self.examples.next().expect("as many as the pass has");
            let dataset = self.labeled.dataset();
            let read = result.map_err(|message| dataset.panicked(visit.clip, message))??;
            visits.push(Visit { clip: read.clip, ..visit });
            failures.push(read.failures);
            examples.push(read.example);
            self.position += 1;
        }
        let clips: Vec<usize> = visits.iter().map(|visit| visit.clip).collect();
        let dataset = self.labeled.dataset();
        let (replaced, substituted) = account(dataset, &clips, failures, self.max_unreadable)?;
        let part = |modality: &Modality| {
            (*modality, side_by_side(examples.iter().map(|example| &example.parts[modality])))
        };
        let parts = examples[0].parts.keys().map(part).collect();
        let targets = examples.iter().flat_map(|example| &example.target).copied().collect();
        let shape = (size, self.labeled.targets().count());
        let targets = Array2::from_shape_vec(shape, targets).expect("a target per class");
        let material = |modality: &Modality| {
            let columns = examples.iter().flat_map(|example| &example.material[modality]).copied();
            let shape = (size, examples[0].material[modality].len());
            let material = Array2::from_shape_vec(shape, columns.collect());
            (*modality, material.expect("one length of sounds"))
        };
        let material = examples[0].material.keys().map(material).collect();
        Ok(LabeledBatch { visits, parts, material, targets, replaced, substituted })
    }
}

impl LabeledBatch {
    /// The positions in the data set of the clips that are in it, replacements included.
    pub fn clips(&self) -> Vec<usize> {
        self.visits.iter().map(|visit| visit.clip).collect()
    }
}

/// Every visit of the whole batches of `pass`.
fn visits(pass: &Pass) -> Vec<Visit> {
    let mut seen: HashMap<usize, u64> = HashMap::new();
    let visit = |clip: &usize| {
        let count = seen.entry(*clip).or_default();
        *count += 1;
        Visit { epoch: pass.epoch, repetition: *count - 1, clip: *clip }
    };
    let whole = pass.order.len() / pass.batch * pass.batch;
    pass.order[..whole].iter().map(visit).collect()
}

/// The example of `visit`, or of another real clip that is not among its `neighbors` in the batch.
fn read(
    labeled: &Labeled,
    visit: Visit,
    neighbors: &[Visit],
    max_unreadable: f64,
) -> Result<Read<LabeledExample>, DataError> {
    let neighbors: Vec<usize> = neighbors.iter().map(|visit| visit.clip).collect();
    let (epoch, clip) = (visit.key(), visit.clip);
    let candidates = Some(labeled.train());
    let place = Place { epoch, clip, neighbors: &neighbors, candidates, max_unreadable };
    read_or_replace(labeled.dataset(), place, |clip| labeled.example(Visit { clip, ..visit }))
}

impl std::fmt::Debug for LabeledLoader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LabeledLoader").field("position", &self.position).finish_non_exhaustive()
    }
}

impl Iterator for LabeledLoader {
    type Item = Result<LabeledBatch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended || self.position == self.visits.len() {
            return None;
        }
        // A pass that stopped in the middle of a batch goes on with the rest of it.
        let size = self.batch - self.position % self.batch;
        let batch = self.batch(size);
        self.ended = batch.is_err();
        Some(batch)
    }
}
