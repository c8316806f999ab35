//! Correlations of rows that a model was not fitted on, with intervals.

use anyhow::ensure;
use equiav_augment::random::shuffle;
use equiav_augment::{Purpose, stream};
use equiav_eval::{Bootstrap, ConfidenceInterval, intervals};
use tch::{Kind, Tensor};

use crate::linear::LinearCca;

/// A correlation over held-out rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CorrelationInterval {
    /// None where an output does not change over the rows.
    pub correlation: Option<f64>,
    /// Of resampled rows.
    pub interval: Option<ConfidenceInterval>,
}

/// What held-out rows say of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldOutCorrelations {
    /// Of each pair of outputs.
    pub components: Vec<CorrelationInterval>,
    /// Of all pairs together; none where one of them has none.
    pub sum: CorrelationInterval,
}

/// The rows that a model is fitted on, and those that it is measured on, as two lists of indices in rising order.
///
/// # Panics
///
/// If `share` is not between 0 and 1.
#[track_caller]
pub fn split_rows(rows: usize, share: f64, seed: u64) -> [Vec<i64>; 2] {
    assert!((0.0..=1.0).contains(&share), "split_rows: {share} is no share");
    let mut rng = stream(seed, 0, 0, Purpose::Split);
    let mut order: Vec<i64> = (0..rows as i64).collect();
    shuffle(&mut order, &mut rng);
    let mut fit = order.split_off((rows as f64 * share).round() as usize);
    fit.sort_unstable();
    order.sort_unstable();
    [fit, order]
}

/// The correlation of each pair of outputs over these rows, with a bootstrap interval over rows.
///
/// # Shapes
///
/// - `a`: `[n, p]`, `b`: `[n, q]`; rows that the model was not fitted on
///
/// # Errors
///
/// If `how` gives no interval, or an output is not finite.
///
/// # Panics
///
/// If the sizes differ.
#[track_caller]
pub fn held_out_correlations(
    model: &LinearCca,
    a: &Tensor,
    b: &Tensor,
    how: &Bootstrap,
) -> anyhow::Result<HeldOutCorrelations> {
    let rows = a.size()[0] as usize;
    assert_eq!(a.size()[0], b.size()[0], "held_out_correlations: a and b differ in rows");
    let columns = |outputs: Tensor| -> anyhow::Result<Vec<Vec<f64>>> {
        // About their mean, so that sums of squares do not cancel.
        let mean = outputs.mean_dim([0i64].as_slice(), true, Kind::Double);
        let columns = Vec::<Vec<f64>>::try_from((outputs - mean).tr().contiguous())?;
        ensure!(columns.iter().flatten().all(|value| value.is_finite()), "an output is not finite");
        Ok(columns)
    };
    let (x, y) = (columns(model.transform_a(a))?, columns(model.transform_b(b))?);
    let figures = |counts: &[u32]| {
        let each = x.iter().zip(&y).map(|(x, y)| weighted_correlation(x, y, counts));
        let mut figures: Vec<Option<f64>> = each.collect();
        figures.push(figures.iter().copied().sum());
        figures
    };
    let values = figures(&vec![1; rows]);
    let found = intervals(rows, how, figures)?;
    let each = values.into_iter().zip(found);
    let each = each.map(|(correlation, interval)| CorrelationInterval { correlation, interval });
    let mut components: Vec<CorrelationInterval> = each.collect();
    let sum = components.pop().unwrap_or(CorrelationInterval { correlation: None, interval: None });
    Ok(HeldOutCorrelations { components, sum })
}

/// The correlation of two lists of numbers, each counted so many times; none where one of them does not change.
fn weighted_correlation(x: &[f64], y: &[f64], counts: &[u32]) -> Option<f64> {
    let [mut n, mut sx, mut sy, mut xx, mut yy, mut xy] = [0.0; 6];
    for ((x, y), count) in x.iter().zip(y).zip(counts) {
        let count = f64::from(*count);
        n += count;
        sx += count * x;
        sy += count * y;
        xx += count * x * x;
        yy += count * y * y;
        xy += count * x * y;
    }
    let (variance_x, variance_y) = (xx - sx * sx / n, yy - sy * sy / n);
    // What is left of numbers that are all alike is rounding.
    let still = |variance: f64, squares: f64| variance.is_nan() || variance <= 1e-14 * squares;
    if still(variance_x, xx) || still(variance_y, yy) {
        return None;
    }
    Some((xy - sx * sy / n) / (variance_x * variance_y).sqrt())
}
