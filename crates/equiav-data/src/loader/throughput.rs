//! How fast clips become batches: the whole loader by its number of workers, one core by stages.
//!
//! Files are read once before the clock starts, so that what is measured is work, not a disk; what
//! was decoded before helps only a data set with a cache.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{ClipError, DataError};
use crate::features::batch::{batch_rows, blank};
use crate::features::dataset::Dataset;
use crate::loader::{Loader, LoaderOptions};
use crate::profiler::{Recording, SpanTimes};
use crate::sampling::sampler::Sampler;
use crate::sampling::sampler::evenly;

/// Of a longer list, as many clips are read again and again, taken evenly from all of it.
const MOST_CLIPS: usize = 256;
/// Samples between two starts of a loader; an epoch's end costs little beside them.
const ROUND: usize = 2_048;

/// How long to measure, and in batches of which size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// Samples a batch; at least 1.
    pub batch: usize,
    /// The time after which the measurement ends with the batch it is at.
    pub time: Duration,
}

/// How fast a loader was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoaderRate {
    /// Its threads.
    pub workers: usize,
    /// Samples that came out.
    pub samples: usize,
    /// In which time.
    pub time: Duration,
}

impl LoaderRate {
    /// Samples a second.
    pub fn per_second(&self) -> f64 {
        self.samples as f64 / self.time.as_secs_f64()
    }
}

/// Where the time of a single thread went.
#[derive(Clone, Debug)]
pub struct StageTimes {
    /// Samples that were made.
    pub samples: usize,
    /// What each stage took for all of them.
    pub stages: SpanTimes,
    /// The clips that were to be measured with and cannot be read.
    pub skipped: Vec<ClipError>,
}

/// Makes batches of `dataset` on this thread and looks where the time goes.
///
/// Clips that cannot be read are passed over and listed.
///
/// # Errors
///
/// If no clip can be read.
///
/// # Panics
///
/// If the batch is empty.
#[track_caller]
pub fn stage_times(dataset: &Dataset, timing: Timing) -> Result<StageTimes, DataError> {
    let Readable { clips, skipped } = readable(dataset)?;
    let recording = Recording::start();
    let (started, mut samples) = (Instant::now(), 0);
    let mut parts = blank(timing.batch, &dataset.shapes());
    'measured: for (epoch, order) in rounds(&clips, dataset.seed(), timing.batch) {
        for chunk in order.chunks(timing.batch) {
            for (mut rows, clip) in batch_rows(&mut parts).into_iter().zip(chunk) {
                // A clip could be read a moment ago; if its file vanishes now, it is not counted.
                samples += usize::from(dataset.fill(epoch, *clip, &mut rows).is_ok());
            }
            if started.elapsed() >= timing.time {
                break 'measured;
            }
        }
    }
    Ok(StageTimes { samples, stages: recording.finish(), skipped })
}

/// Takes batches of `dataset` from a loader with `workers` threads as fast as they come.
///
/// The clock starts when threads and queue are at work.
///
/// # Errors
///
/// If no clip can be read, or the system gives no thread.
///
/// # Panics
///
/// If the batch is empty.
#[track_caller]
pub fn loader_rate(
    dataset: &Arc<Dataset>,
    workers: usize,
    timing: Timing,
) -> Result<LoaderRate, DataError> {
    let Readable { clips, .. } = readable(dataset)?;
    let options = LoaderOptions { workers, max_unreadable: 1.0, ..LoaderOptions::default() };
    let (mut started, mut early, mut samples) = (Instant::now(), options.queue + 1, 0);
    for (epoch, order) in rounds(&clips, dataset.seed(), timing.batch) {
        let mut loader = Loader::new(Arc::clone(dataset), epoch, order, timing.batch, options)?;
        while let Some(batch) = loader.next() {
            let batch = batch?;
            let clips = batch.clips.len();
            loader.recycle(batch);
            if early > 0 {
                early -= 1;
                started = Instant::now();
                continue;
            }
            samples += clips;
            if started.elapsed() >= timing.time {
                return Ok(LoaderRate { workers, samples, time: started.elapsed() });
            }
        }
    }
    Err(DataError::Empty)
}

/// The clips to measure with.
struct Readable {
    clips: Vec<usize>,
    skipped: Vec<ClipError>,
}

/// Those of at most [`MOST_CLIPS`] that can be read; reading them makes their files warm.
fn readable(dataset: &Dataset) -> Result<Readable, DataError> {
    let (mut clips, mut skipped) = (Vec::new(), Vec::new());
    for clip in evenly(dataset.len(), MOST_CLIPS) {
        match dataset.example(0, clip) {
            Ok(_) => clips.push(clip),
            Err(error) => skipped.push(error),
        }
    }
    match skipped.first() {
        Some(first) if clips.is_empty() => {
            Err(dataset.folder_gone(first).unwrap_or(DataError::Clip(first.clone())))
        }
        _ => Ok(Readable { clips, skipped }),
    }
}

/// Epochs without end, each with whole batches of `clips` in an order of its own.
fn rounds(clips: &[usize], seed: u64, batch: usize) -> impl Iterator<Item = (u64, Vec<usize>)> {
    let sampler = Sampler::new(seed, clips.len(), 1);
    let length = ROUND.next_multiple_of(batch);
    (1..).map(move |epoch| {
        let order = sampler.order(epoch).into_iter().map(|position| clips[position]);
        (epoch, order.collect::<Vec<_>>().into_iter().cycle().take(length).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_whole_batches_even_of_few_clips() {
        let (epoch, order) = rounds(&[4, 7, 9], 0, 30).next().unwrap();
        assert_eq!((epoch, order.len() % 30), (1, 0));
        assert!(order.len() >= ROUND);
        for clip in [4, 7, 9] {
            assert!(order.iter().filter(|other| **other == clip).count() >= ROUND / 3);
        }
    }
}
