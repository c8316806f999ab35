//! Volume jitter of a spectrogram.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::setting::{Chance, Positive, Share};
use crate::{Context, Draw, Family, Profile, Setting, Slot, Spectrogram, SpectrogramSize, random};

/// Plays the view louder or softer.
///
/// The corrected profile adds what the factor, one of the sound's amplitude, means on log-mels:
/// the same decibels for every data set. The jitter's brightness adds a number of standard
/// deviations instead, which is several times as strong.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default = "Setting::spec")]
pub struct Volume {
    /// Chance that a draw changes the volume.
    pub chance: Chance,
    /// How far the factor strays from 1, either way.
    pub strength: Share,
    /// The standard deviation, in nepers of power, by which the front end divided the log-mels.
    pub deviation: Positive,
}

impl Setting for Volume {
    fn spec() -> Self {
        // Published code never says how strong it is: here, as strong as the jitter's factors.
        // The deviation is AudioSet's.
        Self { chance: Chance::of(0.5), strength: Share::of(0.4), deviation: Positive::of(4.332) }
    }
}

/// A drawn [`Volume`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum VolumeDraw {
    /// Leaves the volume as it is.
    #[default]
    Off,
    /// Changes it.
    On {
        /// The factor of the amplitude.
        factor: f64,
        /// What that adds to the standardized log-mels.
        gain: f64,
    },
}

/// The smallest factor of the amplitude: silence has no logarithm.
const LEAST_FACTOR: f64 = 1e-3;

impl Family<Spectrogram> for Volume {
    type Draw = VolumeDraw;

    const SLOTS: usize = 2;

    fn slots(&self, context: &Context<SpectrogramSize>) -> Vec<Slot> {
        let meaning = match context.profile {
            Profile::Published => "factor of the values, 0 when off",
            Profile::Corrected => "factor of the amplitude, 0 when off",
        };
        vec![
            Slot::flag("volume jitter on", "whether the volume is changed"),
            Slot::range("volume factor", 0.0, 1.0 + self.strength.get(), meaning),
        ]
    }

    fn draw(&self, _: &Context<SpectrogramSize>, rng: &mut impl Rng) -> VolumeDraw {
        if !self.chance.strikes(rng) {
            return VolumeDraw::Off;
        }
        let stray = self.strength.get() * (2.0 * random::unit(rng) - 1.0);
        let factor = (1.0 + stray).max(LEAST_FACTOR);
        VolumeDraw::On { factor, gain: 2.0 * factor.ln() / self.deviation.get() }
    }
}

impl Draw<Spectrogram> for VolumeDraw {
    fn apply(&self, context: &Context<SpectrogramSize>, mut view: Spectrogram) -> Spectrogram {
        match (self, context.profile) {
            (Self::Off, _) => {}
            // PUBLISHED: volume-not-applied, published code draws a factor for the centroid's
            // vectors alone, from a strength it never sets, so its length 26 cannot run; here
            // the factor multiplies the standardized values.
            (Self::On { factor, .. }, Profile::Published) => multiply(&mut view, *factor),
            (Self::On { gain, .. }, Profile::Corrected) => add(&mut view, *gain),
        }
        view
    }

    fn encode(&self, _: &Context<SpectrogramSize>, vector: &mut Vec<f32>) {
        vector.extend(match self {
            Self::Off => [0.0, 0.0],
            Self::On { factor, .. } => [1.0, *factor as f32],
        });
    }
}

/// Multiplies every value.
pub fn multiply(spectrogram: &mut Spectrogram, factor: f64) {
    let factor = factor as f32;
    spectrogram.as_mut_slice().iter_mut().for_each(|value| *value *= factor);
}

/// Adds to every value.
pub fn add(spectrogram: &mut Spectrogram, gain: f64) {
    let gain = gain as f32;
    spectrogram.as_mut_slice().iter_mut().for_each(|value| *value += gain);
}

#[cfg(test)]
mod tests {
    use ndarray::arr2;

    use super::*;
    use crate::View;
    use crate::random::{Purpose, stream};

    #[test]
    fn a_factor_adds_its_nepers_of_power_or_in_the_published_profile_multiplies() {
        let always = Volume { chance: Chance::ALWAYS, ..Setting::spec() };
        let plain = Spectrogram::new(arr2(&[[-1.0, 0.0, 2.0]]));
        for profile in Profile::ALL {
            let context = Context { profile, source: plain.size(), output: plain.size() };
            let drawn = always.draw(&context, &mut stream(4, 0, 0, Purpose::Order));
            let VolumeDraw::On { factor, .. } = drawn else { panic!("{drawn:?} of a sure thing") };
            let louder = drawn.apply(&context, plain.clone());
            for (ours, value) in louder.as_slice().iter().zip(plain.as_slice()) {
                let expected = match profile {
                    Profile::Published => f64::from(*value) * factor,
                    // Power is the amplitude squared, and the front end divided by 4.332.
                    Profile::Corrected => f64::from(*value) + (factor * factor).ln() / 4.332,
                };
                assert!((f64::from(*ours) - expected).abs() < 1e-6, "{profile:?}: {ours}");
            }
        }
    }
}
