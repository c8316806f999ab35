//! Weighted sums of rows, in vectors as wide as the machine's; neither sum nor product is fused.

use multiversion::multiversion;

use crate::array::resample::Taps;
use crate::transpose;

/// Sums that stay in registers while one row after another is added.
const WIDTH: usize = 64;
/// Rows that are turned into columns at once.
const LINE: usize = 16;

/// Output `n` is the sum of the rows that tap `n` names, counted from `first` on, times its weights.
///
/// # Shapes
///
/// - `values`: `[inputs, width]`; returns: `[taps, width]`
#[multiversion(targets(
    "x86_64+avx512f+avx512dq+avx512vl+avx512bw+avx+avx2+fma+bmi1+bmi2",
    "x86_64+avx+avx2+fma+bmi1+bmi2"
))]
pub(super) fn resampled(values: &[f32], first: usize, width: usize, taps: &Taps<f32>) -> Vec<f32> {
    let mut sums = vec![0.0; taps.len() * width];
    for (sums, (begin, weights)) in sums.chunks_exact_mut(width).zip(taps.iter()) {
        let rows = &values[(begin - first) * width..];
        add(sums, weights, |number| &rows[number * width..][..width]);
    }
    sums
}

/// Resamples every row of `values`, `[rows, width]`, to as many values as there are taps.
///
/// Sixteen rows at a time become columns, so that their values are summed side by side.
pub(super) fn resampled_rows(values: &[f32], width: usize, taps: &Taps<f32>) -> Vec<f32> {
    let mut outputs = vec![0.0; values.len() / width * taps.len()];
    let mut columns = vec![0.0; LINE * width];
    for (rows, outputs) in values.chunks(LINE * width).zip(outputs.chunks_mut(LINE * taps.len())) {
        let count = rows.len() / width;
        let columns = &mut columns[..rows.len()];
        transpose(rows, width, columns);
        let sums = resampled(columns, 0, count, taps);
        transpose(&sums, count, outputs);
    }
    outputs
}

/// The sums of windows of `padded` rows, each shifted by one more value, times `weights`.
///
/// # Shapes
///
/// - `padded`: `[width + weights - 1]`; `sums`: `[width]`
#[multiversion(targets(
    "x86_64+avx512f+avx512dq+avx512vl+avx512bw+avx+avx2+fma+bmi1+bmi2",
    "x86_64+avx+avx2+fma+bmi1+bmi2"
))]
pub(super) fn convolved(padded: &[f32], weights: &[f32], sums: &mut [f32]) {
    let width = sums.len();
    add(sums, weights, |number| &padded[number..][..width]);
}

/// The sum of the rows at `places` of `values` times `weights`.
#[multiversion(targets(
    "x86_64+avx512f+avx512dq+avx512vl+avx512bw+avx+avx2+fma+bmi1+bmi2",
    "x86_64+avx+avx2+fma+bmi1+bmi2"
))]
pub(super) fn sum(values: &[f32], places: &[usize], weights: &[f32], sums: &mut [f32]) {
    let width = sums.len();
    add(sums, weights, |number| &values[places[number] * width..][..width]);
}

/// Writes the sum of `row(n)` times weight `n` to `sums`, in the order of the weights.
#[inline(always)]
fn add<'a>(sums: &mut [f32], weights: &[f32], row: impl Fn(usize) -> &'a [f32]) {
    let (chunks, rest) = sums.as_chunks_mut::<WIDTH>();
    let end = WIDTH * chunks.len();
    for (chunk, begin) in chunks.iter_mut().zip((0..).step_by(WIDTH)) {
        let mut total = [0.0; WIDTH];
        for (number, weight) in weights.iter().enumerate() {
            let values = row(number)[begin..].first_chunk::<WIDTH>().expect("rows as long as sums");
            for (sum, value) in total.iter_mut().zip(values) {
                *sum += weight * value;
            }
        }
        *chunk = total;
    }
    rest.fill(0.0);
    for (number, weight) in weights.iter().enumerate() {
        for (sum, value) in rest.iter_mut().zip(&row(number)[end..]) {
            *sum += weight * value;
        }
    }
}
