//! Resampling by a windowed sinc, as torchaudio does it; rates only, no files.

use std::f64::consts::PI;

use crate::Waveform;

/// Zero crossings of the sinc on each side of its center.
const CROSSINGS: f64 = 6.0;
/// The cut-off as a share of the lower Nyquist frequency.
const ROLLOFF: f64 = 0.99;

/// The polyphase kernel from one rate to another.
///
/// A port of `torchaudio.functional.resample` with `sinc_interp_hann`, `lowpass_filter_width` 6 and
/// `rolloff` 0.99. With rates divided by their greatest common divisor and `base = 0.99 min(from,
/// to)`, output `k to + p` is the sum over `j` of `x[k from + j] h(base (j / from - p / to)) base /
/// from`, with `h(t) = cos²(pi t / 12) sin(pi t) / (pi t)` for |t| < 6. Samples outside of the
/// sound are 0.
#[derive(Clone, Debug)]
pub struct Resampler {
    /// Input samples per turn of the phases.
    stride: usize,
    phases: Vec<Phase>,
    same: bool,
}

/// The taps of one output phase.
#[derive(Clone, Debug)]
struct Phase {
    /// Where the first tap lies, relative to the input sample of the turn.
    first: isize,
    taps: Vec<f32>,
}

impl Resampler {
    /// The kernel from `from` Hz to `to` Hz.
    ///
    /// # Panics
    ///
    /// If a rate is 0.
    #[track_caller]
    pub fn new(from: u32, to: u32) -> Self {
        assert!(from > 0 && to > 0, "Resampler::new: rates {from} and {to} must not be 0");
        let divisor = greatest_common_divisor(from, to);
        let (stride, phases) = ((from / divisor) as usize, (to / divisor) as usize);
        if from == to {
            return Self { stride, phases: Vec::new(), same: true };
        }
        let phases = (0..phases).map(|phase| Phase::new(phase, stride, phases)).collect();
        Self { stride, phases, same: false }
    }

    /// How many samples come out of `samples`: `ceil(samples to / from)`.
    pub fn output_len(&self, samples: usize) -> usize {
        if self.same { samples } else { (samples * self.phases.len()).div_ceil(self.stride) }
    }

    /// Resamples `samples`.
    pub fn apply(&self, samples: &[f32]) -> Vec<f32> {
        if self.same {
            return samples.to_vec();
        }
        let length = self.output_len(samples.len());
        let mut output = Vec::with_capacity(length + self.phases.len());
        let mut origin = 0;
        while output.len() < length {
            output.extend(self.phases.iter().map(|phase| phase.at(samples, origin)));
            origin += self.stride as isize;
        }
        output.truncate(length);
        output
    }
}

impl Phase {
    fn new(phase: usize, from: usize, to: usize) -> Self {
        let base = from.min(to) as f64 * ROLLOFF;
        let (from, center) = (from as f64, phase as f64 / to as f64);
        // Beyond these taps the window is 0.
        let first = (from * (center - CROSSINGS / base)).ceil() as isize;
        let last = (from * (center + CROSSINGS / base)).floor() as isize;
        let tap = |position: isize| kernel(base * (position as f64 / from - center)) * base / from;
        Self { first, taps: (first..=last).map(|position| tap(position) as f32).collect() }
    }

    /// The output sample of this phase in the turn that begins at input sample `origin`.
    fn at(&self, samples: &[f32], origin: isize) -> f32 {
        let start = origin + self.first;
        let end = start + self.taps.len() as isize;
        let inside = |position: isize| position.clamp(0, samples.len() as isize);
        let (from, to) = (inside(start), inside(end));
        if from >= to {
            return 0.0;
        }
        let taps = &self.taps[(from - start) as usize..(to - start) as usize];
        dot(taps, &samples[from as usize..to as usize])
    }
}

/// The Hann-windowed sinc at `t` zero crossings from its center.
fn kernel(t: f64) -> f64 {
    let window = (t.clamp(-CROSSINGS, CROSSINGS) * PI / CROSSINGS / 2.0).cos().powi(2);
    let angle = t * PI;
    if angle == 0.0 { window } else { window * angle.sin() / angle }
}

/// The sum of products, in eight lanes so that it is vectorized.
fn dot(left: &[f32], right: &[f32]) -> f32 {
    let mut lanes = [0f32; 8];
    let (left, left_rest) = left.as_chunks::<8>();
    let (right, right_rest) = right.as_chunks::<8>();
    for (left, right) in left.iter().zip(right) {
        for lane in 0..8 {
            lanes[lane] += left[lane] * right[lane];
        }
    }
    let rest: f32 = left_rest.iter().zip(right_rest).map(|(left, right)| left * right).sum();
    lanes.iter().sum::<f32>() + rest
}

/// `waveform` at `to` Hz; see [`Resampler`], which is quicker for many.
///
/// # Panics
///
/// If a rate is 0.
#[track_caller]
pub fn resample(waveform: &Waveform, to: u32) -> Waveform {
    let samples = Resampler::new(waveform.rate, to).apply(&waveform.samples);
    Waveform { samples, rate: to }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// torchaudio's own loops in `f64`: padded input, all taps, strided convolution.
    fn formula(samples: &[f32], from: u32, to: u32) -> Vec<f64> {
        let divisor = greatest_common_divisor(from, to);
        let (orig, new) = ((from / divisor) as usize, (to / divisor) as usize);
        let base = orig.min(new) as f64 * 0.99;
        let width = (6.0 * orig as f64 / base).ceil() as usize;
        let padded = |at: usize| at.checked_sub(width).and_then(|at| samples.get(at)).copied();
        let length = (new * samples.len()).div_ceil(orig);
        let sample = |n: usize| {
            let (turn, phase) = (n / new, n % new);
            let term = |j: usize| {
                let position = (j as f64 - width as f64) / orig as f64 - phase as f64 / new as f64;
                let t = (position * base).clamp(-6.0, 6.0);
                let window = (t * PI / 6.0 / 2.0).cos().powi(2);
                let sinc = if t == 0.0 { 1.0 } else { (t * PI).sin() / (t * PI) };
                let x = padded(turn * orig + j).unwrap_or(0.0);
                f64::from(x) * sinc * window * base / orig as f64
            };
            (0..2 * width + orig).map(term).sum()
        };
        (0..length).map(sample).collect()
    }

    fn wave(length: usize) -> Vec<f32> {
        (0..length).map(|n| ((n * n) as f32 * 0.013).sin() * 0.7).collect()
    }

    #[test]
    fn equals_its_formula() {
        for (from, to) in [(44_100, 16_000), (8_000, 16_000), (48_000, 16_000), (22_050, 16_000)] {
            let samples = wave(1_500);
            let ours = Resampler::new(from, to).apply(&samples);
            let theirs = formula(&samples, from, to);
            assert_eq!(ours.len(), theirs.len());
            for (n, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                let difference = (f64::from(*ours) - theirs).abs();
                // Rounding of some 40 products in f32.
                assert!(difference < 1e-6, "{from} to {to}: {difference} at {n}");
            }
        }
    }

    proptest! {
        // Rates without a common divisor have kernels of 16000 phases.
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn length_is_the_rounded_up_share(length in 0usize..3_000, from in 4_000u32..50_000) {
            let resampler = Resampler::new(from, 16_000);
            let output = resampler.apply(&wave(length));
            prop_assert_eq!(output.len(), (length * 16_000).div_ceil(from as usize));
            prop_assert_eq!(output.len(), resampler.output_len(length));
        }

        #[test]
        fn a_constant_stays_away_from_the_ends(level in -1f32..1.0, from in 8_000u32..50_000) {
            let output = Resampler::new(from, 16_000).apply(&vec![level; 4_000]);
            let margin = output.len() / 4;
            for sample in &output[margin..output.len() - margin] {
                // The kernel's ripple at 0 Hz.
                let ripple = 2e-3 * level.abs() + 1e-6;
                prop_assert!((sample - level).abs() <= ripple, "{} {}", sample, level);
            }
        }

        #[test]
        fn the_same_rate_changes_nothing(length in 0usize..300) {
            prop_assert_eq!(Resampler::new(16_000, 16_000).apply(&wave(length)), wave(length));
        }
    }
}
