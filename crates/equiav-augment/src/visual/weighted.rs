//! Weighted sums along the rows and along the columns of a picture, in Pillow's fixed point.
//!
//! Many bytes share each weight, so that their sums stay in the processor's registers until they
//! are whole. Which taps there are is decided in `resample.rs`.

use multiversion::multiversion;

use super::tile;
use crate::array::resample::{FIXED_POINT_BITS, Taps};

/// Bytes whose sums are in registers together.
const BLOCK: usize = 16;
/// One half in fixed point.
const HALF: i32 = 1 << (FIXED_POINT_BITS - 1);

/// Each row of `pixels`, which are `width` long, as the outputs of `taps`.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx512vbmi+avx+avx2+fma+bmi1+bmi2",
    "x86_64+avx+avx2+fma+bmi1+bmi2"
))]
pub(super) fn along_rows(pixels: &[[u8; 3]], width: usize, taps: &Taps<i32>) -> Vec<[u8; 3]> {
    let (columns, outputs) = (taps.inputs(), taps.len());
    let mut resampled = vec![[0; 3]; pixels.len() / width * outputs];
    let (mut inputs, mut sums) = (tile::empty(columns.len()), tile::empty(outputs));
    let lines = resampled.chunks_mut(tile::LINES * outputs);
    for (rows, lines) in pixels.chunks(tile::LINES * width).zip(lines) {
        tile::turn(&mut inputs, rows, width, columns.start);
        for (levels, (first, weights)) in sums.iter_mut().zip(taps.iter()) {
            let inputs = &inputs[first - columns.start..];
            for (number, levels) in levels.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate() {
                let blocks = inputs.iter().map(|input| &input.as_chunks::<BLOCK>().0[number]);
                *levels = sum(weights, blocks);
            }
        }
        tile::turn_back(lines, &sums, outputs);
    }
    resampled
}

/// Rows of `stride` bytes, each a weighted sum of those in `bytes`, whose first is number `top`.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx512vbmi+avx+avx2+fma+bmi1+bmi2",
    "x86_64+avx+avx2+fma+bmi1+bmi2"
))]
pub(super) fn along_columns(bytes: &[u8], stride: usize, top: usize, taps: &Taps<i32>) -> Vec<u8> {
    let mut resampled = vec![0; taps.len() * stride];
    for (levels, (first, weights)) in resampled.chunks_exact_mut(stride).zip(taps.iter()) {
        let rows = &bytes[(first - top) * stride..];
        let (blocks, rest) = levels.as_chunks_mut::<BLOCK>();
        let begin = BLOCK * blocks.len();
        for (number, block) in blocks.iter_mut().enumerate() {
            let inputs = rows.chunks_exact(stride).map(|row| &row.as_chunks::<BLOCK>().0[number]);
            *block = sum(weights, inputs);
        }
        let mut sums = [HALF; BLOCK];
        for (weight, row) in weights.iter().zip(rows.chunks_exact(stride)) {
            let pairs = sums.iter_mut().zip(&row[begin..]);
            pairs.for_each(|(sum, byte)| *sum += weight * i32::from(*byte));
        }
        rest.iter_mut().zip(sums).for_each(|(byte, sum)| *byte = level(sum));
    }
    resampled
}

/// The weighted sum of the first of `inputs`.
#[inline(always)]
fn sum<'a>(weights: &[i32], inputs: impl Iterator<Item = &'a [u8; BLOCK]>) -> [u8; BLOCK] {
    let mut sums = [HALF; BLOCK];
    for (weight, input) in weights.iter().zip(inputs) {
        for lane in 0..BLOCK {
            sums[lane] += weight * i32::from(input[lane]);
        }
    }
    let mut levels = [0; BLOCK];
    for lane in 0..BLOCK {
        levels[lane] = level(sums[lane]);
    }
    levels
}

/// A sum in fixed point as a level.
#[inline(always)]
fn level(sum: i32) -> u8 {
    (sum >> FIXED_POINT_BITS).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::resample::{Filter, Stretch, pillow};

    /// The outputs of `taps` of one line, in plain loops.
    fn formula(line: &[u8], taps: &Taps<i32>) -> Vec<u8> {
        let output = |(first, weights): (usize, &[i32])| {
            let products = weights.iter().zip(&line[first..]);
            let sum: i64 = products.map(|(w, byte)| i64::from(*w) * i64::from(*byte)).sum();
            ((sum + i64::from(HALF)) >> FIXED_POINT_BITS).clamp(0, 255) as u8
        };
        taps.iter().map(output).collect()
    }

    #[test]
    fn rows_and_columns_equal_their_formula_at_any_length() {
        for (height, width, outputs) in [(1, 1, 3), (5, 40, 17), (16, 9, 33), (37, 70, 32)] {
            let byte = |index: usize| (index * index * 37 + index) as u8;
            let bytes: Vec<u8> = (0..3 * height * width).map(byte).collect();
            let part = width / 3..width;
            let taps = pillow(Filter::Bicubic, &Stretch::whole(part, outputs), 0..outputs);
            let narrow = along_rows(bytes.as_chunks().0, width, &taps);
            for (y, row) in narrow.chunks_exact(outputs).enumerate() {
                for channel in 0..3 {
                    let line = (0..width).map(|x| bytes[3 * (y * width + x) + channel]);
                    let found: Vec<u8> = row.iter().map(|color| color[channel]).collect();
                    assert_eq!(found, formula(&line.collect::<Vec<_>>(), &taps));
                }
            }
            let top = height / 3;
            let part = Stretch::whole(top..height, outputs);
            let taps = pillow(Filter::Bilinear, &part, 0..outputs);
            let short = along_columns(&bytes[3 * width * top..], 3 * width, top, &taps);
            for x in 0..3 * width {
                let column =
                    |bytes: &[u8]| bytes.iter().skip(x).step_by(3 * width).copied().collect();
                let (line, found): (Vec<u8>, Vec<u8>) = (column(&bytes), column(&short));
                assert_eq!(found, formula(&line, &taps));
            }
        }
    }
}
