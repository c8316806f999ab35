//! Embeddings as unit vectors, and the one number that is the score of two of them.

use std::ops::Range;

use multiversion::multiversion;
use ndarray::ArrayView2;

use crate::{EvalError, check_values};

/// Sums that are kept side by side; a fixed number, so that every processor adds in the same order.
const LANES: usize = 16;

/// Embeddings of length 1, row by row; rows of zeros stay zeros.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitRows {
    values: Vec<f32>,
    rows: usize,
    width: usize,
}

impl UnitRows {
    /// Divides every row of `embeddings`, called `what` in errors, by its length.
    ///
    /// # Shapes
    ///
    /// - `embeddings`: `[n, width]`
    ///
    /// # Errors
    ///
    /// If there is no value or one is not finite.
    pub fn new(what: &'static str, embeddings: ArrayView2<'_, f32>) -> Result<Self, EvalError> {
        check_values(what, embeddings)?;
        let (rows, width) = embeddings.dim();
        let mut values = Vec::with_capacity(rows * width);
        for row in embeddings.rows() {
            let length = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            let divisor = if length > 0.0 { length } else { 1.0 };
            values.extend(row.iter().map(|x| (f64::from(*x) / divisor) as f32));
        }
        Ok(Self { values, rows, width })
    }

    /// How many there are.
    #[allow(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// How many numbers each has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The row at `position`.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[track_caller]
    pub fn row(&self, position: usize) -> &[f32] {
        self.block(position..position + 1)
    }

    /// Neighboring rows, one behind the other.
    ///
    /// # Panics
    ///
    /// If there are fewer rows.
    #[track_caller]
    pub fn block(&self, rows: Range<usize>) -> &[f32] {
        &self.values[rows.start * self.width..rows.end * self.width]
    }

    /// How far rows lie from their mean, in the mean square: 0 where all are one, 1 where they point to all sides.
    pub fn spread(&self) -> f64 {
        let mut mean = vec![0.0; self.width];
        for row in self.values.chunks(self.width) {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        mean.iter_mut().for_each(|sum| *sum /= self.rows as f64);
        let rows = self.values.chunks(self.width);
        let each = rows.flat_map(|row| row.iter().zip(&mean));
        each.map(|(value, mean)| (f64::from(*value) - mean).powi(2)).sum::<f64>() / self.rows as f64
    }

    /// Fails if `other` has another width.
    pub(crate) fn check_width(&self, other: &Self) -> Result<(), EvalError> {
        if self.width == other.width {
            return Ok(());
        }
        let size = |vectors: &Self| vec![vectors.rows, vectors.width];
        Err(EvalError::Sizes { scores: size(self), targets: size(other) })
    }
}

/// The score of two vectors: their product, summed in 64 bits and rounded to 32 once.
///
/// It depends on nothing but the two, unlike an element of a matrix product, whose last bits depend on
/// the sizes of the matrices, the number of threads, the library and the processor.
///
/// # Panics
///
/// If the lengths differ.
#[track_caller]
pub fn score(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "score: vectors of different lengths");
    sum_of_products(a, b) as f32
}

/// How far an element of an fp32 matrix product of unit vectors of `width` numbers, summed in any
/// order, can be from their [`score`].
///
/// A sum of `n` products is off by at most `n u / (1 − n u)` of the sum of their sizes, `u` = 2⁻²⁴, and
/// that sum is at most the product of both lengths, 1 but for rounding. To it come the roundings of the score
/// and of the comparison, and numbers too small for 32 bits.
pub(crate) fn slack(width: usize) -> f32 {
    let unit = f64::from(f32::EPSILON) / 2.0;
    let terms = width as f64 * unit;
    (1.001 * terms / (1.0 - terms) + 4.0 * unit) as f32
}

// No product is fused with a sum, but none need be: products of 32-bit numbers are exact in 64 bits.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn sum_of_products(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0_f64; LANES];
    let (blocks_a, rest_a) = a.as_chunks::<LANES>();
    let (blocks_b, rest_b) = b.as_chunks::<LANES>();
    for (a, b) in blocks_a.iter().zip(blocks_b) {
        for lane in 0..LANES {
            sums[lane] += f64::from(a[lane]) * f64::from(b[lane]);
        }
    }
    for (lane, (a, b)) in rest_a.iter().zip(rest_b).enumerate() {
        sums[lane] += f64::from(*a) * f64::from(*b);
    }
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn a_sum_in_any_order_is_within_the_slack(
            pairs in proptest::collection::vec((-1f32..1.0, -1f32..1.0), 1..700),
            backwards in any::<bool>(),
        ) {
            let rows = Array2::from_shape_fn((2, pairs.len()), |(row, column)| match row {
                0 => pairs[column].0,
                _ => pairs[column].1,
            });
            let unit = UnitRows::new("vectors", rows.view()).expect("finite");
            let products = unit.row(0).iter().zip(unit.row(1)).map(|(a, b)| a * b);
            let sum = if backwards { products.rev().sum::<f32>() } else { products.sum() };
            let exact = score(unit.row(0), unit.row(1));
            prop_assert!((sum - exact).abs() <= slack(pairs.len()), "{} {}", sum, exact);
        }
    }

    #[test]
    fn the_score_is_that_of_exact_numbers() {
        let a: Vec<f32> = (0..37).map(|i| i as f32 - 18.0).collect();
        let b: Vec<f32> = (0..37).map(|i| (i * i % 11) as f32).collect();
        let expected: i32 = (0..37).map(|i| (i - 18) * (i * i % 11)).sum();
        assert_eq!(score(&a, &b), expected as f32);
        // in 32 bits the small one would be lost
        assert_eq!(score(&[1e8, 1.0, -1e8], &[1.0, 1.0, 1.0]), 1.0);
    }

    #[test]
    fn rows_spread_as_far_as_they_differ() {
        let spread =
            |rows: Array2<f32>| UnitRows::new("vectors", rows.view()).expect("finite").spread();
        assert_eq!(spread(array![[3.0, 4.0], [6.0, 8.0]]), 0.0);
        assert!((spread(array![[1.0, 0.0], [-2.0, 0.0]]) - 1.0).abs() < 1e-12);
        assert!((spread(array![[1.0, 0.0], [0.0, 1.0]]) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn rows_have_length_one_or_are_zeros() {
        let unit = UnitRows::new("vectors", array![[3.0, 4.0], [0.0, 0.0]].view()).expect("finite");
        assert_eq!((unit.row(0), unit.row(1)), (&[0.6_f32, 0.8][..], &[0.0_f32, 0.0][..]));
        assert_eq!((unit.len(), unit.width()), (2, 2));
        let failure = UnitRows::new("vectors", array![[1.0, f32::NAN]].view()).expect_err("NaN");
        assert_eq!(
            failure.to_string(),
            "row 0, column 1 of the vectors is NaN, not a finite number"
        );
        assert!(UnitRows::new("vectors", Array2::zeros((0, 2)).view()).is_err());
    }
}
