//! What is to be heard in a sound: a tone and a band of noise, and how both come and go.

use std::f64::consts::TAU;

use equiav_frontend::Waveform;
use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

/// How many numbers tell courses of a tone apart, and how many tell envelopes.
pub(super) const COURSES: usize = 4;
pub(super) const ENVELOPES: usize = 2;
/// Loudness is looked at so often a second.
const STEPS: usize = 500;
/// Partials whose strengths tell the timbre: a trill to the fifth adds nothing to them.
const PARTIALS: [f64; 4] = [1.0, 2.0, 4.0, 5.0];

/// What is to be heard in a sound.
#[derive(Clone, Copy, Debug)]
pub(in crate::synthetic) struct Heard {
    /// In Hz.
    pub(in crate::synthetic) pitch: f64,
    /// In Hz.
    pub(in crate::synthetic) band_center: f64,
    pub(in crate::synthetic) onsets: usize,
    /// The hue whose timbre the tone has, in turns, from -0.5 to 0.5.
    pub(in crate::synthetic) hue: f64,
    /// The depth of a tremolo at 15 Hz, the logarithms of that of clicks at 25 Hz and of how far they stand out, and
    /// that of the fifth's amplitude over the tone's.
    pub(super) course: [f64; COURSES],
    /// How near to each other the energies of an onset are, and whether most of them come first (above 0) or last.
    pub(super) envelope: [f64; ENVELOPES],
}

impl Heard {
    /// Listens to `sound`, which has a second or more.
    pub(in crate::synthetic) fn of(sound: &Waveform) -> Self {
        let spectrum = Spectrum::of(sound);
        let pitch = spectrum.lowest_strong_line();
        let onsets = onsets(sound);
        let squares = |samples: &mut dyn Iterator<Item = f32>| {
            by_steps(sound.rate, samples.map(|sample| f64::from(sample * sample)))
        };
        let mut energies = squares(&mut sound.samples.iter().copied());
        let floor = quantile(&energies, 0.1);
        energies.iter_mut().for_each(|energy| *energy -= floor);
        let changes = squares(&mut sound.samples.windows(2).map(|pair| pair[1] - pair[0]));
        let fifth = (spectrum.line(1.5 * pitch) / spectrum.line(pitch)).ln() / 2.0;
        Self {
            pitch,
            band_center: spectrum.widest_band(),
            onsets,
            hue: spectrum.timbre(pitch),
            course: [
                modulation(&energies, 15.0),
                (modulation(&changes, 25.0) + 1e-3).ln(),
                standing_out(&changes).ln().min(4.0),
                fifth.max(-6.0),
            ],
            envelope: envelope(&energies, onsets.max(1)),
        }
    }
}

/// Power by frequency, the mean over windows of half a second.
struct Spectrum {
    power: Vec<f64>,
    /// From one bin to the next, in Hz.
    width: f64,
}

impl Spectrum {
    fn of(sound: &Waveform) -> Self {
        let length = (sound.rate as usize / 2).next_power_of_two();
        let fft = RealFftPlanner::<f64>::new().plan_fft_forward(length);
        let mut power = vec![0.0; length / 2 + 1];
        for start in (0..=sound.samples.len().saturating_sub(length)).step_by(length / 2) {
            let window = |n: usize| 0.5 - 0.5 * (TAU * n as f64 / length as f64).cos();
            let sample = |n: usize| sound.samples.get(start + n).copied().unwrap_or(0.0);
            let mut input: Vec<f64> =
                (0..length).map(|n| f64::from(sample(n)) * window(n)).collect();
            let mut output = vec![Complex::default(); length / 2 + 1];
            fft.process(&mut input, &mut output).expect("the lengths fit");
            for (sum, value) in power.iter_mut().zip(output) {
                *sum += value.norm_sqr();
            }
        }
        Self { power, width: f64::from(sound.rate) / length as f64 }
    }

    fn at(&self, bin: usize) -> f64 {
        self.power.get(bin).copied().unwrap_or(0.0)
    }

    /// The lowest frequency between 100 and 1000 Hz that has a third of the strongest one's power.
    fn lowest_strong_line(&self) -> f64 {
        let range = (100.0 / self.width) as usize..(1000.0 / self.width) as usize;
        let strongest = range.clone().map(|bin| self.at(bin)).fold(0.0, f64::max);
        let first =
            range.clone().find(|bin| self.at(*bin) > strongest / 3.0).unwrap_or(range.start);
        let summit = (first..first + 8).max_by(|a, b| self.at(*a).total_cmp(&self.at(*b)));
        let summit = summit.unwrap_or(first);
        // The top of the parabola through the logarithms of three bins.
        let [before, top, after] =
            [summit - 1, summit, summit + 1].map(|bin| (self.at(bin) + 1e-30).ln());
        let bend = before - 2.0 * top + after;
        let off = if bend < 0.0 { 0.5 * (before - after) / bend } else { 0.0 };
        (summit as f64 + off) * self.width
    }

    /// The greatest power within 1.5 % of `frequency`.
    fn line(&self, frequency: f64) -> f64 {
        let [low, high] = [0.985, 1.015].map(|factor| factor * frequency / self.width);
        (low as usize..=high.ceil() as usize).map(|bin| self.at(bin)).fold(1e-30, f64::max)
    }

    /// The center of the widest band: where even the weaker part of 0.4 octaves has most power.
    ///
    /// Lines do not count there; power is taken per octave, in which the band is equally wide anywhere.
    fn widest_band(&self) -> f64 {
        let level = |center: f64| {
            let [low, high] = [-0.2, 0.2].map(|octaves| center * 2f64.powf(octaves) / self.width);
            let inside: Vec<f64> = (low as usize..=high as usize).map(|bin| self.at(bin)).collect();
            quantile(&inside, 0.25) * center
        };
        let centers = (0..85).map(|step| 420.0 * 2f64.powf(f64::from(step) / 21.0));
        centers.max_by(|a, b| level(*a).total_cmp(&level(*b))).unwrap_or(0.0)
    }

    /// The hue whose timbre a tone of `pitch` has: partial k has amplitude `k^-t`, even ones less by a gain, and hue is
    /// the direction of both.
    ///
    /// Two amplitude ratios each, `log a_k = a - t log k + g [k even]`, by least squares.
    fn timbre(&self, pitch: f64) -> f64 {
        let logs = PARTIALS.map(|number| self.line(number * pitch).ln() / 2.0);
        let (tilt, gain) = tilt_and_gain(&logs);
        let cosine = (1.2 - tilt) / 0.9;
        let sine = -gain / 10f64.ln() / 0.6 - 1.0;
        sine.atan2(cosine) / TAU
    }
}

/// `t` and `g` of `log a_k = a - t log k + g [k even]` for the partials 1, 2, 4 and 5.
///
/// Odd partials tell one slope and even ones another, both over a distance of logarithms; least squares weigh them by
/// the squares of their distances. The gain is the distance of the middles, the slope between these taken away.
fn tilt_and_gain(logs: &[f64; 4]) -> (f64, f64) {
    let [one, two, four, five] = PARTIALS.map(f64::ln);
    let (odd, even) = (five - one, four - two);
    let falls = odd * (logs[3] - logs[0]) + even * (logs[2] - logs[1]);
    let tilt = -falls / (odd * odd + even * even);
    let middles = (logs[1] + logs[2] - logs[0] - logs[3]) / 2.0;
    (tilt, middles + tilt * (two + four - one - five) / 2.0)
}

/// How often the loudness, smoothed over 120 ms, rises above 15 % of its greatest value.
fn onsets(sound: &Waveform) -> usize {
    let length = sound.rate as usize * 12 / 100;
    let energies: Vec<f64> =
        sound.samples.iter().map(|sample| f64::from(sample * sample)).collect();
    let smooth: Vec<f64> =
        energies.windows(length).step_by(length / 10).map(|w| w.iter().sum::<f64>()).collect();
    let threshold = smooth.iter().copied().fold(0.0, f64::max) * 0.15;
    let loud: Vec<_> = smooth.iter().map(|&energy| energy > threshold).collect();
    usize::from(loud.first() == Some(&true))
        + loud.windows(2).filter(|pair| !pair[0] && pair[1]).count()
}

/// Sums of `values`, of which there are `rate` a second, over each step.
fn by_steps(rate: u32, values: impl Iterator<Item = f64>) -> Vec<f64> {
    let values: Vec<f64> = values.collect();
    values.chunks_exact(rate as usize / STEPS).map(|step| step.iter().sum()).collect()
}

/// How deep `energies` are modulated at `frequency`, in [0, 1]: the amplitude over the mean, in windows of 0.32 s.
fn modulation(energies: &[f64], frequency: f64) -> f64 {
    const LENGTH: usize = 160;
    let window = |n: usize| 0.5 - 0.5 * (TAU * (n as f64 + 0.5) / LENGTH as f64).cos();
    let turn = TAU * frequency / STEPS as f64;
    let (mut swings, mut sums) = (0.0, 0.0);
    for part in energies.windows(LENGTH).step_by(LENGTH / 4) {
        let (mut x, mut y) = (0.0, 0.0);
        for (n, energy) in part.iter().enumerate() {
            let weighted = energy * window(n);
            x += weighted * (turn * n as f64).cos();
            y += weighted * (turn * n as f64).sin();
            sums += weighted;
        }
        swings += x.hypot(y);
    }
    if sums > 0.0 { swings / sums } else { 0.0 }
}

/// How far the loudest step of 80 ms is above their median, in the median of all that are loud.
fn standing_out(energies: &[f64]) -> f64 {
    let parts: Vec<&[f64]> = energies.chunks_exact(STEPS * 8 / 100).collect();
    let sum = |part: &[f64]| part.iter().sum::<f64>();
    let loudest = parts.iter().map(|part| sum(part)).fold(0.0, f64::max);
    let loud = parts.iter().filter(|part| sum(part) > 0.1 * loudest);
    let above =
        |part: &&[f64]| part.iter().copied().fold(0.0, f64::max) / (quantile(part, 0.5) + 1e-30);
    quantile(&loud.map(above).collect::<Vec<f64>>(), 0.5).max(1.0)
}

/// Circular moments of energies that are folded at so many periods: the first one's length, and how skewed they are.
fn envelope(energies: &[f64], periods: usize) -> [f64; ENVELOPES] {
    let turn = TAU * periods as f64 / energies.len() as f64;
    let moment = |order: f64| {
        let sum: Complex<f64> = energies
            .iter()
            .enumerate()
            .map(|(at, energy)| {
                Complex::from_polar(1.0, -order * turn * (at as f64 + 0.5)) * energy
            })
            .sum();
        sum / energies.iter().sum::<f64>().max(1e-30)
    };
    let (first, second) = (moment(1.0), moment(2.0));
    let skewed = (second * first.conj() * first.conj()).im / (first.norm_sqr() + 1e-9);
    [first.norm(), skewed]
}

/// The value below which so great a share of `values` is; 0 of nothing.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get((share * sorted.len() as f64) as usize).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tilt_and_gain_are_found_again() {
        for (tilt, gain) in [(0.3, 0.0), (2.1, -1.0), (1.2, -2.7)] {
            let log = |number: f64| {
                let even = if number % 2.0 == 0.0 { gain } else { 0.0 };
                5.0 - tilt * number.ln() + even
            };
            let (t, g) = tilt_and_gain(&PARTIALS.map(log));
            assert!((t - tilt).abs() < 1e-12 && (g - gain).abs() < 1e-12, "{t} {g}");
        }
    }
}
