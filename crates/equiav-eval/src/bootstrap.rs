//! Percentile bootstrap over clips.

use std::num::NonZeroUsize;
use std::thread;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::EvalError;
use crate::share_out::share_out;

/// How confidence intervals are computed.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Bootstrap {
    /// How many resamples are drawn, each of as many clips, with replacement.
    pub resamples: usize,
    /// The seed of the draws.
    pub seed: u64,
    /// The share of the resampled figures within an interval, above 0 and below 1.
    pub level: f64,
}

/// A confidence interval: the middle share of the resampled figures.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct ConfidenceInterval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// How many resamples had the figure: not those, for example, without a positive.
    pub resamples: usize,
}

impl Bootstrap {
    /// 95 % of 1,000 resamples.
    pub fn usual(seed: u64) -> Self {
        Self { resamples: 1000, seed, level: 0.95 }
    }

    /// How often each of `clips` is drawn in the resample `number`, which depends on nothing else but the
    /// seed.
    pub fn counts(&self, number: usize, clips: usize) -> Vec<u32> {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..16].copy_from_slice(&(number as u64).to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        let mut counts = vec![0; clips];
        for _ in 0..clips {
            let product = u128::from(rng.next_u64()) * clips as u128;
            counts[(product >> 64) as usize] += 1;
        }
        counts
    }

    fn check(&self, clips: usize) -> Result<(), EvalError> {
        let Self { resamples, level, .. } = *self;
        if resamples == 0 || !(level > 0.0 && level < 1.0) {
            return Err(EvalError::NoInterval { resamples, level });
        }
        if clips == 0 {
            return Err(EvalError::Empty { what: "clips", rows: 0, columns: 0 });
        }
        Ok(())
    }
}

/// An interval for each of the figures that `figures` takes of a resample; none for one that no resample
/// has, and none of a single clip: all of its resamples are alike, which says nothing of other clips.
///
/// `figures` is told how often each of the `clips` was drawn, so that what is expensive, such as sorting, can
/// be done once before. It returns equally many figures each time, and none for what a resample does not
/// have. All cores take part, which changes no result.
///
/// ```text
/// low, high = quantiles of the figures at (1 − level) / 2 and (1 + level) / 2,
/// ```
///
/// with linear interpolation between neighbors, as numpy's default.
///
/// # Errors
///
/// If there is no clip, no resample is to be drawn, or the level is not between 0 and 1.
pub fn intervals<F>(
    clips: usize,
    how: &Bootstrap,
    figures: F,
) -> Result<Vec<Option<ConfidenceInterval>>, EvalError>
where
    F: Fn(&[u32]) -> Vec<Option<f64>> + Sync,
{
    how.check(clips)?;
    if clips == 1 {
        return Ok(vec![None; figures(&[1]).len()]);
    }
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut drawn = vec![Vec::new(); threads.min(how.resamples)];
    // In no order: an interval sorts its figures.
    share_out(&mut drawn, 0..how.resamples, |drawn: &mut Vec<Vec<Option<f64>>>, number| {
        drawn.push(figures(&how.counts(number, clips)));
        Ok::<(), EvalError>(())
    })?;
    let drawn: Vec<Vec<Option<f64>>> = drawn.into_iter().flatten().collect();
    let count = drawn.first().map_or(0, Vec::len);
    Ok((0..count).map(|figure| interval(drawn.iter().filter_map(|all| all[figure]), how)).collect())
}

fn interval(figures: impl Iterator<Item = f64>, how: &Bootstrap) -> Option<ConfidenceInterval> {
    let mut sorted: Vec<f64> = figures.filter(|figure| !figure.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let end = |share| (!sorted.is_empty()).then(|| quantile(&sorted, share));
    Some(ConfidenceInterval {
        low: end((1.0 - how.level) / 2.0)?,
        high: end((1.0 + how.level) / 2.0)?,
        resamples: sorted.len(),
    })
}

/// The quantile of `sorted` at `share`, with linear interpolation.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (before, after) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    // figures may be infinite
    if before == after { before } else { before + (after - before) * place.fract() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy 2.4.6: np.quantile([1, 2, 4, 8, 16.5], q)
        let sorted = [1.0, 2.0, 4.0, 8.0, 16.5];
        for (share, expected) in
            [(0.0, 1.0), (0.025, 1.1), (0.5, 4.0), (0.6, 5.6), (0.975, 15.65), (1.0, 16.5)]
        {
            assert!((quantile(&sorted, share) - expected).abs() < 1e-12, "{share}");
        }
        assert_eq!(quantile(&[1.0, f64::INFINITY, f64::INFINITY], 0.9), f64::INFINITY);
    }

    #[test]
    fn a_mean_is_within_what_is_known_of_means() {
        // of 400 numbers, half 0 and half 1: deviation of the mean 0.5 / 20
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
        let mean = |counts: &[u32]| {
            let sum: f64 = counts.iter().zip(&values).map(|(c, v)| f64::from(*c) * v).sum();
            vec![Some(sum / 400.0), None, (counts[0] > 0).then_some(1.0)]
        };
        let how = Bootstrap { resamples: 4000, seed: 3, level: 0.95 };
        let ours = intervals(400, &how, mean).expect("figures");
        let found = ours[0].expect("a mean");
        assert!((found.low - (0.5 - 1.96 * 0.025)).abs() < 0.004, "{found:?}");
        assert!((found.high - (0.5 + 1.96 * 0.025)).abs() < 0.004, "{found:?}");
        assert_eq!((found.resamples, ours[1]), (4000, None));
        // a clip is in a resample with probability 1 - (1 - 1/n)^n
        let share = ours[2].expect("some").resamples as f64 / 4000.0;
        assert!((share - 0.632).abs() < 0.03, "{share}");
        assert_eq!(intervals(400, &how, mean).expect("figures"), ours);
        let other = intervals(400, &Bootstrap { seed: 4, ..how }, mean).expect("figures");
        assert_ne!(other[0], ours[0]);
    }

    #[test]
    fn one_clip_says_nothing_of_others() {
        let figures = |counts: &[u32]| vec![Some(f64::from(counts[0])), Some(0.5)];
        assert_eq!(intervals(1, &Bootstrap::usual(0), figures), Ok(vec![None, None]));
        let two = intervals(2, &Bootstrap::usual(0), figures).expect("figures");
        assert!(two.iter().all(Option::is_some), "{two:?}");
    }

    #[test]
    fn resamples_have_as_many_clips() {
        let how = Bootstrap::usual(1);
        assert_eq!(how.counts(7, 33).iter().sum::<u32>(), 33);
        assert_ne!(how.counts(7, 33), how.counts(8, 33));
    }

    #[test]
    fn what_gives_no_interval_is_refused() {
        let none = |how: Bootstrap, clips| {
            intervals(clips, &how, |_| vec![]).expect_err("should be refused").to_string()
        };
        let usual = Bootstrap::usual(0);
        assert_eq!(
            none(Bootstrap { resamples: 0, ..usual }, 3),
            "0 resamples and a level of 0.95 give no interval: expected at least 1, and between 0 and 1"
        );
        assert!(none(Bootstrap { level: f64::NAN, ..usual }, 3).contains("level of NaN"));
        assert_eq!(none(usual, 0), "the clips hold nothing: 0 rows, 0 columns");
    }
}
