//! Mean and standard deviation of the filterbank over a data set, by which inputs are standardised.

use std::sync::Arc;

use crate::error::MediaError;
use crate::ordered::Ordered;
use crate::{Analyzer, ClipError, Clips, DataError, FrontEnd, LoaderOptions};

/// What [`statistics`] found.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// Mean of all values, in nats.
    pub mean: f64,
    /// Standard deviation of all values, in nats.
    pub std: f64,
    /// Standard error of the mean, from the spread of the clips' own means; not a number for one
    /// clip.
    pub standard_error: f64,
    /// Clips that entered.
    pub clips: usize,
    /// Frames that entered.
    pub frames: u64,
    /// Clips that cannot be read.
    pub skipped: Vec<ClipError>,
}

/// Sums of one clip's values.
#[derive(Clone, Copy)]
struct Sums {
    frames: u64,
    values: u64,
    sum: f64,
    squares: f64,
}

/// Measures the filterbank over the sounds of `clips`, cut to the front end's `frames`, without
/// padding.
///
/// The front end's own `mean` and `std` do not enter. Clips that cannot be read are left out and
/// listed.
///
/// # Errors
///
/// If the front end makes no sense, no clip can be read, or the system gives no thread.
pub fn statistics(clips: &Clips, front_end: &FrontEnd) -> Result<Statistics, DataError> {
    let (analyzer, clips) = (Analyzer::new(front_end.clone())?, Arc::new(clips.clone()));
    let shared = Arc::clone(&clips);
    let measure = move |clip: usize| {
        let waveform = shared.sound(clip, analyzer.front_end().window);
        let log_mel = waveform.and_then(|waveform| {
            let log_mel = analyzer.log_mel(&waveform);
            log_mel.map_err(|reason| MediaError::broken(&shared.sound_name(clip), reason))
        });
        let id = || shared.id(clip).to_owned();
        let sums = log_mel.map(|values| Sums::of(&values));
        sums.map_err(|source| ClipError { clip, id: id(), source })
    };
    let effort = LoaderOptions::default().effort(16);
    let results = Ordered::new(clips.len(), effort, measure)
        .map_err(|error| DataError::io("starting a thread".as_ref(), error))?;
    let (mut sums, mut skipped) = (Vec::new(), Vec::new());
    for (clip, result) in results.enumerate() {
        match result {
            Ok(Ok(one)) => sums.push(one),
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
    fn of(values: &ndarray::Array2<f32>) -> Self {
        let (mut sum, mut squares) = (0.0, 0.0);
        for value in values {
            sum += f64::from(*value);
            squares += f64::from(*value).powi(2);
        }
        Self { frames: values.nrows() as u64, values: values.len() as u64, sum, squares }
    }
}

fn gather(sums: &[Sums], skipped: Vec<ClipError>) -> Statistics {
    let total = |part: fn(&Sums) -> f64| sums.iter().map(part).sum::<f64>();
    let values = total(|one| one.values as f64);
    let mean = total(|one| one.sum) / values;
    let variance = total(|one| one.squares) / values - mean * mean;
    let clips = sums.len() as f64;
    let means: Vec<f64> = sums.iter().map(|one| one.sum / one.values as f64).collect();
    let middle = means.iter().sum::<f64>() / clips;
    let spread = means.iter().map(|mean| (mean - middle).powi(2)).sum::<f64>() / (clips - 1.0);
    Statistics {
        mean,
        std: variance.max(0.0).sqrt(),
        standard_error: (spread / clips).sqrt(),
        clips: sums.len(),
        frames: sums.iter().map(|one| one.frames).sum(),
        skipped,
    }
}
