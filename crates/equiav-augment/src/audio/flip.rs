//! Flip of a spectrogram.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::setting::Chance;
use crate::{Context, Draw, Family, Profile, Setting, Slot, Spectrogram, SpectrogramSize};

/// Plays the view backwards.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default = "Setting::spec")]
pub struct Flip {
    /// Chance that a draw flips.
    pub chance: Chance,
}

impl Setting for Flip {
    fn spec() -> Self {
        Self { chance: Chance::of(0.5) }
    }
}

/// A drawn [`Flip`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum FlipDraw {
    /// Leaves the view as it is.
    #[default]
    Off,
    /// Flips it.
    On,
}

impl Family<Spectrogram> for Flip {
    type Draw = FlipDraw;

    const SLOTS: usize = 1;

    fn slots(&self, context: &Context<SpectrogramSize>) -> Vec<Slot> {
        let meaning = match context.profile {
            Profile::Published => "whether the mel bins are in reverse order",
            Profile::Corrected => "whether time runs backwards",
        };
        vec![Slot::flag("flip on", meaning)]
    }

    fn draw(&self, _: &Context<SpectrogramSize>, rng: &mut impl Rng) -> FlipDraw {
        if self.chance.strikes(rng) { FlipDraw::On } else { FlipDraw::Off }
    }
}

impl Draw<Spectrogram> for FlipDraw {
    fn apply(&self, context: &Context<SpectrogramSize>, mut view: Spectrogram) -> Spectrogram {
        match (self, context.profile) {
            (Self::Off, _) => {}
            // PUBLISHED: flip-mel-axis, the "horizontal" flip turns the spectrogram upside down.
            (Self::On, Profile::Published) => flip_mels(&mut view),
            (Self::On, Profile::Corrected) => flip_time(&mut view),
        }
        view
    }

    fn carry(&self, context: &Context<SpectrogramSize>, marks: Spectrogram) -> Spectrogram {
        self.apply(context, marks)
    }

    fn encode(&self, _: &Context<SpectrogramSize>, vector: &mut Vec<f32>) {
        vector.push(f32::from(*self == Self::On));
    }
}

/// Reverses the order of the mel bins.
pub fn flip_mels(spectrogram: &mut Spectrogram) {
    spectrogram.rows_mut().for_each(<[f32]>::reverse);
}

/// Reverses the order of the frames.
pub fn flip_time(spectrogram: &mut Spectrogram) {
    let mut rows = spectrogram.rows_mut();
    while let (Some(early), Some(late)) = (rows.next(), rows.next_back()) {
        early.swap_with_slice(late);
    }
}

#[cfg(test)]
mod tests {
    use ndarray::arr2;

    use super::*;

    #[test]
    fn each_flip_reverses_its_axis() {
        for frames in [2, 3] {
            let values = arr2(&[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
            let plain = values.slice(ndarray::s![..frames, ..]).to_owned();
            let mut backwards = Spectrogram::new(plain.clone());
            flip_time(&mut backwards);
            assert_eq!(backwards.into_values(), plain.slice(ndarray::s![..;-1, ..]));
            let mut upside_down = Spectrogram::new(plain.clone());
            flip_mels(&mut upside_down);
            assert_eq!(upside_down.into_values(), plain.slice(ndarray::s![.., ..;-1]));
        }
    }
}
