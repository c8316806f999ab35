//! Pillow's `Image.resize`, byte for byte: separable, antialiased, in fixed point.
//!
//! A port of Pillow's `Resample.c` (MIT-CMU license). Integer arithmetic throughout, so a
//! vectorised version gives the same bytes.

use std::ops::Range;

use super::weighted;
pub use crate::array::resample::Filter;
use crate::array::resample::{Stretch, Taps, pillow};
use crate::audiovisual::crop::Region;
use crate::{Image, ImageSize};

/// A part of a picture in fractions of a pixel, from its upper left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Where it begins, downwards.
    pub top: f64,
    /// Where it begins, rightwards.
    pub left: f64,
    /// How many rows.
    pub height: f64,
    /// How many columns.
    pub width: f64,
}

/// Resizes a whole picture.
pub fn resize(image: &Image, output: ImageSize, filter: Filter) -> Image {
    let ImageSize { height, width } = image.size();
    resized_crop(image, Region { top: 0, left: 0, height, width }, output, filter)
}

/// Resizes a part as if it were cut out first: what lies around it has no influence.
///
/// # Panics
///
/// If the region reaches beyond the picture or is empty.
#[track_caller]
pub fn resized_crop(image: &Image, region: Region, output: ImageSize, filter: Filter) -> Image {
    assert!(
        region.fits(image.height(), image.width()),
        "resized_crop: {region:?} is no part of {:?}",
        image.size()
    );
    let taps = |first, length, outputs| {
        pillow(filter, &Stretch::whole(first..first + length, outputs), 0..outputs)
    };
    let along_rows = taps(region.left, region.width, output.width);
    let along_columns = taps(region.top, region.height, output.height);
    resample(image, &along_rows, &along_columns)
}

/// Resizes a part with what lies around it in sight, as Pillow's `resize(box=..)`.
///
/// # Panics
///
/// If the area reaches beyond the picture by more than rounding, or is empty.
#[track_caller]
pub fn resized_area(image: &Image, area: Area, output: ImageSize, filter: Filter) -> Image {
    const ROUNDING: f64 = 1e-6;
    let inside = |from: f64, length: f64, of: usize| {
        from > -ROUNDING && length > 0.0 && from + length < of as f64 + ROUNDING
    };
    assert!(
        inside(area.top, area.height, image.height())
            && inside(area.left, area.width, image.width()),
        "resized_area: {area:?} is no part of {:?}",
        image.size()
    );
    let taps = |inputs, from, length, outputs| {
        pillow(filter, &Stretch { inputs: 0..inputs, from, length, outputs }, 0..outputs)
    };
    let along_rows = taps(image.width(), area.left, area.width, output.width);
    let along_columns = taps(image.height(), area.top, area.height, output.height);
    resample(image, &along_rows, &along_columns)
}

/// Resizes to `scaled` but computes the `rows` and `columns` of the result only.
pub(super) fn resized_window(
    image: &Image,
    scaled: ImageSize,
    [rows, columns]: [Range<usize>; 2],
    filter: Filter,
) -> Image {
    let along_rows = pillow(filter, &Stretch::whole(0..image.width(), scaled.width), columns);
    let along_columns = pillow(filter, &Stretch::whole(0..image.height(), scaled.height), rows);
    resample(image, &along_rows, &along_columns)
}

/// First along the rows, for those rows that are needed, then along the columns.
fn resample(image: &Image, along_rows: &Taps<i32>, along_columns: &Taps<i32>) -> Image {
    let rows = along_columns.inputs();
    let (width, height) = (along_rows.len(), along_columns.len());
    let needed = &image.colors()[rows.start * image.width()..rows.end * image.width()];
    let narrow = weighted::along_rows(needed, image.width(), along_rows);
    let bytes =
        weighted::along_columns(narrow.as_flattened(), 3 * width, rows.start, along_columns);
    Image::from_rows(ImageSize { height, width }, bytes)
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    fn stripes(height: usize, width: usize) -> Image {
        let level = |(y, x, c): (usize, usize, usize)| (31 * y + 57 * x + 90 * c) % 256;
        Image::new(Array3::from_shape_fn((height, width, 3), |index| level(index) as u8))
    }

    #[test]
    fn the_same_size_is_the_same_picture() {
        let image = stripes(9, 13);
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            assert_eq!(resize(&image, image.size(), filter), image);
        }
    }

    #[test]
    fn one_color_stays_one_color() {
        let image = Image::new(Array3::from_elem((17, 23, 3), 201));
        for (height, width) in [(5, 40), (50, 3), (1, 1)] {
            for filter in [Filter::Bilinear, Filter::Bicubic] {
                let resized = resize(&image, ImageSize { height, width }, filter);
                assert_eq!(resized.size(), ImageSize { height, width });
                assert!(resized.as_slice().iter().all(|level| *level == 201));
            }
        }
    }

    #[test]
    fn halving_weighs_four_neighbors_one_three_three_one() {
        // The triangle of half-width 2 around the middle of a pair, in the middle of the row.
        let row = [0_u8, 8, 16, 80, 160, 40, 0, 0];
        let image = Image::new(Array3::from_shape_fn((1, 8, 3), |(_, x, _)| row[x]));
        let halved = resize(&image, ImageSize { height: 1, width: 4 }, Filter::Bilinear);
        assert_eq!(halved.pixels()[[0, 1, 0]], ((8 + 3 * 16 + 3 * 80 + 160) / 8) as u8);
    }

    #[test]
    fn a_window_is_a_part_of_the_whole() {
        let image = stripes(30, 41);
        let scaled = ImageSize { height: 13, width: 17 };
        let whole = resize(&image, scaled, Filter::Bicubic);
        let window = resized_window(&image, scaled, [2..9, 5..11], Filter::Bicubic);
        for ((y, x, c), level) in window.pixels().indexed_iter() {
            assert_eq!(*level, whole.pixels()[[y + 2, x + 5, c]]);
        }
    }

    #[test]
    fn surroundings_count_for_an_area_and_not_for_a_crop() {
        let mut pixels = Array3::zeros((8, 8, 3));
        pixels.slice_mut(ndarray::s![2..6, 2..6, ..]).fill(200);
        let image = Image::new(pixels);
        let output = ImageSize { height: 3, width: 3 };
        let region = Region { top: 2, left: 2, height: 4, width: 4 };
        let crop = resized_crop(&image, region, output, Filter::Bilinear);
        assert!(crop.as_slice().iter().all(|level| *level == 200));
        let area = Area { top: 2.0, left: 2.0, height: 4.0, width: 4.0 };
        let area = resized_area(&image, area, output, Filter::Bilinear);
        assert!(area.pixels()[[0, 0, 0]] < 200 && area.pixels()[[1, 1, 0]] == 200);
    }
}
