//! Batches made by threads ahead of their use, in the order and with the bytes of a single thread.

mod batch_writer;
pub(crate) mod evaluation;
pub(crate) mod replacement;
pub(crate) mod statistics;
pub(crate) mod throughput;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rayon::ThreadPoolBuilder;
use serde::{Deserialize, Serialize};

use crate::error::DataError;
use crate::features::batch::Batch;
use crate::features::dataset::Dataset;
use crate::io::prefetch::{Effort, Prefetch};
use crate::loader::batch_writer::{BatchRecord, BatchWriter, BufferPool};
use crate::loader::evaluation::EvaluationLoader;
use crate::loader::replacement::account;
use crate::sampling::sampler::Pass;

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

    /// How many batches of `size` are under way or waiting: those of the queue, and at least so many
    /// that no thread idles while another ends a batch.
    fn batches_ahead(&self, threads: usize, size: usize) -> usize {
        self.queue.max(1 + threads.div_ceil(size))
    }
}

/// An iterator over the batches of an epoch.
///
/// After an error it ends. Dropping it, at any time, stops its threads and waits for them.
pub struct Loader {
    dataset: Arc<Dataset>,
    batches: Option<Prefetch<Result<BatchRecord, DataError>>>,
    spare: Arc<BufferPool>,
    stop: Arc<AtomicBool>,
    max_unreadable: f64,
    waited: Duration,
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
        let size = pass.batch;
        assert!(size > 0, "Loader: a batch needs a clip");
        assert!(pass.order.iter().all(|clip| *clip < dataset.len()), "Loader: no such clip");
        pass.order.truncate(pass.order.len() / size * size);
        pass.done = pass.done.min(pass.order.len());
        let thread_error = |error| DataError::io("starting a loader thread".as_ref(), error);
        let pool = ThreadPoolBuilder::new()
            .num_threads(options.workers)
            .thread_name(|number| format!("data-{number}"));
        let pool = pool.build().map_err(|error| thread_error(io::Error::other(error)))?;
        let ahead = options.batches_ahead(pool.current_num_threads(), size);
        let (spare, stop) = (Arc::<BufferPool>::default(), Arc::<AtomicBool>::default());
        let writer = BatchWriter {
            dataset: Arc::clone(&dataset),
            pass,
            pool,
            spare: Arc::clone(&spare),
            max_unreadable: options.max_unreadable,
            stop: Arc::clone(&stop),
        };
        let effort = Effort { workers: ahead, ahead };
        let batches = Prefetch::new(writer.count(), effort, move |number| writer.batch(number));
        Ok(Self {
            dataset,
            batches: Some(batches.map_err(thread_error)?),
            spare,
            stop,
            max_unreadable: options.max_unreadable,
            waited: Duration::ZERO,
        })
    }

    /// Takes a batch back when it was used: the next ones are written to its memory, which spares the
    /// system to hand out and clear new pages. Nobody must.
    pub fn recycle(&self, batch: Batch) {
        self.spare.keep(batch.parts);
    }

    /// The plain examples of all clips in the data set's order, for evaluation; see [`EvaluationLoader`].
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
    ) -> Result<EvaluationLoader, DataError> {
        let all = (0..dataset.len()).collect();
        EvaluationLoader::new(dataset, all, batch, options)
    }

    /// How long [`next`](Iterator::next) has waited for batches in all.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Notes what could not be read, in the order of the clips, and stops when it is too much.
    fn account(&self, filled: BatchRecord) -> Result<Batch, DataError> {
        let BatchRecord { mut batch, failures } = filled;
        (batch.replaced, batch.substituted) =
            account(&self.dataset, &batch.clips, failures, self.max_unreadable)?;
        Ok(batch)
    }

    /// Stops the threads and waits for them.
    fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.batches = None;
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
        let filled = self.batches.as_mut()?.next();
        self.waited += started.elapsed();
        // The work catches its panics; what is left are those of the loader itself.
        let filled = filled?.unwrap_or_else(|message| panic!("a loader thread: {message}"));
        let result = filled.and_then(|filled| self.account(filled));
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
