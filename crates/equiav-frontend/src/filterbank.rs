//! The Kaldi-compatible log-mel filterbank, as torchaudio computes it; not yet standardized.

mod block;
mod lanes;
mod logarithm;
mod transform;

use std::cell::RefCell;
use std::f64::consts::PI;
use std::ops::Range;

use block::{Block, Window};
use lanes::LANES;
use multiversion::multiversion;
use ndarray::Array2;
use transform::Transform;

/// Window and shift, in milliseconds.
const WINDOW_MS: f64 = 25.0;
const SHIFT_MS: f64 = 10.0;
const PREEMPHASIS: f32 = 0.97;
/// The lower edge of the lowest band, in Hz; the upper edge of the highest is the Nyquist
/// frequency.
const LOW_HZ: f64 = 20.0;

/// `torchaudio.compliance.kaldi.fbank` with EquiAV's arguments, for one sample rate.
///
/// The whole sound's mean is taken off; then, for windows of 25 ms every 10 ms that fit into it
/// whole (snip edges): mean of the window off, pre-emphasis 0.97 (the first sample is its own
/// predecessor), Hann window (symmetric), zeros to the next power of two, power spectrum, triangles
/// evenly spaced in mel from 20 Hz to Nyquist, natural logarithm floored at that of the f32
/// epsilon. No dither, no energy.
pub struct Filterbank {
    window: Window,
    shift: usize,
    transform: Transform,
    bands: Vec<Band>,
}

/// One triangle: its weights and the bins of the spectrum that they stand for.
struct Band {
    bins: Range<usize>,
    weights: Vec<f32>,
}

/// What is done to every log-mel energy: less `mean`, over `std`.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) mean: f32,
    pub(crate) std: f32,
}

thread_local! {
    /// What a block of frames needs beside the filterbank, kept for the next sound.
    static BLOCK: RefCell<Block> = RefCell::default();
}

impl Filterbank {
    /// The filterbank of `mels` bands for sounds of `rate` Hz.
    ///
    /// # Panics
    ///
    /// If `mels` is 0, or `rate` below 200 Hz, where a window has less than two samples to a shift.
    #[track_caller]
    pub fn new(rate: u32, mels: usize) -> Self {
        assert!(mels > 0 && rate >= 200, "Filterbank::new: {mels} bands at {rate} Hz");
        // Cut off, in the order of torchaudio's product.
        let samples = |milliseconds: f64| (f64::from(rate) * milliseconds * 0.001) as usize;
        let length = samples(WINDOW_MS);
        let (padded, shift) = (length.next_power_of_two(), samples(SHIFT_MS));
        Self {
            window: Window::new(hann(length), shift),
            shift,
            transform: Transform::new(padded),
            bands: bands(mels, padded, f64::from(rate)),
        }
    }

    /// The number of bands.
    pub fn mels(&self) -> usize {
        self.bands.len()
    }

    /// Samples that one frame needs.
    pub fn window_len(&self) -> usize {
        self.window.len()
    }

    /// How many whole frames `samples` samples hold.
    pub fn frames(&self, samples: usize) -> usize {
        match samples.checked_sub(self.window.len()) {
            Some(rest) => 1 + rest / self.shift,
            None => 0,
        }
    }

    /// How many samples `frames` whole frames need.
    pub fn samples(&self, frames: usize) -> usize {
        match frames.checked_sub(1) {
            Some(others) => self.window.len() + others * self.shift,
            None => 0,
        }
    }

    /// The log-mel energies of `samples`, at least [`LOG_FLOOR`].
    ///
    /// # Shapes
    ///
    /// - returns: `[frames, mels]`, no frame for a sound shorter than 25 ms
    pub fn compute(&self, samples: &[f32]) -> Array2<f32> {
        self.compute_first(samples, usize::MAX)
    }

    /// The first `at_most` frames of [`compute`](Self::compute).
    pub fn compute_first(&self, samples: &[f32], at_most: usize) -> Array2<f32> {
        let frames = self.frames(samples.len()).min(at_most);
        let mut values = vec![0.0; frames * self.mels()];
        // Neither changes a bit.
        self.write(samples, Scale { mean: 0.0, std: 1.0 }, &mut values);
        Array2::from_shape_vec((frames, self.mels()), values).expect("a value per frame and band")
    }

    /// Writes the scaled log-mel energies of the first frames of `samples`.
    ///
    /// # Shapes
    ///
    /// - `output`: `[frames, mels]`, no more frames than `samples` hold
    pub(crate) fn write(&self, samples: &[f32], scale: Scale, output: &mut [f32]) {
        let mean = mean(samples);
        BLOCK.with_borrow_mut(|block| {
            for (number, rows) in output.chunks_mut(LANES * self.mels()).enumerate() {
                let samples = &samples[LANES * number * self.shift..];
                block.write(self, (samples, mean), scale, rows);
            }
        });
    }
}

/// The value of a band without energy: ln of the f32 epsilon, about -15.94.
pub const LOG_FLOOR: f32 = -15.942_385;

impl std::fmt::Debug for Filterbank {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Filterbank");
        out.field("window", &self.window.len()).field("shift", &self.shift);
        out.field("mels", &self.mels()).finish_non_exhaustive()
    }
}

/// Partial sums of a sum, so that none waits for another.
const SUMS: usize = 8;

/// The sum of `samples`.
#[multiversion(targets(
    "x86_64+avx512f+avx512dq+avx512vl+avx512bw+avx+avx2+fma+bmi1+bmi2",
    "x86_64+avx+avx2+fma+bmi1+bmi2"
))]
fn sum(samples: &[f32]) -> f64 {
    let (chunks, rest) = samples.as_chunks::<SUMS>();
    let mut sums = [0.0; SUMS];
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, sample)| *sum += f64::from(*sample));
    }
    sums.into_iter().chain(rest.iter().copied().map(f64::from)).sum()
}

fn mean(samples: &[f32]) -> f32 {
    (sum(samples) / samples.len().max(1) as f64) as f32
}

/// The symmetric Hann window (Kaldi's `hanning`), rounded step by step as torch rounds it.
///
/// What these roundings leave between the lines of a pure tone is all that its empty bands hold.
fn hann(length: usize) -> Vec<f32> {
    let step = (2.0 * PI / (length - 1) as f64) as f32;
    let cosine = |n: usize| f64::from(n as f32 * step).cos() as f32;
    (0..length).map(|n| 0.5 - 0.5 * cosine(n)).collect()
}

fn mel(hertz: f64) -> f64 {
    1127.0 * (1.0 + hertz / 700.0).ln()
}

/// The triangles, in f32 with the operations of torchaudio's `get_mel_banks`; the Nyquist bin has
/// weight 0.
fn bands(count: usize, padded: usize, rate: f64) -> Vec<Band> {
    let (low, high) = (mel(LOW_HZ), mel(0.5 * rate));
    let delta = ((high - low) / (count + 1) as f64) as f32;
    let bin_hertz = (rate / padded as f64) as f32;
    let mel_of_bin = |bin: usize| 1127.0 * (1.0 + bin_hertz * bin as f32 / 700.0).ln();
    let bins: Vec<f32> = (0..padded / 2).map(mel_of_bin).collect();
    let edge = |band: usize| low as f32 + band as f32 * delta;
    let triangle = |band: usize| {
        let (left, center, right) = (edge(band), edge(band + 1), edge(band + 2));
        let weight = |mel: f32| {
            let (up, down) = ((mel - left) / (center - left), (right - mel) / (right - center));
            up.min(down).max(0.0)
        };
        let weights: Vec<f32> = bins.iter().map(|mel| weight(*mel)).collect();
        let first = weights.iter().position(|weight| *weight > 0.0).unwrap_or(0);
        let end = weights.iter().rposition(|weight| *weight > 0.0).map_or(first, |last| last + 1);
        Band { bins: first..end, weights: weights[first..end].to_vec() }
    };
    (0..count).map(triangle).collect()
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use proptest::prelude::*;

    use super::*;

    fn noise(length: usize) -> Vec<f32> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..length).map(|_| next()).collect()
    }

    /// The definition in plain loops and `f64`, one frame.
    fn formula(samples: &[f32], rate: f64, mels: usize) -> Vec<f64> {
        let length = samples.len();
        let mean = samples.iter().map(|x| f64::from(*x)).sum::<f64>() / length as f64;
        let centered: Vec<f64> = samples.iter().map(|x| f64::from(*x) - mean).collect();
        let emphasized = (0..length).map(|n| centered[n] - 0.97 * centered[n.saturating_sub(1)]);
        let window = |n: usize| 0.5 - 0.5 * (2.0 * PI * n as f64 / (length - 1) as f64).cos();
        let frame: Vec<f64> = emphasized.enumerate().map(|(n, x)| x * window(n)).collect();
        let padded = length.next_power_of_two();
        let power = |bin: usize| {
            let angle = |n: usize| 2.0 * PI * (n * bin) as f64 / padded as f64;
            let part =
                |f: fn(f64) -> f64| frame.iter().enumerate().map(|(n, x)| x * f(angle(n))).sum();
            let (re, im): (f64, f64) = (part(f64::cos), part(f64::sin));
            re * re + im * im
        };
        let power: Vec<f64> = (0..padded / 2).map(power).collect();
        let edge = |band: usize| {
            let (low, high) = (mel(20.0), mel(rate / 2.0));
            low + band as f64 * (high - low) / (mels + 1) as f64
        };
        let energy = |band: usize| {
            let (left, center, right) = (edge(band), edge(band + 1), edge(band + 2));
            let weight = |bin: usize| {
                let at = mel(bin as f64 * rate / padded as f64);
                ((at - left) / (center - left)).min((right - at) / (right - center)).max(0.0)
            };
            power.iter().enumerate().map(|(bin, power)| power * weight(bin)).sum::<f64>()
        };
        (0..mels).map(|band| energy(band).max(f64::from(f32::EPSILON)).ln()).collect()
    }

    #[test]
    fn equals_its_formula() {
        for (rate, length, mels) in [(16_000, 400, 128), (44_100, 1_102, 64), (8_000, 200, 23)] {
            let samples = noise(length);
            let bank = Filterbank::new(rate, mels);
            assert_eq!(bank.window_len(), length, "25 ms at {rate} Hz");
            let ours = bank.compute(&samples);
            assert_eq!(ours.dim(), (1, mels));
            for (ours, theirs) in ours.iter().zip(formula(&samples, f64::from(rate), mels)) {
                // f32 triangles: the same closeness that the published code has to itself in f64.
                assert!((f64::from(*ours) - theirs).abs() < 5e-3, "{rate} Hz: {ours} {theirs}");
            }
        }
    }

    #[test]
    fn silence_lies_on_the_floor() {
        let values = Filterbank::new(16_000, 128).compute(&vec![0.25; 1_600]);
        assert_eq!(values.dim(), (8, 128));
        assert!(values.iter().all(|value| *value == LOG_FLOOR));
        assert_eq!(LOG_FLOOR, f32::EPSILON.ln());
    }

    proptest! {
        #[test]
        fn frames_fit_whole(length in 0usize..4_000) {
            let bank = Filterbank::new(16_000, 16);
            let frames = if length < 400 { 0 } else { 1 + (length - 400) / 160 };
            prop_assert_eq!(bank.compute(&noise(length)).nrows(), frames);
            prop_assert!(bank.samples(frames) <= length && bank.samples(frames + 1) > length);
        }

        #[test]
        fn twice_as_loud_is_ln_4_more(level in 0.01f32..0.4) {
            let bank = Filterbank::new(16_000, 20);
            let samples: Vec<f32> = noise(800).iter().map(|x| x * level).collect();
            let louder: Vec<f32> = samples.iter().map(|x| x * 2.0).collect();
            let (one, two) = (bank.compute(&samples), bank.compute(&louder));
            for (one, two) in one.iter().zip(&two) {
                prop_assert!((two - one - 4f32.ln()).abs() < 1e-4);
            }
        }

        #[test]
        fn fewer_frames_are_the_first(at_most in 0usize..6) {
            let (bank, samples) = (Filterbank::new(16_000, 16), noise(960));
            // The mean is that of the whole sound either way.
            let (all, first) = (bank.compute(&samples), bank.compute_first(&samples, at_most));
            prop_assert_eq!(first.view(), all.slice(ndarray::s![..first.nrows(), ..]));
            prop_assert_eq!(first.nrows(), at_most.min(4));
        }
    }
}
