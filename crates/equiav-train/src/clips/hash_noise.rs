//! Inputs that need no file: each value is an exact integer hash of a seed and its number.

/// The first `count` values with that `seed`; each is exact in f32 and in [-1, 1).
///
/// `fixtures/README.md` gives the formula, so that other programs make the same values.
pub fn hash_noise(seed: u64, count: usize) -> Vec<f32> {
    (0..count as u64).map(|element| value(seed, element)).collect()
}

fn value(seed: u64, element: u64) -> f32 {
    let z = (seed << 32).wrapping_add(element).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let z = z ^ (z >> 31);
    (z >> 40) as f32 / (1 << 23) as f32 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_a_multiple_of_two_to_the_minus_23() {
        let values = hash_noise(101, 1000);
        for value in &values {
            let scaled = f64::from(*value) * f64::from(1 << 23);
            assert!((-1.0..1.0).contains(value) && scaled.fract() == 0.0, "{value}");
        }
        let mean = values.iter().sum::<f32>() / 1000.0;
        assert!(mean.abs() < 0.1, "1000 uniform values have a mean near 0, not {mean}");
    }
}
