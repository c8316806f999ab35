//! Turns a picture by quarters.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::setting::Chance;
use crate::{Context, Draw, Family, Image, ImageSize, Profile, Setting, Slot, random};

/// Turns by one, two or three quarters.
///
/// A view that is not square would change its size by a quarter turn, so it is turned by halves.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default = "Setting::spec")]
pub struct Rotation {
    /// Chance that a draw turns, by no, one, two or three quarters alike.
    pub chance: Chance,
}

impl Setting for Rotation {
    fn spec() -> Self {
        Self { chance: Chance::of(0.5) }
    }
}

/// A drawn [`Rotation`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum RotationDraw {
    /// Leaves the view as it is.
    #[default]
    Off,
    /// Turns it counter-clockwise.
    By {
        /// How many quarters, 0 to 3.
        quarters: usize,
    },
}

impl Family<Image> for Rotation {
    type Draw = RotationDraw;

    const SLOTS: usize = 2;

    fn slots(&self, _: &Context<ImageSize>) -> Vec<Slot> {
        vec![
            Slot::flag("rotation on", "whether the view is turned"),
            Slot::range("quarter turns", 0.0, 3.0, "counter-clockwise, 0 when off"),
        ]
    }

    fn draw(&self, context: &Context<ImageSize>, rng: &mut impl Rng) -> RotationDraw {
        if !self.chance.strikes(rng) {
            return RotationDraw::Off;
        }
        let square = context.output.height == context.output.width;
        let quarters = if square { random::below(4, rng) } else { 2 * random::below(2, rng) };
        // PUBLISHED: draws-without-effect, a turn by nothing is recorded as a rotation.
        if context.profile == Profile::Corrected && quarters == 0 {
            return RotationDraw::Off;
        }
        RotationDraw::By { quarters }
    }
}

impl Draw<Image> for RotationDraw {
    fn apply(&self, _: &Context<ImageSize>, view: Image) -> Image {
        match self {
            Self::Off => view,
            Self::By { quarters } => rotate(view, *quarters),
        }
    }

    fn encode(&self, _: &Context<ImageSize>, vector: &mut Vec<f32>) {
        vector.extend(match self {
            Self::Off => [0.0, 0.0],
            Self::By { quarters } => [1.0, *quarters as f32],
        });
    }
}

/// Turns counter-clockwise by a number of quarters.
pub fn rotate(mut image: Image, quarters: usize) -> Image {
    match quarters % 4 {
        0 => image,
        2 => {
            image.colors_mut().reverse();
            image
        }
        odd => quarter_turn(&image, odd == 1),
    }
}

/// A quarter turn: columns become rows.
fn quarter_turn(image: &Image, counter_clockwise: bool) -> Image {
    let ImageSize { height, width } = image.size();
    let colors = image.colors();
    let mut turned = Vec::with_capacity(3 * colors.len());
    for row in 0..width {
        let column = if counter_clockwise { width - 1 - row } else { row };
        let from_top = colors.iter().skip(column).step_by(width);
        if counter_clockwise {
            from_top.for_each(|color| turned.extend(color));
        } else {
            from_top.rev().for_each(|color| turned.extend(color));
        }
    }
    Image::from_rows(ImageSize { height: width, width: height }, turned)
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    #[test]
    fn quarters_turn_counter_clockwise_and_four_are_none() {
        let pixels = Array3::from_shape_fn((2, 3, 3), |(y, x, _)| (10 * y + x) as u8);
        let image = Image::new(pixels);
        let levels = |image: &Image| image.colors().iter().map(|c| c[0]).collect::<Vec<_>>();
        assert_eq!(levels(&rotate(image.clone(), 1)), [2, 12, 1, 11, 0, 10]);
        assert_eq!(levels(&rotate(image.clone(), 2)), [12, 11, 10, 2, 1, 0]);
        assert_eq!(levels(&rotate(image.clone(), 3)), [10, 0, 11, 1, 12, 2]);
        let mut turned = image.clone();
        for _ in 0..4 {
            turned = rotate(turned, 1);
        }
        assert_eq!(turned, image);
    }
}
