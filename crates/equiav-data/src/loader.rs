//! Batches made by threads ahead of their use, in the order and with the bytes of a single thread.

use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use equiav_augment::random::below;
use equiav_augment::{Purpose, stream};
use serde::{Deserialize, Serialize};

use crate::batch::{Batch, Replaced, batch};
use crate::ordered::{Effort, Ordered};
use crate::{ClipError, DataError, Dataset, Evaluation, Example, Pass};

/// How many clips are tried in the place of an unreadable one.
const TRIES: usize = 16;

/// How a [`Loader`] works.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoaderOptions {
    /// Threads that decode and augment; 0 for one per processor.
    pub workers: usize,
    /// Batches made ahead of their use; at least 1.
    pub queue: usize,
    /// The share of clips, in [0, 1], that may be unreadable before the run stops.
    pub max_unreadable: f64,
}

impl Default for LoaderOptions {
    /// One thread per processor, two batches ahead, one unreadable clip in a hundred.
    fn default() -> Self {
        Self { workers: 0, queue: 2, max_unreadable: 0.01 }
    }
}

impl LoaderOptions {
    pub(crate) fn effort(&self, batch: usize) -> Effort {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let workers = if self.workers == 0 { processors() } else { self.workers };
        // Enough for every thread to be busy, and for the batches of the queue.
        Effort { workers, ahead: workers + self.queue.max(1) * batch }
    }
}

/// How examples make batches.
#[derive(Clone, Copy)]
struct Shape {
    size: usize,
    /// The position of the first example in its epoch.
    done: usize,
}

/// An iterator over the batches of an epoch.
///
/// After an error it ends. Dropping it, at any time, stops its threads and waits for them.
pub struct Loader {
    dataset: Arc<Dataset>,
    batches: Option<Receiver<Result<Loaded, DataError>>>,
    assembler: Option<JoinHandle<()>>,
    max_unreadable: f64,
    waited: Duration,
}

/// A batch and what happened on the way to it.
struct Loaded {
    batch: Batch,
    /// Per clip of the batch, the failures before it.
    failures: Vec<Vec<ClipError>>,
}

/// An example, and the clips that failed before it in its place.
struct Read {
    example: Example,
    failures: Vec<ClipError>,
}

impl Loader {
    /// Starts on the clips of `order`, in batches of `batch`; clips beyond the last whole batch are
    /// left out.
    ///
    /// # Errors
    ///
    /// If the system gives no thread.
    ///
    /// # Panics
    ///
    /// If `batch` is 0, or `order` names a clip that does not exist.
    #[track_caller]
    pub fn new(
        dataset: Arc<Dataset>,
        epoch: u64,
        order: Vec<usize>,
        batch: usize,
        options: LoaderOptions,
    ) -> Result<Self, DataError> {
        Self::resume(dataset, Pass { epoch, order, batch, done: 0 }, options)
    }

    /// Goes on with `pass` behind the samples that are done.
    ///
    /// The batches are those of an undisturbed pass to the byte; where its last one stopped in the
    /// middle, the first holds the rest of it.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    #[track_caller]
    pub fn resume(
        dataset: Arc<Dataset>,
        mut pass: Pass,
        options: LoaderOptions,
    ) -> Result<Self, DataError> {
        let (epoch, size) = (pass.epoch, pass.batch);
        assert!(size > 0, "Loader: a batch needs a clip");
        assert!(pass.order.iter().all(|clip| *clip < dataset.len()), "Loader: no such clip");
        pass.order.truncate(pass.order.len() / size * size);
        let done = pass.done.min(pass.order.len());
        let (order, source) = (Arc::new(pass.order), Arc::clone(&dataset));
        let clips = Arc::clone(&order);
        let read = move |position: usize| {
            let position = done + position;
            let start = position / size * size;
            read_or_replace(&source, epoch, clips[position], &clips[start..start + size])
        };
        let thread_error = |error| DataError::io("starting a loader thread".as_ref(), error);
        let examples = Ordered::new(order.len() - done, options.effort(size), read);
        let examples = examples.map_err(thread_error)?;
        let (sender, batches) = bounded(options.queue.max(1));
        let names = Arc::clone(&dataset);
        let assembler = std::thread::Builder::new().name("data-batches".to_owned());
        let panicked = move |position: usize, message| names.panicked(order[position], message);
        let shape = Shape { size, done };
        let assembler = assembler
            .spawn(move || assemble(examples, shape, &sender, panicked))
            .map_err(thread_error)?;
        Ok(Self {
            dataset,
            batches: Some(batches),
            assembler: Some(assembler),
            max_unreadable: options.max_unreadable,
            waited: Duration::ZERO,
        })
    }

    /// The plain examples of all clips in the data set's order, for evaluation; see [`Evaluation`].
    ///
    /// # Errors
    ///
    /// If the system gives no thread.
    ///
    /// # Panics
    ///
    /// If `batch` is 0.
    #[track_caller]
    pub fn evaluation(
        dataset: Arc<Dataset>,
        batch: usize,
        options: LoaderOptions,
    ) -> Result<Evaluation, DataError> {
        let all = (0..dataset.len()).collect();
        Evaluation::new(dataset, all, batch, options)
    }

    /// How long [`next`](Iterator::next) has waited for batches in all.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Notes what could not be read, in the order of the clips, and stops when it is too much.
    fn account(&self, loaded: Loaded) -> Result<Batch, DataError> {
        let Loaded { mut batch, failures } = loaded;
        let mut tally = self.dataset.tally().lock().unwrap_or_else(PoisonError::into_inner);
        for (by, failures) in batch.clips.iter().zip(failures) {
            if !failures.is_empty() {
                batch.substituted += 1;
                tally.substituted();
            }
            for reason in failures {
                if tally.failed(&reason) {
                    batch.replaced.push(Replaced { clip: reason.clip, by: *by, reason });
                }
            }
            tally.read(*by);
        }
        tally.check(self.max_unreadable, self.dataset.len())?;
        Ok(batch)
    }

    /// Stops the threads and waits for them.
    fn stop(&mut self) {
        self.batches = None;
        if let Some(assembler) = self.assembler.take() {
            // Its panics would be those of the work, which are caught.
            let _ = assembler.join();
        }
    }
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader").field("waited", &self.waited).finish_non_exhaustive()
    }
}

impl Iterator for Loader {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let started = Instant::now();
        let received = self.batches.as_ref()?.recv();
        self.waited += started.elapsed();
        let result = received.ok()?.and_then(|loaded| self.account(loaded));
        if result.is_err() {
            self.stop();
        }
        Some(result)
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Sends batches of `examples` until they end, one fails or nobody takes them.
fn assemble(
    examples: Ordered<Result<Read, DataError>>,
    shape: Shape,
    sender: &Sender<Result<Loaded, DataError>>,
    panicked: impl Fn(usize, String) -> DataError,
) {
    let Shape { size, done } = shape;
    let (mut read, mut failures) = (Vec::with_capacity(size), Vec::with_capacity(size));
    for (position, result) in (done..).zip(examples) {
        let result = result.unwrap_or_else(|message| Err(panicked(position, message)));
        match result {
            Ok(one) => {
                read.push(one.example);
                failures.push(one.failures);
            }
            Err(error) => {
                // Nobody may be left to hear of it.
                let _ = sender.send(Err(error));
                return;
            }
        }
        if (position + 1).is_multiple_of(size) {
            let loaded = Loaded { batch: batch(&read), failures: std::mem::take(&mut failures) };
            read.clear();
            if sender.send(Ok(loaded)).is_err() {
                return;
            }
        }
    }
}

/// The example of `clip`, or of another real clip that is not among its `neighbors` in the batch.
fn read_or_replace(
    dataset: &Dataset,
    epoch: u64,
    clip: usize,
    neighbors: &[usize],
) -> Result<Read, DataError> {
    // PUBLISHED: constant-replaces-unreadable, the published code trains on a tensor of 0.01 in its
    // place; here on a real clip.
    let mut failures: Vec<ClipError> = Vec::new();
    let mut rng = stream(dataset.seed(), epoch, clip as u64, Purpose::Replacement);
    let crowded = dataset.len() <= neighbors.len();
    let mut tried = clip;
    let mut draws = 0;
    loop {
        match dataset.example(epoch, tried) {
            Ok(example) => return Ok(Read { example, failures }),
            Err(error) => match dataset.folder_gone(&error) {
                Some(gone) => return Err(gone),
                None => failures.push(error),
            },
        }
        loop {
            if draws == TRIES {
                let tries = failures.len() - 1;
                return Err(DataError::NoReplacement { source: failures.swap_remove(0), tries });
            }
            draws += 1;
            tried = below(dataset.len(), &mut rng);
            let known = failures.iter().any(|error| error.clip == tried);
            if !known && (crowded || !neighbors.contains(&tried)) {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_work_names_its_clip_and_ends_the_epoch() {
        let work = |clip: usize| {
            assert!(clip != 2, "the decoder met\nits master");
            let example = Example { clip, parts: Default::default() };
            Ok(Read { example, failures: Vec::new() })
        };
        for workers in [1, 2, 4] {
            let examples = Ordered::new(6, Effort { workers, ahead: 6 }, work).unwrap();
            let (sender, batches) = bounded(6);
            let panicked = |clip, message| {
                let (id, file) = (format!("c{clip}"), format!("{clip}.wav").into());
                DataError::Panicked { id, file, message }
            };
            assemble(examples, Shape { size: 1, done: 0 }, &sender, panicked);
            drop(sender);
            let results: Vec<_> = batches.iter().collect();
            assert_eq!(results.len(), 3, "nothing comes after the panic");
            let clips = |at: usize| results[at].as_ref().unwrap().batch.clips.clone();
            assert_eq!((clips(0), clips(1)), (vec![0], vec![1]));
            let message = results[2].as_ref().err().unwrap().to_string();
            let expected =
                "a loader thread panicked at clip `c2` (2.wav): the decoder met its master";
            assert_eq!(message, expected);
        }
    }
}
