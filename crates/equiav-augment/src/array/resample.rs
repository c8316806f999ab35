//! Which inputs make an output when an axis is resampled, and with what weights.
//!
//! One table of taps per axis serves both modalities: Pillow's for pictures, torch's for
//! spectrograms. The rules are those of Pillow's `Resample.c` (MIT-CMU license) and of torch's
//! `upsample_bilinear2d`, with and without antialiasing.

use std::ops::Range;

use multiversion::multiversion;

/// How neighbors are weighted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Filter {
    /// A triangle: linear interpolation.
    Bilinear,
    /// Keys' cubic with a = -0.5.
    Bicubic,
}

impl Filter {
    /// How far the filter reaches, in inputs.
    fn support(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    /// The weight of an input at a distance from the center.
    #[inline(always)]
    fn weight(self, distance: f64) -> f64 {
        const A: f64 = -0.5;
        let x = distance.abs();
        match self {
            Self::Bilinear if x < 1.0 => 1.0 - x,
            Self::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            _ => 0.0,
        }
    }
}

/// The part of an axis that becomes an output axis.
#[derive(Clone, Debug)]
pub(crate) struct Stretch {
    /// The inputs that may be looked at.
    pub(crate) inputs: Range<usize>,
    /// Where the part begins, counted from the start of `inputs`.
    pub(crate) from: f64,
    /// How long the part is, in inputs.
    pub(crate) length: f64,
    /// How many outputs the part becomes.
    pub(crate) outputs: usize,
}

impl Stretch {
    /// All of `inputs`, as `outputs`.
    pub(crate) fn whole(inputs: Range<usize>, outputs: usize) -> Self {
        let length = inputs.len() as f64;
        Self { inputs, from: 0.0, length, outputs }
    }
}

/// For each output of an axis, the first input and the weights of the inputs from there on.
#[derive(Clone, Debug)]
pub(crate) struct Taps<W> {
    ends: Vec<(usize, usize)>,
    weights: Vec<W>,
}

impl<W> Taps<W> {
    /// How many outputs there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// First input and weights, output by output.
    #[inline(always)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &[W])> {
        let mut begin = 0;
        self.ends.iter().map(move |&(first, end)| {
            let weights = &self.weights[begin..end];
            begin = end;
            (first, weights)
        })
    }

    /// The inputs that any output needs.
    pub(crate) fn inputs(&self) -> Range<usize> {
        let firsts = self.iter().map(|(first, _)| first);
        let ends = self.iter().map(|(first, weights)| first + weights.len());
        firsts.min().unwrap_or(0)..ends.max().unwrap_or(0)
    }

    /// Appends an output.
    fn push(&mut self, first: usize, weights: impl Iterator<Item = W>) {
        self.weights.extend(weights);
        self.ends.push((first, self.weights.len()));
    }

    fn with_capacity(outputs: usize) -> Self {
        Self { ends: Vec::with_capacity(outputs), weights: Vec::new() }
    }
}

/// Pillow's taps in fixed point, for the outputs of `window`: 22 bits behind the point.
#[multiversion(targets("x86_64+avx+avx2+fma+bmi1+bmi2"))]
pub(crate) fn pillow(filter: Filter, stretch: &Stretch, window: Range<usize>) -> Taps<i32> {
    let scale = stretch.length / stretch.outputs as f64;
    let spread = scale.max(1.0);
    let support = filter.support() * spread;
    // Multiplied by, not divided by `spread`: the last bit is Pillow's.
    let inverse = 1.0 / spread;
    let mut taps = Taps::with_capacity(window.len());
    let mut weights = Vec::new();
    for output in window {
        let center = stretch.from + (output as f64 + 0.5) * scale;
        let (first, end) = reach(center, support, stretch.inputs.len());
        weights.clear();
        weights.extend(
            (first..end).map(|input| filter.weight((input as f64 - center + 0.5) * inverse)),
        );
        let sum: f64 = weights.iter().sum();
        taps.push(stretch.inputs.start + first, weights.iter().map(|w| fixed_point(w / sum)));
    }
    taps
}

/// Bits behind the point of [`pillow`]'s weights: 32 less 8 for the level and 2 for overshoot.
pub(crate) const FIXED_POINT_BITS: u32 = 32 - 8 - 2;

/// A weight in fixed point, rounded half away from zero.
#[inline(always)]
fn fixed_point(weight: f64) -> i32 {
    (weight * f64::from(1 << FIXED_POINT_BITS)).round() as i32
}

/// The inputs within `support` of `center`, at least one, out of `inputs`.
#[inline(always)]
fn reach(center: f64, support: f64, inputs: usize) -> (usize, usize) {
    // A float becomes a `usize` by truncation, and 0 if it is negative: both as Pillow has it.
    let first = ((center - support + 0.5) as usize).min(inputs - 1);
    let end = ((center + support + 0.5) as usize).clamp(first + 1, inputs);
    (first, end)
}

/// torch's taps for linear interpolation of all of `stretch`, in its single precision.
pub(crate) fn torch(stretch: &Stretch, antialias: bool) -> Taps<f32> {
    let inputs = stretch.inputs.len();
    let scale = inputs as f32 / stretch.outputs as f32;
    let mut taps = Taps::with_capacity(stretch.outputs);
    let mut weights = Vec::new();
    for output in 0..stretch.outputs {
        let center = scale * (output as f32 + 0.5);
        weights.clear();
        let first = if antialias {
            triangle(center, scale.max(1.0), inputs, &mut weights)
        } else {
            between(center, inputs, &mut weights)
        };
        taps.push(stretch.inputs.start + first, weights.iter().copied());
    }
    taps
}

/// Weights of a triangle of half-width `support` around `center`; returns the first input.
fn triangle(center: f32, support: f32, inputs: usize, weights: &mut Vec<f32>) -> usize {
    let (first, end) = reach(f64::from(center), f64::from(support), inputs);
    let weight = |input: usize| 1.0 - ((input as f32 - center + 0.5) / support).abs();
    weights.extend((first..end).map(|input| weight(input).max(0.0)));
    let sum: f32 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    first
}

/// Weights of the two inputs around `center`; returns the first of them.
fn between(center: f32, inputs: usize, weights: &mut Vec<f32>) -> usize {
    let position = (center - 0.5).max(0.0);
    let first = (position as usize).min(inputs - 1);
    let share = position - first as f32;
    if first + 1 < inputs {
        weights.extend([1.0 - share, share]);
    } else {
        weights.push(1.0);
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_of_the_same_length_keeps_its_values() {
        for (filter, inputs) in [(Filter::Bilinear, 7), (Filter::Bicubic, 9)] {
            let taps = pillow(filter, &Stretch::whole(0..inputs, inputs), 0..inputs);
            for (output, (first, weights)) in taps.iter().enumerate() {
                for (input, weight) in (first..).zip(weights) {
                    let expected = if input == output { 1 << FIXED_POINT_BITS } else { 0 };
                    assert_eq!(*weight, expected, "{filter:?} {output} {input}");
                }
            }
        }
    }

    #[test]
    fn weights_sum_to_one_and_stay_inside() {
        for (from, to) in [(1, 5), (5, 1), (17, 100), (100, 17), (64, 64)] {
            let stretch = Stretch::whole(3..3 + from, to);
            for antialias in [false, true] {
                let taps = torch(&stretch, antialias);
                assert_eq!(taps.iter().count(), to);
                assert!(taps.inputs().start >= 3 && taps.inputs().end <= 3 + from);
                for (_, weights) in taps.iter() {
                    assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{weights:?}");
                }
            }
            let taps = pillow(Filter::Bicubic, &stretch, 0..to);
            for (_, weights) in taps.iter() {
                let sum: i32 = weights.iter().sum();
                // Each weight is rounded by at most half a unit.
                assert!((sum - (1 << FIXED_POINT_BITS)).unsigned_abs() <= weights.len() as u32);
            }
        }
    }
}
