//! Plain examples of clips in order, made by threads; what cannot be read is skipped and listed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{ClipError, DataError};
use crate::features::batch::PlainBatch;
use crate::features::batch::plain_batch;
use crate::features::dataset::Dataset;
use crate::features::example::PlainExample;
use crate::io::prefetch::Prefetch;
use crate::loader::LoaderOptions;

/// An iterator over batches of plain examples; nothing is ever put in the place of an unreadable
/// clip.
///
/// All batches but the last are full. After an error it ends.
pub struct EvaluationLoader {
    dataset: Arc<Dataset>,
    clips: Arc<Vec<usize>>,
    examples: Prefetch<Result<PlainExample, ClipError>>,
    batch: usize,
    position: usize,
    failed: bool,
    skipped: Vec<ClipError>,
    waited: Duration,
}

impl EvaluationLoader {
    /// Starts on `clips`, in their order, in batches of `batch`.
    ///
    /// # Errors
    ///
    /// If the system gives no thread.
    ///
    /// # Panics
    ///
    /// If `batch` is 0, or `clips` names a clip that does not exist.
    #[track_caller]
    pub fn new(
        dataset: Arc<Dataset>,
        clips: Vec<usize>,
        batch: usize,
        options: LoaderOptions,
    ) -> Result<Self, DataError> {
        assert!(batch > 0, "EvaluationLoader::new: a batch needs a clip");
        assert!(
            clips.iter().all(|clip| *clip < dataset.len()),
            "EvaluationLoader::new: no such clip"
        );
        let (source, clips) = (Arc::clone(&dataset), Arc::new(clips));
        let order = Arc::clone(&clips);
        let read = move |position: usize| source.plain(order[position]);
        let examples = Prefetch::new(clips.len(), options.effort(batch), read)
            .map_err(|error| DataError::io("starting a loader thread".as_ref(), error))?;
        let (position, failed, waited) = (0, false, Duration::ZERO);
        Ok(Self { dataset, clips, examples, batch, position, failed, skipped: Vec::new(), waited })
    }

    /// The clips skipped so far, because they cannot be read.
    pub fn skipped(&self) -> &[ClipError] {
        &self.skipped
    }

    /// How long [`next`](Iterator::next) has waited for examples in all.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// The next example that can be read.
    fn example(&mut self) -> Option<Result<PlainExample, DataError>> {
        loop {
            let started = Instant::now();
            let result = self.examples.next()?;
            self.waited += started.elapsed();
            self.position += 1;
            match result {
                Ok(Ok(example)) => return Some(Ok(example)),
                Ok(Err(error)) => match self.dataset.folder_gone(&error) {
                    Some(gone) => return Some(Err(gone)),
                    None => self.skipped.push(error),
                },
                Err(message) => {
                    let clip = self.clips[self.position - 1];
                    return Some(Err(self.dataset.panicked(clip, message)));
                }
            }
        }
    }
}

impl std::fmt::Debug for EvaluationLoader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("EvaluationLoader");
        out.field("position", &self.position).field("skipped", &self.skipped);
        out.finish_non_exhaustive()
    }
}

impl Iterator for EvaluationLoader {
    type Item = Result<PlainBatch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let mut examples = Vec::with_capacity(self.batch);
        while examples.len() < self.batch {
            match self.example() {
                Some(Ok(example)) => examples.push(example),
                Some(Err(error)) => {
                    self.failed = true;
                    return Some(Err(error));
                }
                None => break,
            }
        }
        (!examples.is_empty()).then(|| Ok(plain_batch(&examples)))
    }
}
