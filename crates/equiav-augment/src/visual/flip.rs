//! Flips of a picture: left to right, and upside down.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::setting::Chance;
use crate::{Context, Draw, Family, Image, ImageSize, Setting, Slot};

/// Swaps left and right.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default = "Setting::spec")]
pub struct HorizontalFlip {
    /// Chance that a draw flips.
    pub chance: Chance,
}

impl Setting for HorizontalFlip {
    fn spec() -> Self {
        Self { chance: Chance::of(0.5) }
    }
}

/// A drawn [`HorizontalFlip`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum HorizontalFlipDraw {
    /// Leaves the view as it is.
    #[default]
    Off,
    /// Flips it.
    On,
}

impl Family<Image> for HorizontalFlip {
    type Draw = HorizontalFlipDraw;

    const SLOTS: usize = 1;

    fn slots(&self, _: &Context<ImageSize>) -> Vec<Slot> {
        vec![Slot::flag("horizontal flip on", "whether left and right are swapped")]
    }

    fn draw(&self, _: &Context<ImageSize>, rng: &mut impl Rng) -> HorizontalFlipDraw {
        if self.chance.strikes(rng) { HorizontalFlipDraw::On } else { HorizontalFlipDraw::Off }
    }
}

impl Draw<Image> for HorizontalFlipDraw {
    fn apply(&self, _: &Context<ImageSize>, mut view: Image) -> Image {
        if *self == Self::On {
            flip_horizontally(&mut view);
        }
        view
    }

    fn encode(&self, _: &Context<ImageSize>, vector: &mut Vec<f32>) {
        vector.push(f32::from(*self == Self::On));
    }
}

/// Swaps top and bottom.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default = "Setting::spec")]
pub struct VerticalFlip {
    /// Chance that a draw flips.
    pub chance: Chance,
}

impl Setting for VerticalFlip {
    fn spec() -> Self {
        Self { chance: Chance::of(0.5) }
    }
}

/// A drawn [`VerticalFlip`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum VerticalFlipDraw {
    /// Leaves the view as it is.
    #[default]
    Off,
    /// Flips it.
    On,
}

impl Family<Image> for VerticalFlip {
    type Draw = VerticalFlipDraw;

    const SLOTS: usize = 1;

    fn slots(&self, _: &Context<ImageSize>) -> Vec<Slot> {
        vec![Slot::flag("vertical flip on", "whether top and bottom are swapped")]
    }

    fn draw(&self, _: &Context<ImageSize>, rng: &mut impl Rng) -> VerticalFlipDraw {
        if self.chance.strikes(rng) { VerticalFlipDraw::On } else { VerticalFlipDraw::Off }
    }
}

impl Draw<Image> for VerticalFlipDraw {
    fn apply(&self, _: &Context<ImageSize>, mut view: Image) -> Image {
        if *self == Self::On {
            flip_vertically(&mut view);
        }
        view
    }

    fn encode(&self, _: &Context<ImageSize>, vector: &mut Vec<f32>) {
        vector.push(f32::from(*self == Self::On));
    }
}

/// Swaps left and right.
pub fn flip_horizontally(image: &mut Image) {
    let width = image.width();
    image.colors_mut().chunks_exact_mut(width).for_each(<[[u8; 3]]>::reverse);
}

/// Swaps top and bottom.
pub fn flip_vertically(image: &mut Image) {
    let mut rows = image.rows_mut();
    while let (Some(upper), Some(lower)) = (rows.next(), rows.next_back()) {
        upper.swap_with_slice(lower);
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, s};

    use super::*;

    #[test]
    fn each_flip_reverses_its_axis() {
        for height in [2, 3] {
            let index = |(y, x, c)| (100 * y + 10 * x + c) as u8;
            let plain = Array3::from_shape_fn((height, 4, 3), index);
            let mut mirrored = Image::new(plain.clone());
            flip_horizontally(&mut mirrored);
            assert_eq!(mirrored.into_pixels(), plain.slice(s![.., ..;-1, ..]));
            let mut upside_down = Image::new(plain.clone());
            flip_vertically(&mut upside_down);
            assert_eq!(upside_down.into_pixels(), plain.slice(s![..;-1, .., ..]));
        }
    }
}
