//! Sounds a scene: a tone and a band of noise at every onset, over a background that tells nothing.

use std::f64::consts::{PI, TAU};

use rand::{Rng, RngExt};

use super::scene::{Pattern, Scene, Shape};

/// Most partials of the tone.
const PARTIALS: usize = 16;
/// Share of the time between two onsets that sounds.
const SOUNDING: f64 = 0.6;
/// Root mean square of the tone while it is fully on, of full scale 1.
const LEVEL: f64 = 0.08;

/// How long a clip is and how finely it is sampled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) seconds: f64,
    pub(super) rate: u32,
}

impl Span {
    fn samples(self) -> usize {
        (self.seconds * f64::from(self.rate)).round() as usize
    }
}

/// Makes a scene's sound as 16-bit samples; `nuisance` in `[0, 1]` scales what tells nothing.
pub(super) fn sound(scene: &Scene, nuisance: f64, span: Span, rng: &mut impl Rng) -> Vec<i16> {
    let gain = LEVEL * decibels(nuisance * rng.random_range(-6.0..6.0));
    let late = nuisance * rng.random_range(0.0..0.3);
    let background = Background::draw(nuisance, rng);
    let mut events = vec![0.0; span.samples()];
    let tone = Tone::draw(scene, span.rate, rng);
    let period = span.seconds / scene.count as f64;
    for onset in 0..scene.count {
        let start = ((onset as f64 + late) * period * f64::from(span.rate)) as usize;
        let length = (SOUNDING * period * f64::from(span.rate)) as usize;
        let end = (start + length).min(events.len());
        add_event(&mut events[start..end], scene, &tone, rng);
    }
    let mut clock = 0.0;
    let to_level = |event: f64| {
        clock += 1.0 / f64::from(span.rate);
        let sample = gain * (event + background.at(clock, rng));
        (sample * 32767.0).round().clamp(-32767.0, 32767.0) as i16
    };
    events.into_iter().map(to_level).collect()
}

/// Adds one onset, which fills `samples`.
fn add_event(samples: &mut [f64], scene: &Scene, tone: &Tone, rng: &mut impl Rng) {
    let rate = tone.rate;
    let mut band = BandPass::new(scene.band_center(), rate);
    let mut phase = 0.0;
    let length = samples.len() as f64;
    for (index, sample) in samples.iter_mut().enumerate() {
        let time = index as f64 / rate;
        let envelope = envelope(scene.shape, index as f64 / length)
            * edge(time).min(edge((length - index as f64) / rate));
        phase += TAU * tone.pitch * bend(scene.pattern, time) / rate;
        let white = rng.random_range(-1.0..1.0);
        let body = tremolo(scene.pattern, time) * tone.at(phase);
        let hiss = 0.7 * band.step(white);
        *sample += envelope * (body + hiss + click(scene.pattern, time) * white);
    }
}

/// Rises from 0 to 1 in 5 ms, so that switching makes no click.
fn edge(seconds: f64) -> f64 {
    (seconds / 0.005).clamp(0.0, 1.0)
}

/// Loudness over an onset, whose course `at` runs from 0 to 1.
fn envelope(shape: Shape, at: f64) -> f64 {
    match shape {
        Shape::Disc => 1.2 * (PI * at).sin().powi(2),
        Shape::Square => 0.9,
        Shape::Triangle => 1.5 * (-3.5 * at).exp(),
        Shape::Cross => 1.5 * (3.5 * (at - 1.0)).exp(),
    }
}

/// Factor on the pitch `time` seconds after an onset.
fn bend(pattern: Pattern, time: f64) -> f64 {
    match pattern {
        Pattern::Checks if (time * 10.0) as usize % 2 == 1 => 1.5,
        Pattern::Rings => 2f64.powf(0.25 * (TAU * 6.0 * time).sin()),
        _ => 1.0,
    }
}

/// Factor on the tone's amplitude `time` seconds after an onset.
fn tremolo(pattern: Pattern, time: f64) -> f64 {
    match pattern {
        Pattern::Stripes => 1.2 * (PI * 15.0 * time).sin().powi(2),
        _ => 1.0,
    }
}

/// Amplitude of the wide-band clicks `time` seconds after an onset.
fn click(pattern: Pattern, time: f64) -> f64 {
    match pattern {
        Pattern::Dots => 3.0 * (-(time % 0.08) / 0.004).exp(),
        _ => 0.0,
    }
}

/// The partials of a tone, of joint root mean square 1.
struct Tone {
    pitch: f64,
    rate: f64,
    /// Frequency over the pitch, amplitude, phase.
    partials: Vec<(f64, f64, f64)>,
}

impl Tone {
    fn draw(scene: &Scene, rate: u32, rng: &mut impl Rng) -> Self {
        let rate = f64::from(rate);
        let pitch = scene.pitch();
        let mut partials = Vec::new();
        for k in 1..=PARTIALS {
            let number = k as f64;
            let phase = rng.random_range(0.0..TAU);
            let ratio = if scene.pattern == Pattern::Halves { number.powf(1.2) } else { number };
            let even = if k % 2 == 0 { scene.even_gain() } else { 1.0 };
            // Twice for the sampling theorem, 1.5 times for the trill.
            if ratio * pitch * 3.0 < rate {
                partials.push((ratio, even * number.powf(-scene.tilt()), phase));
            }
        }
        let power: f64 = partials.iter().map(|(_, amplitude, _)| amplitude * amplitude / 2.0).sum();
        for (_, amplitude, _) in &mut partials {
            *amplitude /= power.sqrt();
        }
        Self { pitch, rate, partials }
    }

    fn at(&self, phase: f64) -> f64 {
        let partial =
            |(ratio, amplitude, start): &(f64, f64, f64)| amplitude * (ratio * phase + start).sin();
        self.partials.iter().map(partial).sum()
    }
}

/// A second-order band-pass filter, twice in a row, half an octave wide.
struct BandPass {
    feed: f64,
    back: [f64; 2],
    memory: [[f64; 4]; 2],
}

impl BandPass {
    /// # Source
    ///
    /// R. Bristow-Johnson, Audio EQ cookbook, band-pass with constant peak gain.
    fn new(center: f64, rate: f64) -> Self {
        let turn = TAU * center / rate;
        let octaves = 0.5;
        let alpha = turn.sin() * (2f64.ln() / 2.0 * octaves * turn / turn.sin()).sinh();
        // White noise keeps the share `octaves * center` of half the rate: made up for by the gain.
        let gain = (rate / 2.0 / (octaves * center)).sqrt().sqrt();
        Self {
            feed: gain * alpha / (1.0 + alpha),
            back: [-2.0 * turn.cos() / (1.0 + alpha), (1.0 - alpha) / (1.0 + alpha)],
            memory: [[0.0; 4]; 2],
        }
    }

    fn step(&mut self, input: f64) -> f64 {
        self.memory.iter_mut().fold(input, |x, [x1, x2, y1, y2]| {
            let y = self.feed * (x - *x2) - self.back[0] * *y1 - self.back[1] * *y2;
            (*x2, *x1, *y2, *y1) = (*x1, x, *y1, y);
            y
        })
    }
}

/// Noise and a hum under the whole clip.
struct Background {
    noise: f64,
    hum: f64,
    frequency: f64,
}

impl Background {
    fn draw(nuisance: f64, rng: &mut impl Rng) -> Self {
        Self {
            noise: decibels(-55.0 + 35.0 * nuisance),
            hum: nuisance * rng.random_range(0.0..0.2),
            frequency: 60.0 * 2f64.powf(rng.random_range(0.0..4.0)),
        }
    }

    fn at(&self, time: f64, rng: &mut impl Rng) -> f64 {
        self.noise * rng.random_range(-1.7..1.7) + self.hum * (TAU * self.frequency * time).sin()
    }
}

/// The amplitude that is so many decibels above 1.
fn decibels(value: f64) -> f64 {
    10f64.powf(value / 20.0)
}
