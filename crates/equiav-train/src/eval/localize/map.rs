//! A map, and how it is drawn.

use equiav_augment::Image;
use equiav_data::sheet::heat::Heat;
use image::RgbImage;
use ndarray::Array2;

/// The map of one picture for one sound.
#[derive(Clone, Debug, PartialEq)]
pub struct PlaceMap {
    /// What the similarity owes to each place, a value for each pixel of the plain view.
    pub values: Array2<f32>,
    /// Which part of the picture the plain view shows: left, top, right, bottom as shares of its sides.
    pub part: [f64; 4],
    /// The cosine of picture and sound as wholes.
    pub similarity: f32,
    /// Whether that is enough for the map to be shown.
    pub lit: bool,
}

/// The range of values that is drawn: not seen at the first, brightest at the second.
const DRAWN: [f32; 2] = [0.0, 1.0];

impl PlaceMap {
    /// The greatest value.
    pub fn greatest(&self) -> f32 {
        self.values.iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }

    /// The picture with the map over it, if it is lit; equal values have equal colors in all pictures.
    pub fn over(&self, picture: &Image) -> RgbImage {
        let dark = Array2::zeros(self.values.dim());
        let values = if self.lit { self.values.view() } else { dark.view() };
        Heat { values, part: self.part, range: DRAWN }.over(picture)
    }
}
