//! Whole batches, each written in place by a pool of threads; which batch comes when is not decided here.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use equiav_augment::Modality;
use rayon::ThreadPool;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use crate::error::panic_message;
use crate::error::{ClipError, DataError};
use crate::features::batch::{Batch, Part, Shapes, batch_rows, blank};
use crate::features::dataset::Dataset;
use crate::features::example::Row;
use crate::loader::replacement::{Place, Read, read_or_replace};
use crate::sampling::sampler::Pass;

/// Where one example is written, per modality.
type Rows<'a> = BTreeMap<Modality, Row<'a>>;

/// Makes the batches of a pass.
pub(crate) struct BatchWriter {
    pub(crate) dataset: Arc<Dataset>,
    /// Of whole batches; what is done of it is skipped.
    pub(crate) pass: Pass,
    pub(crate) pool: ThreadPool,
    pub(crate) spare: Arc<BufferPool>,
    /// The share of unreadable clips that is put up with.
    pub(crate) max_unreadable: f64,
    /// Set when nobody needs the rest.
    pub(crate) stop: Arc<AtomicBool>,
}

/// A batch and what happened on the way to it.
pub(crate) struct BatchRecord {
    pub(crate) batch: Batch,
    /// Per clip of the batch, the failures before it.
    pub(crate) failures: Vec<Vec<ClipError>>,
}

/// The memory of batches that were used, for the next ones.
#[derive(Debug, Default)]
pub(crate) struct BufferPool(Mutex<Vec<BTreeMap<Modality, Part>>>);

impl BufferPool {
    /// Keeps the memory of `parts`.
    pub(crate) fn keep(&self, parts: BTreeMap<Modality, Part>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(parts);
    }

    /// Memory for `count` examples of those shapes, with whatever is in it.
    fn take(&self, count: usize, shapes: &Shapes) -> Option<BTreeMap<Modality, Part>> {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |parts: &BTreeMap<Modality, Part>| {
            let sizes =
                parts.iter().map(|(modality, part)| (modality, part.valid.len(), part.shape()));
            sizes.eq(shapes.iter().map(|(modality, shape)| (modality, count, *shape)))
        };
        spare.pop().filter(fits)
    }
}

impl BatchWriter {
    /// How many batches are left of the pass.
    pub(crate) fn count(&self) -> usize {
        self.pass.order.len() / self.pass.batch - self.pass.done / self.pass.batch
    }

    /// The batch of that number among those that are left.
    ///
    /// Of several failures, the first in the order of the clips is the result, whoever met it first.
    pub(crate) fn batch(&self, number: usize) -> Result<BatchRecord, DataError> {
        let positions = self.positions(number);
        let count = positions.len();
        let shapes = self.dataset.shapes();
        let mut parts = self.spare.take(count, &shapes).unwrap_or_else(|| blank(count, &shapes));
        let rows = batch_rows(&mut parts).into_par_iter().with_max_len(1);
        let examples = rows.zip(positions).map(|(rows, position)| self.example(position, rows));
        let examples: Vec<_> = self.pool.install(|| examples.collect());
        let examples = examples.into_iter().collect::<Result<Vec<_>, _>>()?;
        let (clips, failures) = examples.into_iter().unzip();
        let batch = Batch { clips, parts, replaced: Vec::new(), substituted: 0 };
        Ok(BatchRecord { batch, failures })
    }

    /// Which clips of the order are in it: where a pass stopped in the middle of a batch, the first
    /// holds the rest.
    fn positions(&self, number: usize) -> Range<usize> {
        let Pass { batch, done, .. } = self.pass;
        let start = (done / batch + number) * batch;
        start.max(done)..start + batch
    }

    /// Writes the example at `position`, or the one in its place; returns which clip it shows and the
    /// failures before it.
    fn example(
        &self,
        position: usize,
        mut rows: Rows<'_>,
    ) -> Result<(usize, Vec<ClipError>), DataError> {
        if self.stop.load(Ordering::Relaxed) {
            // The caller has turned away already.
            return Ok((self.pass.order[position], Vec::new()));
        }
        let clip = self.pass.order[position];
        named(&self.dataset, clip, || self.write_or_replace(position, &mut rows))
    }

    /// Writes the clip at `position`, or another real one that is not among its neighbors in the
    /// batch.
    fn write_or_replace(
        &self,
        position: usize,
        rows: &mut Rows<'_>,
    ) -> Result<(usize, Vec<ClipError>), DataError> {
        let Pass { epoch, order, batch, .. } = &self.pass;
        let (epoch, clip) = (*epoch, order[position]);
        let neighbors = &order[position / batch * batch..][..*batch];
        let max_unreadable = self.max_unreadable;
        let place = Place { epoch, clip, neighbors, candidates: None, max_unreadable };
        let fill = |clip| self.dataset.fill(epoch, clip, rows);
        let Read { clip, failures, .. } = read_or_replace(&self.dataset, place, fill)?;
        Ok((clip, failures))
    }
}

/// The result of `work` on `clip`; its panic is an error that names the clip.
fn named<T>(
    dataset: &Dataset,
    clip: usize,
    work: impl FnOnce() -> Result<T, DataError>,
) -> Result<T, DataError> {
    let result = catch_unwind(AssertUnwindSafe(work));
    result.unwrap_or_else(|panic| Err(dataset.panicked(clip, panic_message(&*panic))))
}

#[cfg(test)]
mod tests {
    use equiav_augment::{AudioAugment, AudioVector, VisualAugment, VisualVector};

    use super::*;
    use crate::features::config::{DatasetConfig, audio_visual};
    use crate::manifest::Manifest;
    use crate::manifest::clips::Clips;
    use equiav_frontend::FrontEnd;

    /// A data set whose files do not exist.
    fn dataset() -> Dataset {
        let manifest = r#"{"data": [{"video_id": "c0", "wav": "0.wav", "video_path": "frames"}]}"#;
        let manifest = Manifest::parse(manifest.as_bytes(), "".as_ref()).unwrap();
        let front_end =
            "frames = 10\nmels = 16\nmean = 0.0\nstd = 1.0\nimage = 32\nsample_rate = 16000";
        let front_end: FrontEnd = toml::from_str(front_end).unwrap();
        Dataset::new(DatasetConfig {
            clips: Clips::from(manifest),
            front_end,
            views: audio_visual(
                AudioAugment::corrected(AudioVector::P24),
                VisualAugment::corrected(VisualVector::P18),
            ),
            centroid: 2,
            seed: 0,
            cache_bytes: 0,
        })
        .unwrap()
    }

    #[test]
    fn a_panic_names_its_clip() {
        let work = || -> Result<(), _> { panic!("the decoder met\nits master") };
        let message = named(&dataset(), 0, work).unwrap_err().to_string();
        let expected = "a loader thread panicked at clip `c0` (0.wav): the decoder met its master";
        assert_eq!(message, expected);
    }
}
