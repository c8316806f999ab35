//! What a front end must know of a data set: mean and deviation of the filterbank, and how sure they are.

use std::sync::Arc;

use ndarray::Array2;

use crate::error::MediaError;
use crate::error::{ClipError, DataError};
use crate::io::prefetch::Prefetch;
use crate::loader::LoaderOptions;
use crate::manifest::clips::Clips;
use equiav_frontend::{Analyzer, FrontEnd, LOG_FLOOR, Waveform};

/// A sound whose samples all stay below this is silent: -60 dB of full scale.
pub const SILENT_PEAK: f32 = 1e-3;

/// What [`statistics`] found.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// Mean of all values, in nats.
    pub mean: Estimate,
    /// Standard deviation of all values, in nats.
    pub std: Estimate,
    /// Clips that entered.
    pub clips: usize,
    /// Frames that entered.
    pub frames: u64,
    /// How long the sounds are, as far as they are read.
    pub durations: Durations,
    /// Clips that entered and never reach [`SILENT_PEAK`].
    pub silent: usize,
    /// Frames that entered and hold no energy in any band.
    pub empty_frames: u64,
    /// Clips that cannot be read.
    pub skipped: Vec<ClipError>,
}

/// A figure of a data set, and how far another draw of as many clips might be off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Its standard error; not a number for one clip.
    ///
    /// Values within a clip resemble each other, so clips are what is counted: the error is that of
    /// a ratio of sums over clips, linearised, which lets long clips weigh more.
    pub standard_error: f64,
}

impl Estimate {
    /// The interval that covers the figure of all such clips in 95 of 100 cases: 1.96 standard
    /// errors to either side, as for a normal distribution. There is none of one clip, nor of the
    /// deviation of values that are all equal.
    pub fn interval(&self) -> Option<[f64; 2]> {
        const NORMAL_95: f64 = 1.959_963_985;
        let known = self.standard_error.is_finite();
        known.then(|| {
            [-NORMAL_95, NORMAL_95].map(|errors| self.value + errors * self.standard_error)
        })
    }
}

/// Lengths of sounds, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Durations {
    /// The shortest.
    pub shortest: f64,
    /// As many are shorter as are longer.
    pub median: f64,
    /// The longest.
    pub longest: f64,
    /// All together.
    pub total: f64,
}

/// What is kept of one clip.
#[derive(Clone, Copy, Debug)]
struct Sums {
    frames: u64,
    values: f64,
    sum: f64,
    squares: f64,
    seconds: f64,
    silent: bool,
    empty_frames: u64,
}

/// Measures the filterbank over the sounds of `clips`, cut to the front end's `frames`, without
/// padding.
///
/// The front end's own `mean` and `std` do not enter. Clips that cannot be read are skipped and
/// listed.
///
/// # Errors
///
/// If the front end makes no sense, no clip can be read, the machine cannot read one (too many open files,
/// a disk that fails), or the system gives no thread.
pub fn statistics(clips: &Clips, front_end: &FrontEnd) -> Result<Statistics, DataError> {
    let (analyzer, clips) = (Analyzer::new(front_end.clone())?, Arc::new(clips.clone()));
    let shared = Arc::clone(&clips);
    let measure = move |clip: usize| {
        let waveform = shared.sound(clip, analyzer.front_end().window);
        let sums = waveform.and_then(|waveform| {
            let log_mel = analyzer.log_mel(&waveform.samples, waveform.rate);
            let log_mel = log_mel
                .map_err(|why| MediaError::broken(&shared.sound_name(clip), why.to_string()))?;
            Ok(Sums::of(&waveform, &log_mel))
        });
        sums.map_err(|media| ClipError { clip, id: shared.id(clip).to_owned(), media })
    };
    let effort = LoaderOptions::default().effort(16);
    let results = Prefetch::new(clips.len(), effort, measure)
        .map_err(|error| DataError::io("starting a thread".as_ref(), error))?;
    let (mut sums, mut skipped) = (Vec::new(), Vec::new());
    for (clip, result) in results.enumerate() {
        match result {
            Ok(Ok(one)) => sums.push(one),
            Ok(Err(error)) if error.media.machine => return Err(DataError::Machine(error)),
            Ok(Err(error)) => skipped.push(error),
            Err(message) => return Err(clips.panicked(clip, message)),
        }
    }
    match skipped.first() {
        Some(first) if sums.is_empty() => Err(DataError::Clip(first.clone())),
        _ => Ok(gather(&sums, skipped)),
    }
}

impl Sums {
    fn of(waveform: &Waveform, log_mel: &Array2<f32>) -> Self {
        let (mut sum, mut squares) = (0.0, 0.0);
        for value in log_mel {
            sum += f64::from(*value);
            squares += f64::from(*value).powi(2);
        }
        let empty = log_mel.rows().into_iter().filter(|row| row.iter().all(|v| *v <= LOG_FLOOR));
        Self {
            frames: log_mel.nrows() as u64,
            values: log_mel.len() as f64,
            sum,
            squares,
            seconds: waveform.seconds(),
            silent: waveform.samples.iter().all(|sample| sample.abs() < SILENT_PEAK),
            empty_frames: empty.count() as u64,
        }
    }
}

fn gather(sums: &[Sums], skipped: Vec<ClipError>) -> Statistics {
    let total = |part: fn(&Sums) -> f64| sums.iter().map(part).sum::<f64>();
    let values = total(|one| one.values);
    let mean = total(|one| one.sum) / values;
    let variance = (total(|one| one.squares) / values - mean * mean).max(0.0);
    let std = variance.sqrt();
    // How far each clip pulls the two sums, over all values, away from where they are.
    let off_mean = |one: &Sums| one.sum - mean * one.values;
    let off_variance =
        |one: &Sums| one.squares - 2.0 * mean * one.sum + (mean * mean - variance) * one.values;
    let error = |off: &dyn Fn(&Sums) -> f64| {
        let clips = sums.len() as f64;
        let squares = sums.iter().map(|one| off(one).powi(2)).sum::<f64>();
        (squares * clips / (clips - 1.0)).sqrt() / values
    };
    Statistics {
        mean: Estimate { value: mean, standard_error: error(&off_mean) },
        std: Estimate { value: std, standard_error: error(&off_variance) / (2.0 * std) },
        clips: sums.len(),
        frames: sums.iter().map(|one| one.frames).sum(),
        durations: Durations::of(sums.iter().map(|one| one.seconds).collect()),
        silent: sums.iter().filter(|one| one.silent).count(),
        empty_frames: sums.iter().map(|one| one.empty_frames).sum(),
        skipped,
    }
}

impl Durations {
    /// Of at least one length.
    fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        let (middle, last) = (seconds.len() / 2, seconds.len() - 1);
        Self {
            shortest: seconds[0],
            median: 0.5 * (seconds[middle] + seconds[last - middle]),
            longest: seconds[last],
            total: seconds.iter().sum(),
        }
    }
}
