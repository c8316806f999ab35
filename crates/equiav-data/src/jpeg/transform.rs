//! The inverse cosine transform of JPEG's blocks, to the last bit that of libjpeg's `jidctint.c`.

use std::num::Wrapping;

/// The coefficients of a block, row by row.
pub(super) struct Block(pub(super) [i32; 64]);

impl Default for Block {
    fn default() -> Self {
        Self([0; 64])
    }
}

/// Where the coefficients of a block stand, in the order in which they come.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Eight numbers side by side; damaged files may overflow.
type Row = [Wrapping<i32>; 8];

/// Bits behind the point of the factors.
const FACTOR_BITS: usize = 13;
/// Bits behind the point between both passes.
const BETWEEN_BITS: usize = 2;

/// Writes the levels of `block` to eight rows of `levels` and clears it.
#[inline(always)]
pub(super) fn inverse(block: &mut Block, has_ac: bool, levels: &mut [u8], stride: usize) {
    if !has_ac {
        let level = (((block.0[0] + 4) >> 3) + 128).clamp(0, 255) as u8;
        levels.chunks_mut(stride).take(8).for_each(|row| row[..8].fill(level));
        block.0[0] = 0;
        return;
    }
    let mut rows = [[Wrapping(0); 8]; 8];
    for (row, coefficients) in rows.iter_mut().zip(block.0.as_chunks::<8>().0) {
        for lane in 0..8 {
            row[lane] = Wrapping(coefficients[lane]);
        }
    }
    *block = Block::default();
    let columns = turned(&pass(&rows, FACTOR_BITS - BETWEEN_BITS));
    let rows = turned(&pass(&columns, FACTOR_BITS + BETWEEN_BITS + 3));
    for (row, values) in levels.chunks_mut(stride).zip(&rows) {
        let mut bytes = [0; 8];
        for lane in 0..8 {
            bytes[lane] = (values[lane].0.wrapping_add(128)).clamp(0, 255) as u8;
        }
        row[..8].copy_from_slice(&bytes);
    }
}

#[inline(always)]
fn turned(rows: &[Row; 8]) -> [Row; 8] {
    let mut turned = [[Wrapping(0); 8]; 8];
    for y in 0..8 {
        for x in 0..8 {
            turned[x][y] = rows[y][x];
        }
    }
    turned
}

/// A transform down the columns; the results lose `bits`, rounded.
#[inline(always)]
fn pass(rows: &[Row; 8], bits: usize) -> [Row; 8] {
    let mut results = [[Wrapping(0); 8]; 8];
    for lane in 0..8 {
        let even = even(rows[0][lane], rows[2][lane], rows[4][lane], rows[6][lane]);
        let odd = odd(rows[1][lane], rows[3][lane], rows[5][lane], rows[7][lane]);
        let half = Wrapping(1 << (bits - 1));
        for y in 0..4 {
            results[y][lane] = (even[y] + odd[y] + half) >> bits;
            results[7 - y][lane] = (even[y] - odd[y] + half) >> bits;
        }
    }
    results
}

#[inline(always)]
fn even(
    zero: Wrapping<i32>,
    two: Wrapping<i32>,
    four: Wrapping<i32>,
    six: Wrapping<i32>,
) -> [Wrapping<i32>; 4] {
    let both = (two + six) * Wrapping(4433);
    let (inner, outer) = (both - six * Wrapping(15137), both + two * Wrapping(6270));
    let (sum, difference) = ((zero + four) << FACTOR_BITS, (zero - four) << FACTOR_BITS);
    [sum + outer, difference + inner, difference - inner, sum - outer]
}

#[inline(always)]
fn odd(
    one: Wrapping<i32>,
    three: Wrapping<i32>,
    five: Wrapping<i32>,
    seven: Wrapping<i32>,
) -> [Wrapping<i32>; 4] {
    let all = (seven + three + five + one) * Wrapping(9633);
    let z1 = (seven + one) * Wrapping(-7373);
    let z2 = (five + three) * Wrapping(-20995);
    let z3 = (seven + three) * Wrapping(-16069) + all;
    let z4 = (five + one) * Wrapping(-3196) + all;
    [
        one * Wrapping(12299) + z1 + z4,
        three * Wrapping(25172) + z2 + z3,
        five * Wrapping(16819) + z2 + z4,
        seven * Wrapping(2446) + z1 + z3,
    ]
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::*;

    /// The level at a place, in plain loops.
    fn formula(block: &[i32; 64], y: usize, x: usize) -> f64 {
        let wave = |frequency: usize, place: usize| {
            let height = if frequency == 0 { 0.5_f64.sqrt() } else { 1.0 };
            height * ((2 * place + 1) as f64 * frequency as f64 * PI / 16.0).cos()
        };
        let places = (0..64).map(|place| (place / 8, place % 8));
        let sum: f64 =
            places.map(|(v, u)| f64::from(block[8 * v + u]) * wave(v, y) * wave(u, x)).sum();
        (sum / 4.0 + 128.0).clamp(0.0, 255.0)
    }

    #[test]
    fn a_block_equals_the_cosine_formula() {
        for seed in 0..40_i32 {
            let few = 1 + seed % 9;
            let number = |place: i32| (place * 7919 + seed * 104_729) % 150 - 75;
            let coefficients = [(); 64].map(|()| 0);
            let mut block = Block(coefficients);
            for place in 0..few {
                block.0[usize::from(ZIGZAG[place as usize])] = number(place);
            }
            let before = block.0;
            let mut levels = [0; 10 * 8];
            inverse(&mut block, few > 1, &mut levels, 10);
            for (y, row) in levels.chunks(10).enumerate() {
                for (x, level) in row[..8].iter().enumerate() {
                    let off = (f64::from(*level) - formula(&before, y, x)).abs();
                    assert!(off < 1.0, "{seed}: {off} at {y}, {x}");
                }
            }
            assert_eq!(block.0, [0; 64], "it is cleared for the next");
        }
    }
}
