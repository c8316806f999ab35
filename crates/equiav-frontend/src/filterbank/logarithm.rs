//! The natural logarithm of many numbers, in vectors as wide as the machine's.

use multiversion::multiversion;

/// 2 to the power of 23: where whole numbers become the last bits of an f32.
const WHOLE: f32 = 8_388_608.0;
const BIAS: f32 = 127.0;
/// ln(2) in two parts, the first of which times an exponent is exact.
const LN_2: [f32; 2] = [0.693_359_4, -0.000_212_194_44];
/// Of the polynomial that is left of ln(1 + x) behind x - x^2 / 2, over x^3; from Cephes.
const SERIES: [f32; 9] = [
    0.333_333_3,
    -0.249_999_94,
    0.200_007_14,
    -0.166_680_57,
    0.142_493_23,
    -0.124_201_41,
    0.116_769_984,
    -0.115_146_1,
    0.070_376_836,
];

/// Replaces `values`, floored at the f32 epsilon, by their natural logarithms.
#[multiversion(targets(
    "x86_64+avx512f+avx512dq+avx512vl+avx512bw+avx+avx2+fma+bmi1+bmi2",
    "x86_64+avx+avx2+fma+bmi1+bmi2"
))]
pub(super) fn logarithm(values: &mut [f32]) {
    for value in values {
        let floored = value.max(f32::EPSILON);
        *value = if floored < f32::INFINITY { finite(floored) } else { floored };
    }
}

/// The natural logarithm of a normal, positive, finite number, as the crate `wide` has it.
#[inline(always)]
fn finite(value: f32) -> f32 {
    let bits = value.to_bits();
    let exponent = f32::from_bits(bits >> 23 | WHOLE.to_bits()) - (WHOLE + BIAS);
    let half = f32::from_bits(bits & 0x007f_ffff | 0x3f00_0000);
    let large = half > std::f32::consts::SQRT_2 * 0.5;
    let x = if large { half } else { half + half } - 1.0;
    let exponent = if large { exponent + 1.0 } else { exponent };
    let square = x * x;
    let rest = square * x * series(x);
    let rest = exponent * LN_2[1] + rest;
    let rest = rest + (x - square * 0.5);
    exponent * LN_2[0] + rest
}

/// [`SERIES`] at `x`, in pairs of pairs so that few sums wait for another.
#[inline(always)]
fn series(x: f32) -> f32 {
    let square = x * x;
    let fourth = square * square;
    let pair = |at: usize| SERIES[at + 1] * x + SERIES[at];
    let low = square * pair(2) + pair(0);
    let high = square * pair(6) + pair(4);
    fourth * high + (fourth * fourth * SERIES[8] + low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_close_to_the_logarithm_in_f64() {
        let values: Vec<f32> = (0..60_000).map(|n| 1e-7 * (1.001_f32).powi(n)).collect();
        let mut ours = values.clone();
        logarithm(&mut ours);
        for (value, ours) in values.iter().zip(ours) {
            let exact = f64::from(value.max(f32::EPSILON)).ln();
            let error = (f64::from(ours) - exact).abs();
            assert!(
                ours == *value || error <= 1e-7 * exact.abs().max(0.5),
                "{value}: {ours} {exact}"
            );
        }
    }

    #[test]
    fn what_is_no_number_or_endless_stays_in_bounds() {
        let mut values = [0.0, f32::NAN, -1.0, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE];
        logarithm(&mut values);
        let floor = f32::EPSILON.ln();
        assert_eq!(values[..4], [floor, floor, floor, f32::INFINITY]);
        assert_eq!(values[4..], [f32::MAX.ln(), floor]);
    }
}
