//! Gaussian blur of a spectrogram, as torchvision's `gaussian_blur` on a float picture.

use super::rows;
use crate::Spectrogram;

/// Blurs both axes with a kernel of `2 ceil(sigma) + 1`, mirrored at the borders.
///
/// `sigma` is in frames and mel bins and positive.
pub fn blur(spectrogram: &Spectrogram, sigma: f64) -> Spectrogram {
    blur_with_kernel(spectrogram, sigma, 2 * sigma.ceil() as usize + 1)
}

/// Blurs both axes with a kernel of `length` values, an odd number.
///
/// # Panics
///
/// If `length` is even.
#[track_caller]
pub fn blur_with_kernel(spectrogram: &Spectrogram, sigma: f64, length: usize) -> Spectrogram {
    assert!(length % 2 == 1, "blur_with_kernel: expected an odd length, found {length}");
    let kernel = kernel(sigma, length);
    along_mels(along_frames(spectrogram, &kernel), &kernel)
}

/// Whether a blur changes anything in single precision: whether a neighbor's weight counts.
pub(crate) fn acts(sigma: f64) -> bool {
    const LEAST: f64 = 1.0 / (1 << 22) as f64;
    (-0.5 / (sigma * sigma)).exp() > LEAST
}

/// Values of the Gaussian at whole distances, with sum 1.
fn kernel(sigma: f64, length: usize) -> Vec<f32> {
    let reach = (length / 2) as f64;
    let value = |index: usize| (-0.5 * ((index as f64 - reach) / sigma).powi(2)).exp();
    let sum: f64 = (0..length).map(value).sum();
    (0..length).map(|index| (value(index) / sum) as f32).collect()
}

/// Where an index outside `0 .. length` is found when the axis is mirrored without its ends.
fn mirrored(index: isize, length: usize) -> usize {
    if length == 1 {
        return 0;
    }
    let period = 2 * (length - 1);
    let index = index.rem_euclid(period as isize) as usize;
    index.min(period - index)
}

fn along_frames(spectrogram: &Spectrogram, kernel: &[f32]) -> Spectrogram {
    let (frames, mels) = (spectrogram.frames(), spectrogram.mels());
    let reach = (kernel.len() / 2) as isize;
    let mut blurred = vec![0.0; spectrogram.as_slice().len()];
    let mut places = vec![0; kernel.len()];
    for (frame, sums) in blurred.chunks_exact_mut(mels).enumerate() {
        for (place, distance) in places.iter_mut().zip(-reach..) {
            *place = mirrored(frame as isize + distance, frames);
        }
        rows::sum(spectrogram.as_slice(), &places, kernel, sums);
    }
    Spectrogram::from_frames(crate::View::size(spectrogram), blurred)
}

fn along_mels(mut spectrogram: Spectrogram, kernel: &[f32]) -> Spectrogram {
    let mels = spectrogram.mels();
    let reach = kernel.len() / 2;
    let before: Vec<usize> =
        (0..reach).map(|at| mirrored(at as isize - reach as isize, mels)).collect();
    let behind: Vec<usize> = (mels..mels + reach).map(|at| mirrored(at as isize, mels)).collect();
    let mut padded = vec![0.0; mels + 2 * reach];
    for row in spectrogram.rows_mut() {
        padded[reach..reach + mels].copy_from_slice(row);
        padded.iter_mut().zip(&before).for_each(|(value, source)| *value = row[*source]);
        let end = padded[reach + mels..].iter_mut();
        end.zip(&behind).for_each(|(value, source)| *value = row[*source]);
        rows::convolved(&padded, kernel, row);
    }
    spectrogram
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn blur_equals_its_formula() {
        let plain = Array2::from_shape_fn((6, 4), |(t, m)| ((7 * t + 3 * m * m) % 11) as f32);
        for sigma in [0.3, 1.0, 1.7, 2.0_f64] {
            let reach = sigma.ceil() as isize;
            let gauss = |d: isize| (-0.5 * (d as f64 / sigma).powi(2)).exp();
            let total: f64 = (-reach..=reach).map(gauss).sum();
            let blurred = blur(&Spectrogram::new(plain.clone()), sigma).into_values();
            for ((t, m), ours) in blurred.indexed_iter() {
                let mut expected = 0.0;
                for a in -reach..=reach {
                    for b in -reach..=reach {
                        let at = [mirrored(t as isize + a, 6), mirrored(m as isize + b, 4)];
                        expected += gauss(a) * gauss(b) * f64::from(plain[at]);
                    }
                }
                let expected = expected / (total * total);
                assert!((f64::from(*ours) - expected).abs() < 1e-5, "{sigma}: {ours} {expected}");
            }
        }
    }

    #[test]
    fn axes_are_mirrored_without_their_ends() {
        let around = |length| (-3..6).map(move |index| mirrored(index, length)).collect::<Vec<_>>();
        assert_eq!(around(3), [1, 2, 1, 0, 1, 2, 1, 0, 1]);
        assert_eq!(around(1), [0; 9]);
    }
}
