//! Differences of two variants, paired by seed and clip, with intervals that count both.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// A mean with its interval of 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    pub(super) mean: f64,
    /// None of a single seed, which tells nothing of other trainings.
    pub(super) interval: Option<(f64, f64)>,
    pub(super) seeds: usize,
}

/// What an ordering came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    Holds,
    DoesNotHold,
    Undecided,
}

impl Estimate {
    /// Whether a difference is at least `by`, which is not negative.
    ///
    /// It holds if the mean is and the interval is above 0; it does not if the whole interval is below `by`.
    pub(super) fn verdict(&self, by: f64) -> Verdict {
        match self.interval {
            Some((low, _)) if low > 0.0 && self.mean >= by => Verdict::Holds,
            Some((_, high)) if high < by => Verdict::DoesNotHold,
            _ => Verdict::Undecided,
        }
    }
}

/// The mean of `values`, a row for each seed and a column for each clip, the same clips in every row.
///
/// Seeds and clips are crossed random effects: `value = mean + seed + clip + rest`. The variance of the mean is
///
/// ```text
/// (MS_seeds + MS_clips - MS_rest) / (seeds * clips)
/// ```
///
/// at least that of the seeds alone, with Satterthwaite's degrees of freedom for the quantile of Student's t
/// (Searle, Casella and McCulloch, Variance Components, 1992). With one seed there is no interval.
pub(super) fn crossed(values: &[Vec<f64>]) -> Estimate {
    let (seeds, clips) = (values.len(), values.first().map_or(0, Vec::len));
    let (rows, columns) = (seeds as f64, clips as f64);
    let mean = values.iter().flatten().sum::<f64>() / (rows * columns);
    if seeds < 2 || clips < 2 {
        return Estimate { mean, interval: None, seeds };
    }
    let by_seed: Vec<f64> = values.iter().map(|row| row.iter().sum::<f64>() / columns).collect();
    let by_clip: Vec<f64> =
        (0..clips).map(|clip| values.iter().map(|row| row[clip]).sum::<f64>() / rows).collect();
    let square = |means: &[f64]| means.iter().map(|one| (one - mean).powi(2)).sum::<f64>();
    let (of_seeds, of_clips) = (columns * square(&by_seed), rows * square(&by_clip));
    let total: f64 = values.iter().flatten().map(|value| (value - mean).powi(2)).sum();
    let freedom = [rows - 1.0, columns - 1.0, (rows - 1.0) * (columns - 1.0)];
    let rest = (total - of_seeds - of_clips).max(0.0);
    let means = [of_seeds / freedom[0], of_clips / freedom[1], rest / freedom[2]];
    let numerator = (means[0] + means[1] - means[2]).max(means[0]);
    let of_each: f64 =
        means.iter().zip(freedom).map(|(mean, freedom)| mean.powi(2) / freedom).sum();
    if numerator == 0.0 || of_each == 0.0 {
        return Estimate { mean, interval: Some((mean, mean)), seeds };
    }
    let freedom = (numerator.powi(2) / of_each).max(1.0);
    let t = StudentsT::new(0.0, 1.0, freedom).map_or(f64::INFINITY, |t| t.inverse_cdf(0.975));
    let half = t * (numerator / (rows * columns)).sqrt();
    Estimate { mean, interval: Some((mean - half, mean + half)), seeds }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number in [-1, 1) that depends on nothing else.
    fn noise(salt: u64) -> f64 {
        let mixed = salt.wrapping_add(0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 32)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    fn world(trial: u64, effects: [f64; 3]) -> Vec<Vec<f64>> {
        let at = |kind: u64, place: u64| noise(trial * 1_000_003 + kind * 100_003 + place);
        let value = |seed: u64, clip: u64| {
            let parts = [at(1, seed), at(2, clip), at(3, seed * 997 + clip)];
            parts.iter().zip(effects).map(|(part, size)| part * size).sum()
        };
        (0..5).map(|seed| (0..40).map(|clip| value(seed, clip)).collect()).collect()
    }

    #[test]
    fn intervals_hold_the_truth_whatever_varies() {
        // Seeds alone, clips alone, all: about 95 % of 400 worlds, and never far less.
        for effects in [[1.0, 0.0, 0.1], [0.0, 1.0, 0.1], [0.5, 0.5, 1.0], [0.0, 0.0, 1.0]] {
            let held = (0..400).filter(|trial| {
                let (low, high) = crossed(&world(*trial, effects)).interval.unwrap();
                low <= 0.0 && 0.0 <= high
            });
            let held = held.count();
            assert!((360..=400).contains(&held), "{effects:?}: {held} of 400");
        }
    }

    #[test]
    fn one_row_of_means_is_the_usual_interval_of_t() {
        // Clips that all say the same: five numbers 1 to 5, mean 3, s = 1.5811, t(4) = 2.7764.
        let values: Vec<Vec<f64>> = (1..=5).map(|seed| vec![f64::from(seed); 8]).collect();
        let estimate = crossed(&values);
        let (low, high) = estimate.interval.unwrap();
        assert!((estimate.mean - 3.0).abs() < 1e-12);
        assert!(
            (high - low - 2.0 * 2.776_445 * 1.581_139 / 5f64.sqrt()).abs() < 1e-4,
            "{low} {high}"
        );
        assert_eq!(estimate.verdict(0.0), Verdict::Holds);
        // The interval is 1.04 to 4.96.
        assert_eq!(estimate.verdict(2.5), Verdict::Holds);
        assert_eq!(estimate.verdict(3.5), Verdict::Undecided);
        assert_eq!(estimate.verdict(5.0), Verdict::DoesNotHold);
    }

    #[test]
    fn one_seed_decides_nothing() {
        let estimate = crossed(&[vec![1.0, 1.0, 0.0]]);
        assert_eq!((estimate.interval, estimate.verdict(0.0)), (None, Verdict::Undecided));
    }
}
