//! Two ways timed in turn: the ratio of their times, its interval, and when enough pairs are there.
//!
//! The file depends on nothing, since xtask, which needs no crate to build, reads it too.

use std::f64::consts::LN_2;

/// Ratios of times that were taken right after each other.
///
/// The estimate is their median. The interval takes no form of the noise for granted: it lies between two of the
/// sorted ratios, outside of which the true median is by chance at most once in twenty times. One of the
/// turns that another program disturbed moves neither by much, whatever it took.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Paired(Vec<f64>);

/// The most that either half of the interval may be of the ratio, for the pairs to be enough: one point.
const NARROW: f64 = 0.01;

/// What may lie on either side of the interval.
const OUTSIDE: f64 = 0.025;

/// Whether the first of two goes first in the pair of that number, from 0: A B, B A, A B and so on, so that
/// a machine that slows down steadily favors neither.
pub(crate) fn first_goes_first(pair: usize) -> bool {
    pair.is_multiple_of(2)
}

/// Has `pair` measure once more, with its number from 0, until it says that its ratios are settled, at most
/// `most` times; returns how often that was.
///
/// # Errors
///
/// The first of `pair`.
pub(crate) fn until_settled<E>(
    most: usize,
    mut pair: impl FnMut(usize) -> Result<bool, E>,
) -> Result<usize, E> {
    for number in 0..most {
        if pair(number)? {
            return Ok(number + 1);
        }
    }
    Ok(most)
}

impl Paired {
    /// Of times that are in the same order.
    pub(crate) fn of(pairs: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self(pairs.into_iter().map(|(first, second)| first / second).collect())
    }

    /// The median ratio; of none, not a number.
    pub(crate) fn ratio(&self) -> f64 {
        let sorted = self.sorted();
        match (sorted.len() / 2, sorted.len() % 2) {
            (0, 0) => f64::NAN,
            (middle, 0) => 0.5 * (sorted[middle - 1] + sorted[middle]),
            (middle, _) => sorted[middle],
        }
    }

    /// The 95 % interval of the median; nothing of fewer than six pairs, which cannot have one.
    pub(crate) fn interval(&self) -> Option<(f64, f64)> {
        let (sorted, low) = (self.sorted(), lowest(self.0.len())?);
        Some((sorted[low], sorted[sorted.len() - 1 - low]))
    }

    /// Whether no further pair is needed.
    pub(crate) fn is_settled(&self) -> bool {
        self.interval().is_some_and(|(low, high)| high - low <= 2.0 * NARROW * self.ratio())
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// Which of so many sorted values is the low end of the interval: how many lie below the true median is how
/// many of so many coins show heads.
fn lowest(values: usize) -> Option<usize> {
    let (mut log_chance, mut fewer, mut heads) = (-(values as f64) * LN_2, 0.0, 0);
    loop {
        fewer += f64::exp(log_chance);
        if fewer > OUTSIDE {
            return usize::checked_sub(heads, 1);
        }
        log_chance += ((values - heads) as f64 / (heads + 1) as f64).ln();
        heads += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times of two ways of which the first takes `ratio` times the second, on a machine that slows down and
    /// whose every eleventh turn takes twice as long; without a clock.
    fn machine(ratio: f64, noise: f64) -> impl FnMut(usize) -> (f64, f64) {
        let mut turn = 0u64;
        move |pair| {
            let mut next = |time: f64| {
                turn += 1;
                let mixed = turn.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                let hashed = (mixed >> 40) as f64 / 16_777_216.0;
                let disturbed = if turn % 11 == 3 { 2.0 } else { 1.0 };
                time * (1.0 + 0.001 * turn as f64) * (1.0 + noise * (hashed - 0.5)) * disturbed
            };
            if first_goes_first(pair) {
                let first = next(ratio);
                (first, next(1.0))
            } else {
                let second = next(1.0);
                (next(ratio), second)
            }
        }
    }

    fn measure(ratio: f64, noise: f64, most: usize) -> (usize, Paired) {
        let (mut machine, mut pairs) = (machine(ratio, noise), Vec::new());
        let count = until_settled(most, |number| {
            pairs.push(machine(number));
            Ok::<_, ()>(Paired::of(pairs.iter().copied()).is_settled())
        });
        (count.unwrap(), Paired::of(pairs))
    }

    #[test]
    fn pairs_are_added_until_the_interval_is_narrow_and_no_longer() {
        for noise in [0.0, 0.02, 0.1] {
            let (count, paired) = measure(1.3, noise, 10_000);
            assert!((6..10_000).contains(&count), "noise {noise}: {count} pairs");
            let (low, high) = paired.interval().unwrap();
            assert!(high - low <= 0.02 * paired.ratio() && low <= paired.ratio());
            assert!((paired.ratio() / 1.3 - 1.0).abs() < 0.015, "{noise}: {}", paired.ratio());
        }
        let quiet = |noise| measure(1.3, noise, 10_000).0;
        assert!(quiet(0.0) < quiet(0.1), "noise takes pairs");
    }

    #[test]
    fn the_most_is_kept_and_then_it_is_not_settled() {
        let (count, paired) = measure(1.3, 0.5, 7);
        assert_eq!((count, paired.is_settled()), (7, false));
        let failed: Result<usize, &str> = until_settled(3, |_| Err("broken"));
        assert_eq!(failed, Err("broken"));
    }

    #[test]
    fn the_interval_is_that_of_tables_of_the_sign_test() {
        let table = [None, Some(0), Some(0), Some(1), Some(2), Some(4), Some(7), Some(39)];
        assert_eq!([5, 6, 8, 9, 12, 17, 25, 100].map(lowest), table);
        assert_eq!(lowest(100_000), Some(49_689), "however many there are");
        let paired = Paired::of((1..=9).map(|n| (f64::from(n), 2.0)));
        assert_eq!((paired.ratio(), paired.interval()), (2.5, Some((1.0, 4.0))));
        assert!(Paired::default().ratio().is_nan() && !Paired::default().is_settled());
    }

    #[test]
    fn drift_is_in_the_order_of_turns_and_not_in_the_ratio() {
        let drift = |pair: usize| {
            let (early, late) = (1.0 + 0.1 * pair as f64, 1.05 + 0.1 * pair as f64);
            if first_goes_first(pair) { (early, late) } else { (late, early) }
        };
        let even = Paired::of((0..40).map(drift)).ratio();
        assert!((even - 1.0).abs() < 0.02, "{even}");
    }
}
