//! A block of frames on its way through the filterbank, one frame to a lane.
//!
//! All but the transform is rounded to f32 as torchaudio rounds it, and summed in the order of a
//! single frame. The transform is in f64: an f32 one adds a floor of its own, which in the empty
//! bands of a pure tone is all there is. No product is fused with a sum, so vectors of any width
//! give the same bits.

use std::array::from_fn;
use std::ops::Add;

use equiav_augment::transpose;
use multiversion::multiversion;

use super::lanes::{Complex, LANES, Lanes};
use super::logarithm::logarithm;
use super::{Band, Filterbank, PREEMPHASIS, SUMS, Scale};

/// The buffers of a block of frames.
#[derive(Default)]
pub(super) struct Block {
    /// The samples of a block that reaches beyond the end of the sound, with silence behind.
    end: Vec<f32>,
    /// The samples of the block, `[shift, columns]`: each column is a shift later.
    shifted: Vec<f32>,
    values: Vec<Complex>,
    power: Vec<[f32; LANES]>,
    energies: Vec<[f32; LANES]>,
    /// The energies, frame by frame.
    rows: Vec<f32>,
}

impl Block {
    /// Writes the scaled log-mel energies of the first frames of `samples`, at most one to a lane,
    /// of a sound with the mean `mean`.
    ///
    /// # Shapes
    ///
    /// - `output`: `[frames, mels]`
    pub(super) fn write(
        &mut self,
        bank: &Filterbank,
        (samples, mean): (&[f32], f32),
        scale: Scale,
        output: &mut [f32],
    ) {
        self.fit(bank);
        self.shift(bank, samples);
        window(&bank.window, &mut self.shifted, mean, &mut self.values);
        bank.transform.power(&mut self.values, &mut self.power);
        sum_bands(&bank.bands, &self.power, &mut self.energies);
        let energies = self.energies.as_flattened_mut();
        logarithm(energies);
        scaled(energies, scale);
        transpose(energies, LANES, &mut self.rows);
        output.copy_from_slice(&self.rows[..output.len()]);
    }

    /// Makes the buffers those of `bank`.
    fn fit(&mut self, bank: &Filterbank) {
        self.values.resize(bank.transform.len(), Complex::ZERO);
        self.power.resize(bank.transform.len(), [0.0; LANES]);
        self.energies.resize(bank.mels(), [0.0; LANES]);
        self.rows.resize(LANES * bank.mels(), 0.0);
    }

    /// Writes the samples of the block to columns that are a shift apart: then sample `n` of all
    /// frames stands side by side, and what windows share is moved once.
    fn shift(&mut self, bank: &Filterbank, samples: &[f32]) {
        let needed = bank.window.columns * bank.shift;
        self.shifted.resize(needed, 0.0);
        if let Some(samples) = samples.get(..needed) {
            return transpose(samples, bank.shift, &mut self.shifted);
        }
        self.end.clear();
        self.end.extend_from_slice(samples);
        self.end.resize(needed, 0.0);
        transpose(&self.end, bank.shift, &mut self.shifted);
    }
}

/// Where the samples of a window stand when they are [shifted](Block::shift), and their weights.
pub(super) struct Window {
    samples: Vec<Weighted>,
    /// Into how many columns samples are shifted.
    columns: usize,
}

struct Weighted {
    weight: f32,
    /// Where the sample of the first frame stands; those of the others stand behind it.
    place: usize,
}

impl Window {
    /// The window of `weights`, `shift` samples later with every frame.
    pub(super) fn new(weights: Vec<f32>, shift: usize) -> Self {
        // Whole tiles of the transposition.
        let columns = (LANES + (weights.len() - 1) / shift).next_multiple_of(4);
        let place = |sample: usize| sample % shift * columns + sample / shift;
        let weighted = |(sample, weight)| Weighted { weight, place: place(sample) };
        Self { samples: weights.into_iter().enumerate().map(weighted).collect(), columns }
    }

    pub(super) fn len(&self) -> usize {
        self.samples.len()
    }
}

/// Writes the windows of samples that are [shifted](Block::shift), without `mean` and then without
/// their own means, pre-emphasized and weighted, to the transform's `values`, with zeros behind.
#[multiversion(targets(
    "x86_64+avx512f+avx512dq+avx512vl+avx512bw+avx+avx2+fma+bmi1+bmi2",
    "x86_64+avx+avx2+fma+bmi1+bmi2"
))]
fn window(window: &Window, shifted: &mut [f32], mean: f32, values: &mut [Complex]) {
    shifted.iter_mut().for_each(|value| *value -= mean);
    let offsets = means(window, shifted);
    let mut previous = centered(shifted, &window.samples[0], &offsets);
    let pairs = window.samples.chunks(2);
    values[pairs.len()..].fill(Complex::ZERO);
    for (value, pair) in values.iter_mut().zip(pairs) {
        let even = centered(shifted, &pair[0], &offsets);
        value.re = emphasized(&even, &previous, pair[0].weight);
        value.im = Lanes::ZERO;
        if let Some(sample) = pair.get(1) {
            previous = centered(shifted, sample, &offsets);
            value.im = emphasized(&previous, &even, sample.weight);
        }
    }
}

#[inline(always)]
fn centered(shifted: &[f32], sample: &Weighted, offsets: &[f32; LANES]) -> [f32; LANES] {
    let samples = frames(shifted, sample);
    from_fn(|lane| samples[lane] - offsets[lane])
}

#[inline(always)]
fn emphasized(current: &[f32; LANES], previous: &[f32; LANES], weight: f32) -> Lanes {
    let emphasized = |lane: usize| (current[lane] - PREEMPHASIS * previous[lane]) * weight;
    Lanes(from_fn(|lane| f64::from(emphasized(lane))))
}

/// One sample of every frame.
#[inline(always)]
fn frames<'a>(shifted: &'a [f32], sample: &Weighted) -> &'a [f32; LANES] {
    shifted[sample.place..].first_chunk().expect("a column to each lane")
}

/// The mean of every window.
#[inline(always)]
fn means(window: &Window, shifted: &[f32]) -> [f32; LANES] {
    let mut sums = [Lanes::ZERO; SUMS];
    let (chunks, rest) = window.samples.as_chunks::<SUMS>();
    let widened = |sample: &Weighted| Lanes(frames(shifted, sample).map(f64::from));
    for chunk in chunks {
        for (sum, sample) in sums.iter_mut().zip(chunk) {
            *sum = *sum + widened(sample);
        }
    }
    let sum = sums.into_iter().chain(rest.iter().map(widened)).fold(Lanes::ZERO, Lanes::add);
    sum.0.map(|sum| (sum / window.len() as f64) as f32)
}

/// Writes the energies of the bands.
#[multiversion(targets(
    "x86_64+avx512f+avx512dq+avx512vl+avx512bw+avx+avx2+fma+bmi1+bmi2",
    "x86_64+avx+avx2+fma+bmi1+bmi2"
))]
fn sum_bands(bands: &[Band], power: &[[f32; LANES]], energies: &mut [[f32; LANES]]) {
    for (energies, band) in energies.iter_mut().zip(bands) {
        let mut sums = [0.0; LANES];
        for (weight, power) in band.weights.iter().zip(&power[band.bins.clone()]) {
            for (sum, power) in sums.iter_mut().zip(power) {
                *sum += weight * power;
            }
        }
        *energies = sums;
    }
}

/// Applies `scale` to `values`.
#[multiversion(targets(
    "x86_64+avx512f+avx512dq+avx512vl+avx512bw+avx+avx2+fma+bmi1+bmi2",
    "x86_64+avx+avx2+fma+bmi1+bmi2"
))]
fn scaled(values: &mut [f32], scale: Scale) {
    for value in values {
        *value = (*value - scale.mean) / scale.std;
    }
}
