//! The exponential moving average that is drawn over the points of a curve.

/// Averages of `values` in which the weight of the past falls by `keep` (0 to below 1) a step, each
/// divided by the sum of its weights, so that the first equals the first value.
pub(crate) fn smooth(values: impl IntoIterator<Item = f64>, keep: f64) -> Vec<f64> {
    let (mut sum, mut weight) = (0.0, 0.0);
    let average = |value| {
        sum = keep * sum + (1.0 - keep) * value;
        weight = keep * weight + (1.0 - keep);
        sum / weight
    };
    values.into_iter().map(average).collect()
}

/// What fits `count` points: an average over a thirtieth of them; none below 40.
pub(crate) fn keep_for(count: usize) -> f64 {
    if count < 40 { 0.0 } else { 1.0 - (30.0 / count as f64).min(1.0) }.max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_its_formula_and_keeps_a_constant() {
        assert_eq!(smooth([3.0; 5], 0.9).map_or_close(3.0), [true; 5]);
        let [first, second] = smooth([1.0, 2.0], 0.5)[..] else { panic!("two averages") };
        assert!((first - 1.0).abs() < 1e-12);
        assert!((second - (0.25 + 1.0) / 0.75).abs() < 1e-12);
    }

    trait Close {
        fn map_or_close(self, to: f64) -> Vec<bool>;
    }

    impl Close for Vec<f64> {
        fn map_or_close(self, to: f64) -> Vec<bool> {
            self.into_iter().map(|value| (value - to).abs() < 1e-12).collect()
        }
    }
}
