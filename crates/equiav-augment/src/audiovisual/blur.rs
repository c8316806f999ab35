//! Gaussian blur of both modalities: its settings, draws and slots; the filters are in `*/gaussian.rs`.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::setting::{Chance, Interval};
use crate::{
    Context, Draw, Family, Image, ImageSize, Profile, Setting, Slot, Spectrogram, SpectrogramSize,
    audio, visual,
};

/// Blurs both axes alike.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default = "Setting::spec")]
pub struct Blur {
    /// Chance that a draw blurs.
    pub chance: Chance,
    /// Limits of the standard deviation, in pixels (frames and mel bins of a spectrogram).
    pub sigma: Interval,
}

impl Setting for Blur {
    fn spec() -> Self {
        Self { chance: Chance::of(0.5), sigma: Interval::of(0.1, 2.0) }
    }
}

/// A drawn [`Blur`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum BlurDraw {
    /// Blurs nothing.
    #[default]
    Off,
    /// Blurs.
    On {
        /// The standard deviation, in pixels.
        sigma: f64,
    },
}

impl Blur {
    fn draw(&self, rng: &mut impl Rng) -> BlurDraw {
        if self.chance.strikes(rng) {
            BlurDraw::On { sigma: self.sigma.uniform(rng) }
        } else {
            BlurDraw::Off
        }
    }

    fn slots(&self, sigma: &'static str) -> Vec<Slot> {
        vec![
            Slot::flag("blur on", "whether it is blurred"),
            Slot::range("sigma", 0.0, self.sigma.high(), sigma),
        ]
    }
}

impl BlurDraw {
    fn encode(self, vector: &mut Vec<f32>) {
        vector.extend(match self {
            Self::Off => [0.0, 0.0],
            Self::On { sigma } => [1.0, sigma as f32],
        });
    }
}

impl Family<Image> for Blur {
    type Draw = BlurDraw;

    const SLOTS: usize = 2;

    fn slots(&self, _: &Context<ImageSize>) -> Vec<Slot> {
        self.slots("standard deviation in pixels, 0 when off")
    }

    fn draw(&self, _: &Context<ImageSize>, rng: &mut impl Rng) -> BlurDraw {
        self.draw(rng)
    }
}

impl Draw<Image> for BlurDraw {
    fn apply(&self, _: &Context<ImageSize>, mut view: Image) -> Image {
        if let Self::On { sigma } = self {
            visual::gaussian::blur(&mut view, *sigma);
        }
        view
    }

    fn encode(&self, _: &Context<ImageSize>, vector: &mut Vec<f32>) {
        (*self).encode(vector);
    }
}

impl Family<Spectrogram> for Blur {
    type Draw = BlurDraw;

    const SLOTS: usize = 2;

    fn slots(&self, _: &Context<SpectrogramSize>) -> Vec<Slot> {
        self.slots("standard deviation in frames and mel bins, 0 when off")
    }

    fn draw(&self, context: &Context<SpectrogramSize>, rng: &mut impl Rng) -> BlurDraw {
        match (context.profile, self.draw(rng)) {
            // PUBLISHED: draws-without-effect, a blur too narrow for single precision is recorded
            // as a blur all the same; corrected records what acts.
            (Profile::Corrected, BlurDraw::On { sigma }) if !audio::gaussian::acts(sigma) => {
                BlurDraw::Off
            }
            (_, drawn) => drawn,
        }
    }
}

impl Draw<Spectrogram> for BlurDraw {
    fn apply(&self, _: &Context<SpectrogramSize>, view: Spectrogram) -> Spectrogram {
        match self {
            Self::Off => view,
            Self::On { sigma } => audio::gaussian::blur(&view, *sigma),
        }
    }

    fn carry(&self, context: &Context<SpectrogramSize>, marks: Spectrogram) -> Spectrogram {
        Draw::<Spectrogram>::apply(self, context, marks)
    }

    fn encode(&self, _: &Context<SpectrogramSize>, vector: &mut Vec<f32>) {
        (*self).encode(vector);
    }
}
