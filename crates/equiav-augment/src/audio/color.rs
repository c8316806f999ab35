//! Brightness, contrast, saturation and hue of a spectrogram, in place.
//!
//! [`brightness`], [`contrast`], [`saturation`] and [`hue`] are torchvision's operations on a float
//! picture whose three channels are this spectrogram: results are cut to `[0, 1]`.
//! [`gain_and_contrast`] is what they mean on standardized log-mels.

use multiversion::multiversion;

use crate::Spectrogram;

/// The weights of red, green and blue in torchvision's luma; they sum to 0.9999.
const LUMA: [f32; 3] = [0.2989, 0.587, 0.114];

/// The luma of a pixel whose channels are all `value`.
fn luma(value: f32) -> f32 {
    LUMA[0] * value + LUMA[1] * value + LUMA[2] * value
}

/// Multiplies by `factor`, cut to `[0, 1]`.
pub fn brightness(spectrogram: &mut Spectrogram, factor: f64) {
    let factor = factor as f32;
    for value in spectrogram.as_mut_slice() {
        *value = (factor * *value).clamp(0.0, 1.0);
    }
}

/// Moves away from the mean luma by `factor`, cut to `[0, 1]`.
pub fn contrast(spectrogram: &mut Spectrogram, factor: f64) {
    let (factor, rest) = (factor as f32, (1.0 - factor) as f32);
    let mean = luma(mean(spectrogram) as f32);
    for value in spectrogram.as_mut_slice() {
        *value = (factor * *value + rest * mean).clamp(0.0, 1.0);
    }
}

/// Moves away from the luma by `factor`, cut to `[0, 1]`; barely acts, one channel being gray.
pub fn saturation(spectrogram: &mut Spectrogram, factor: f64) {
    let (factor, rest) = (factor as f32, (1.0 - factor) as f32);
    for value in spectrogram.as_mut_slice() {
        *value = (factor * *value + rest * luma(*value)).clamp(0.0, 1.0);
    }
}

/// Cuts to `[0, 1]`: turning the hue of gray by any angle does no more.
pub fn hue(spectrogram: &mut Spectrogram) {
    for value in spectrogram.as_mut_slice() {
        *value = value.clamp(0.0, 1.0);
    }
}

/// Multiplies the distance from the mean by `contrast` and adds `gain`, in standard deviations.
///
/// ```text
/// y = mean(x) + contrast (x - mean(x)) + gain
/// ```
///
/// The log-mels were divided by their standard deviation, between 4 and 5 nepers of power, so a
/// gain of 0.4 is louder by 7 to 9 dB. The mean moves by `gain` and by nothing else.
pub fn gain_and_contrast(spectrogram: &mut Spectrogram, gain: f64, contrast: f64) {
    let mean = mean(spectrogram);
    let (factor, offset) = (contrast as f32, (mean * (1.0 - contrast) + gain) as f32);
    stretch(spectrogram.as_mut_slice(), factor, offset);
}

#[multiversion(targets(
    "x86_64+avx512f+avx512dq+avx512vl+avx512bw+avx+avx2+fma+bmi1+bmi2",
    "x86_64+avx+avx2+fma+bmi1+bmi2"
))]
fn stretch(values: &mut [f32], factor: f32, offset: f32) {
    for value in values {
        *value = factor * *value + offset;
    }
}

/// The mean, from eight partial sums in double precision.
#[multiversion(targets(
    "x86_64+avx512f+avx512dq+avx512vl+avx512bw+avx+avx2+fma+bmi1+bmi2",
    "x86_64+avx+avx2+fma+bmi1+bmi2"
))]
fn mean(spectrogram: &Spectrogram) -> f64 {
    let values = spectrogram.as_slice();
    let (eights, rest) = values.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for eight in eights {
        sums.iter_mut().zip(eight).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let rest = rest.iter().copied().map(f64::from);
    sums.into_iter().chain(rest).sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use ndarray::arr2;

    use super::*;

    #[test]
    fn the_published_operations_equal_their_formulas() {
        let plain = Spectrogram::new(arr2(&[[-1.5, 0.25], [0.5, 2.0]]));
        let acted = |act: &dyn Fn(&mut Spectrogram)| {
            let mut result = plain.clone();
            act(&mut result);
            result.into_values()
        };
        assert_eq!(acted(&|x| brightness(x, 1.5)), arr2(&[[0.0, 0.375], [0.75, 1.0]]));
        assert_eq!(acted(&hue), arr2(&[[0.0, 0.25], [0.5, 1.0]]));
        // mean luma = 0.3125 x 0.9999
        let expected = 0.5 * 0.25 + 0.5 * 0.3125 * 0.9999;
        assert!((acted(&|x| contrast(x, 0.5))[[0, 1]] - expected).abs() < 1e-6);
        let expected = 1.2 * 0.25 - 0.2 * 0.25 * 0.9999;
        assert!((acted(&|x| saturation(x, 1.2))[[0, 1]] - expected).abs() < 1e-6);
    }

    #[test]
    fn a_gain_moves_the_mean_and_a_contrast_the_spread() {
        let mut spectrogram = Spectrogram::new(arr2(&[[1.0, 2.0, 3.0, 6.0]]));
        gain_and_contrast(&mut spectrogram, 0.5, 2.0);
        assert_eq!(spectrogram.into_values(), arr2(&[[-0.5, 1.5, 3.5, 9.5]]));
    }
}
