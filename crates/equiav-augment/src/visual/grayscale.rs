//! Removes the color of a picture.

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::color;
use crate::setting::Chance;
use crate::{Context, Draw, Family, Image, ImageSize, Setting, Slot};

/// Makes all three channels the luma.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default = "Setting::spec")]
pub struct Grayscale {
    /// Chance that a draw removes the color.
    pub chance: Chance,
}

impl Setting for Grayscale {
    fn spec() -> Self {
        Self { chance: Chance::of(0.2) }
    }
}

/// A drawn [`Grayscale`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum GrayscaleDraw {
    /// Keeps the color.
    #[default]
    Off,
    /// Removes it.
    On,
}

impl Family<Image> for Grayscale {
    type Draw = GrayscaleDraw;

    const SLOTS: usize = 1;

    fn slots(&self, _: &Context<ImageSize>) -> Vec<Slot> {
        vec![Slot::flag("grayscale on", "whether the color is removed")]
    }

    fn draw(&self, _: &Context<ImageSize>, rng: &mut impl Rng) -> GrayscaleDraw {
        if self.chance.strikes(rng) { GrayscaleDraw::On } else { GrayscaleDraw::Off }
    }
}

impl Draw<Image> for GrayscaleDraw {
    fn apply(&self, _: &Context<ImageSize>, mut view: Image) -> Image {
        if *self == Self::On {
            grayscale(&mut view);
        }
        view
    }

    fn encode(&self, _: &Context<ImageSize>, vector: &mut Vec<f32>) {
        vector.push(f32::from(*self == Self::On));
    }
}

/// Makes all three channels the luma.
pub fn grayscale(image: &mut Image) {
    color::gray(image);
}
