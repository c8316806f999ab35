//! How far readings lie apart: a normal distribution with some that are wrong altogether.

use std::f64::consts::TAU;

/// Numbers that are normally distributed but for a share of outliers, which are anywhere in a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    middle: f64,
    scale: f64,
    outliers: f64,
    width: f64,
}

impl Spread {
    /// Of `values` within a range of `width`: their median, their median distance from it, and the share beyond four
    /// scales.
    pub(super) fn of(mut values: Vec<f64>, width: f64) -> Self {
        let middle = median(&mut values);
        let mut distances: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
        // Of a normal distribution the median distance is 0.6745 standard deviations.
        let scale = (median(&mut distances) / 0.6745).max(1e-3 * width);
        let far = distances.iter().filter(|distance| **distance > 4.0 * scale).count();
        let outliers = (far as f64 + 1.0) / (distances.len() as f64 + 2.0);
        Self { middle, scale, outliers, width }
    }

    /// The logarithm of the density at `value`.
    pub(super) fn log_density(&self, value: f64) -> f64 {
        let Self { middle, scale, outliers, width } = self;
        let normal = (-0.5 * ((value - middle) / scale).powi(2)).exp() / (scale * TAU.sqrt());
        ((1.0 - outliers) * normal + outliers / width).ln()
    }
}

/// The median; 0 of nothing.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_readings_move_neither_middle_nor_scale() {
        let mut values: Vec<f64> = (-50..=50).map(|step| 2.0 + 0.01 * f64::from(step)).collect();
        let clean = Spread::of(values.clone(), 10.0);
        values.extend([9.0, 9.5, -7.0]);
        let spread = Spread::of(values, 10.0);
        assert!((spread.middle - 2.0).abs() < 0.03 && (spread.scale - 0.37).abs() < 0.03);
        assert!(spread.outliers > 2.0 * clean.outliers, "{spread:?}");
        // What is wrong altogether is no proof against a match.
        let worst = spread.log_density(2.0) - spread.log_density(-7.0);
        assert!((3.0..7.0).contains(&worst), "{worst}");
    }
}
