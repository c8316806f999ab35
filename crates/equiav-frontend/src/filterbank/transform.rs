//! The power spectra of a block of frames, one frame to a lane.
//!
//! A library transforms one frame at a time and shuffles its numbers to fill vectors; with a frame
//! in every lane the same sums need no shuffle, and what is around the transform runs in the same
//! lanes. So this one is written out. It evaluates the polynomial whose coefficients are the
//! samples at the roots of unity: modulo `x^M - turn`, it is reduced to four polynomials of a
//! quarter of the length, whose own turns are the four fourth roots of that one. Turns belong to
//! blocks, not to positions, so the inner loop has none to load.

use multiversion::multiversion;

use super::lanes::{Complex, LANES, Turn};

/// The transform of frames of one length.
pub(super) struct Transform {
    /// Per pass over the values but the first, which turns nothing, the turns of its blocks.
    passes: Vec<Vec<[Turn; 3]>>,
    /// Where the last pass halves instead, the turns of its blocks.
    halves: Vec<Turn>,
    /// Per pair of bins `k` and `half - k`, for `k` from 1 on.
    pairs: Vec<Pair>,
    half: usize,
}

/// Two bins whose real spectrum comes of the same two values.
struct Pair {
    /// The lower bin, and the turn that belongs to it.
    bin: usize,
    turn: Turn,
    /// Where the values of both stand behind the last pass.
    places: [usize; 2],
}

impl Transform {
    /// The transform of `length` real samples.
    ///
    /// # Panics
    ///
    /// If `length` is no power of two of at least 8.
    pub(super) fn new(length: usize) -> Self {
        assert!(length.is_power_of_two() && length >= 8, "Transform::new: {length} samples");
        let half = length / 2;
        let (mut passes, mut halves) = (Vec::new(), Vec::new());
        // The share of a circle by which `x^M` of a block is turned; at the end of `x` itself.
        let roots = |share: f64| [0.0, 2.0, 1.0, 3.0].map(|root| (share + root) / 4.0);
        let mut blocks = roots(0.0).to_vec();
        while 4 * blocks.len() <= half {
            let turns = |share: &f64| [1.0, 2.0, 3.0].map(|times| Turn::by(times * share / 4.0));
            passes.push(blocks.iter().map(turns).collect());
            blocks = blocks.into_iter().flat_map(roots).collect();
        }
        if blocks.len() < half {
            halves = blocks.iter().map(|share| Turn::by(share / 2.0)).collect();
            blocks =
                blocks.into_iter().flat_map(|share| [share / 2.0, (share + 1.0) / 2.0]).collect();
        }
        let mut places = vec![0; half];
        for (place, share) in blocks.iter().enumerate() {
            // Exact: the shares are whole numbers over a power of two.
            places[(share * half as f64) as usize] = place;
        }
        let pair = |bin: usize| Pair {
            bin,
            turn: Turn::by(bin as f64 / length as f64),
            places: [places[bin], places[half - bin]],
        };
        Self { passes, halves, pairs: (1..=half / 2).map(pair).collect(), half }
    }

    /// How many complex values it works on: half as many as there are samples.
    pub(super) fn len(&self) -> usize {
        self.half
    }

    /// Writes the power spectra of the frames in `values` to `power`, all bins but Nyquist's.
    ///
    /// # Shapes
    ///
    /// - `values`: `[len]`, sample `2 n` of each frame as real and `2 n + 1` as imaginary part of
    ///   value `n`; used as scratch
    /// - `power`: `[len]`
    pub(super) fn power(&self, values: &mut [Complex], power: &mut [[f32; LANES]]) {
        transform(self, values, power);
    }
}

#[multiversion(targets(
    "x86_64+avx512f+avx512dq+avx512vl+avx512bw+avx+avx2+fma+bmi1+bmi2",
    "x86_64+avx+avx2+fma+bmi1+bmi2"
))]
fn transform(tables: &Transform, values: &mut [Complex], power: &mut [[f32; LANES]]) {
    reduce(values, |value, _| value, [Turn::NONE; 3]);
    // Depth first: a quarter of the values is at home in the innermost cache.
    for (number, quarter) in values.chunks_exact_mut(tables.half / 4).enumerate() {
        for turns in &tables.passes {
            let own = &turns[number * turns.len() / 4..(number + 1) * turns.len() / 4];
            for (block, turns) in quarter.chunks_exact_mut(tables.half / turns.len()).zip(own) {
                reduce(block, |value, turn| value * turn, *turns);
            }
        }
    }
    for ([even, odd], turn) in values.as_chunks_mut().0.iter_mut().zip(&tables.halves) {
        let turned = *odd * *turn;
        (*even, *odd) = (*even + turned, *even - turned);
    }
    let first = values[0];
    let sum = first.re + first.im;
    power[0] = (sum * sum).0.map(|value| value as f32);
    for pair in &tables.pairs {
        let [low, high] = split(values[pair.places[0]], values[pair.places[1]], pair.turn);
        power[pair.bin] = low;
        power[tables.half - pair.bin] = high;
    }
}

/// Reduces a polynomial to the four modulo the fourth roots of what it was taken modulo.
#[inline(always)]
fn reduce(
    block: &mut [Complex],
    turned: impl Fn(Complex, Turn) -> Complex,
    [one, two, three]: [Turn; 3],
) {
    let (low, high) = block.split_at_mut(block.len() / 2);
    let (first, second) = low.split_at_mut(low.len() / 2);
    let (third, fourth) = high.split_at_mut(high.len() / 2);
    for (((first, second), third), fourth) in first.iter_mut().zip(second).zip(third).zip(fourth) {
        let (a, b) = (*first, turned(*second, one));
        let (c, d) = (turned(*third, two), turned(*fourth, three));
        let (even, odd) = (a + c, b + d);
        let (other_even, other_odd) = (a - c, (b - d).quarter_turn());
        *first = even + odd;
        *second = even - odd;
        *third = other_even + other_odd;
        *fourth = other_even - other_odd;
    }
}

/// The power of two bins of the real spectrum, of the values of both in that of pairs of samples.
#[inline(always)]
fn split(low: Complex, high: Complex, turn: Turn) -> [[f32; LANES]; 2] {
    // Twice the spectra of the even and of the odd samples; the latter before its turn by -i.
    let even = Complex { re: low.re + high.re, im: low.im - high.im };
    let odd = Complex { re: low.re - high.re, im: low.im + high.im };
    let odd = odd.quarter_turn() * turn;
    // A quarter, as both are twice what they should be, costs no bit.
    let power = |value: Complex| {
        ((value.re * value.re + value.im * value.im) * 0.25).0.map(|value| value as f32)
    };
    [power(even + odd), power(even - odd)]
}

#[cfg(test)]
mod tests {
    use realfft::RealFftPlanner;

    use super::*;

    #[test]
    fn equals_a_library_for_every_length() {
        for length in [8, 16, 32, 64, 256, 512, 2_048] {
            let transform = Transform::new(length);
            let mut state = 1u32;
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                f64::from(state >> 8) / f64::from(1 << 23) - 1.0
            };
            let frames: [Vec<f64>; LANES] =
                std::array::from_fn(|_| (0..length).map(|_| next()).collect());
            let lanes =
                |at: usize| super::super::lanes::Lanes(frames.each_ref().map(|frame| frame[at]));
            let value = |n| Complex { re: lanes(2 * n), im: lanes(2 * n + 1) };
            let mut values: Vec<Complex> = (0..length / 2).map(value).collect();
            let mut power = vec![[0.0; LANES]; transform.len()];
            transform.power(&mut values, &mut power);
            let library = RealFftPlanner::<f64>::new().plan_fft_forward(length);
            for (lane, mut frame) in frames.into_iter().enumerate() {
                let mut spectrum = library.make_output_vec();
                library.process(&mut frame, &mut spectrum).unwrap();
                for (bin, (ours, theirs)) in power.iter().zip(&spectrum).enumerate() {
                    let (ours, theirs) = (f64::from(ours[lane]), theirs.norm_sqr());
                    let close = 1e-7 * theirs + 1e-20;
                    assert!((ours - theirs).abs() < close, "{length}, {bin}: {ours} {theirs}");
                }
            }
        }
    }
}
