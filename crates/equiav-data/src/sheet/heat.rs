//! Maps over pictures: brighter and more opaque where a value is higher, by one scale for all maps.

use equiav_augment::Image;
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use ndarray::ArrayView2;

use super::viridis;

/// How much of the picture the highest level covers.
const OPACITY: f32 = 0.75;
/// What lies outside of the map's part is this much darker.
const OUTSIDE: f32 = 0.45;

/// A map over a part of a picture.
#[derive(Clone, Copy, Debug)]
pub struct Heat<'a> {
    /// The values, rows from above.
    pub values: ArrayView2<'a, f32>,
    /// Which part of the picture they cover: left, top, right, bottom as shares of its sides.
    pub part: [f64; 4],
    /// The value that is not seen, and the one that is brightest; the same for all maps that are compared.
    pub range: [f32; 2],
}

impl Heat<'_> {
    /// The picture with the map over it, at the picture's own size.
    pub fn over(&self, picture: &Image) -> RgbImage {
        let (width, height) = (picture.width() as u32, picture.height() as u32);
        let pixels = picture.as_slice().to_vec();
        let mut drawn = RgbImage::from_raw(width, height, pixels).expect("three levels a pixel");
        for (x, y, pixel) in drawn.enumerate_pixels_mut() {
            let at =
                [(f64::from(x) + 0.5) / f64::from(width), (f64::from(y) + 0.5) / f64::from(height)];
            *pixel = match self.level(at) {
                Some(level) => mix(*pixel, viridis(level), OPACITY * level),
                None => mix(*pixel, Rgb([0; 3]), OUTSIDE),
            };
        }
        drawn
    }

    /// The level in [0, 1] at a point of the picture; nothing outside of the part.
    fn level(&self, at: [f64; 2]) -> Option<f32> {
        let [left, top, right, bottom] = self.part;
        let (rows, columns) = self.values.dim();
        let place = |value: f64, from: f64, to: f64, cells: usize| {
            let share = (value - from) / (to - from);
            (0.0..1.0).contains(&share).then_some(share * cells as f64 - 0.5)
        };
        let (x, y) = (place(at[0], left, right, columns)?, place(at[1], top, bottom, rows)?);
        let value = self.between(y, x);
        let [low, high] = self.range;
        Some(((value - low) / (high - low)).clamp(0.0, 1.0))
    }

    /// Linearly between the four values about a point, which is in cells.
    fn between(&self, y: f64, x: f64) -> f32 {
        let (rows, columns) = self.values.dim();
        let split = |at: f64, cells: usize| {
            let at = at.clamp(0.0, (cells - 1) as f64);
            let low = (at as usize).min(cells.saturating_sub(2));
            (low, (low + 1).min(cells - 1), (at - low as f64) as f32)
        };
        let ((above, below, down), (left, right, across)) = (split(y, rows), split(x, columns));
        let row = |row: usize| {
            self.values[[row, left]] * (1.0 - across) + self.values[[row, right]] * across
        };
        row(above) * (1.0 - down) + row(below) * down
    }
}

/// `picture` at `side` pixels on its longer side, for a page.
pub fn scaled(picture: &RgbImage, side: u32) -> RgbImage {
    let longest = picture.width().max(picture.height()).max(1);
    let fit = |length: u32| (length * side).div_ceil(longest).max(1);
    let (width, height) = (fit(picture.width()), fit(picture.height()));
    imageops::resize(picture, width, height, FilterType::CatmullRom)
}

fn mix(a: Rgb<u8>, b: Rgb<u8>, share: f32) -> Rgb<u8> {
    Rgb(std::array::from_fn(|channel| {
        let (a, b) = (f32::from(a.0[channel]), f32::from(b.0[channel]));
        (a * (1.0 - share) + b * share).round() as u8
    }))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Array3};

    use super::*;

    #[test]
    fn a_map_lies_where_its_part_is_and_what_is_low_is_not_seen() {
        let picture = Image::new(Array3::from_elem((20, 40, 3), 100));
        // The middle square of a wide picture; hot in its upper left quarter.
        let values =
            Array2::from_shape_fn((10, 10), |(y, x)| if y < 5 && x < 5 { 1.0 } else { -1.0 });
        let heat = Heat { values: values.view(), part: [0.25, 0.0, 0.75, 1.0], range: [0.0, 1.0] };
        let drawn = heat.over(&picture);
        let at = |x, y| *drawn.get_pixel(x, y);
        assert_eq!(at(12, 2), mix(Rgb([100; 3]), viridis(1.0), OPACITY), "hot");
        assert_eq!(at(28, 2), Rgb([100; 3]), "cold: the picture as it is");
        assert_eq!(at(12, 18), Rgb([100; 3]));
        for x in [0, 9, 30, 39] {
            assert_eq!(at(x, 2), Rgb([55; 3]), "outside of the part at {x}");
        }
        let flat = Array2::zeros((1, 1));
        let heat = Heat { values: flat.view(), part: [0.0, 0.0, 1.0, 1.0], range: [0.0, 1.0] };
        assert!(heat.over(&picture).pixels().all(|pixel| *pixel == Rgb([100; 3])));
    }

    #[test]
    fn pictures_are_scaled_by_their_longer_side() {
        assert_eq!(scaled(&RgbImage::new(40, 20), 80).dimensions(), (80, 40));
        assert_eq!(scaled(&RgbImage::new(20, 300), 100).dimensions(), (7, 100));
    }
}
