//! A picture with named axes; nothing else in the crate knows which axis is which.

use ndarray::{Array3, ArrayView3};
use serde::{Deserialize, Serialize};

use crate::View;

/// How large a picture is, in pixels.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSize {
    /// How many rows.
    pub height: usize,
    /// How many columns.
    pub width: usize,
}

impl ImageSize {
    /// A square of `side` pixels each way.
    pub fn square(side: usize) -> Self {
        Self { height: side, width: side }
    }
}

/// An RGB picture: `[height, width, 3]`, one byte per channel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Image(Array3<u8>);

impl Image {
    /// A picture of `pixels`, `[height, width, 3]`.
    ///
    /// # Panics
    ///
    /// If the last axis is not 3 long or there is no row or column.
    #[track_caller]
    pub fn new(pixels: Array3<u8>) -> Self {
        let shape = pixels.shape();
        assert_eq!(shape[2], 3, "Image::new: expected [height, width, 3], found {shape:?}");
        assert!(!pixels.is_empty(), "Image::new: {shape:?} has an empty axis");
        // Row by row in memory, which the inner loops rely on.
        if pixels.is_standard_layout() {
            Self(pixels)
        } else {
            Self(pixels.as_standard_layout().into_owned())
        }
    }

    /// A picture of `size` whose rows stand one after another in `bytes`.
    pub(crate) fn from_rows(size: ImageSize, bytes: Vec<u8>) -> Self {
        let pixels = Array3::from_shape_vec((size.height, size.width, 3), bytes);
        Self::new(pixels.expect("from_rows: three bytes per pixel"))
    }

    /// How many rows.
    pub fn height(&self) -> usize {
        self.0.dim().0
    }

    /// How many columns.
    pub fn width(&self) -> usize {
        self.0.dim().1
    }

    /// Rows and columns.
    pub fn size(&self) -> ImageSize {
        ImageSize { height: self.height(), width: self.width() }
    }

    /// The levels, `[height, width, 3]`.
    pub fn pixels(&self) -> ArrayView3<'_, u8> {
        self.0.view()
    }

    /// The levels, `[height, width, 3]`.
    pub fn into_pixels(self) -> Array3<u8> {
        self.0
    }

    /// The levels, row after row, red, green and blue of a pixel together.
    pub fn as_slice(&self) -> &[u8] {
        self.0.as_slice().expect("a picture is stored row by row")
    }

    /// The levels, row after row, red, green and blue of a pixel together.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        self.0.as_slice_mut().expect("a picture is stored row by row")
    }

    /// One pixel after another.
    pub(crate) fn colors(&self) -> &[[u8; 3]] {
        self.as_slice().as_chunks().0
    }

    /// One pixel after another.
    pub(crate) fn colors_mut(&mut self) -> &mut [[u8; 3]] {
        self.as_mut_slice().as_chunks_mut().0
    }

    /// One row of bytes after another, each three times the width long.
    pub(crate) fn rows_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut [u8]> {
        let stride = 3 * self.width();
        self.as_mut_slice().chunks_exact_mut(stride)
    }

    /// The picture as a model takes it: levels over 255, minus `mean`, over `std`, per channel.
    ///
    /// # Shapes
    ///
    /// - returns: `[3, height, width]`
    pub fn standardized(&self, mean: [f32; 3], std: [f32; 3]) -> Array3<f32> {
        let mut values = Array3::zeros((3, self.height(), self.width()));
        self.standardize(mean, std, values.as_slice_mut().expect("fresh arrays are row by row"));
        values
    }

    /// Writes [`standardized`](Self::standardized) to `values`, row by row.
    ///
    /// # Panics
    ///
    /// If `values` is not `3 * height * width` long.
    #[track_caller]
    pub fn standardize(&self, mean: [f32; 3], std: [f32; 3], values: &mut [f32]) {
        let count = self.height() * self.width();
        assert_eq!(values.len(), 3 * count, "standardize: wrong size");
        for (channel, plane) in values.chunks_exact_mut(count).enumerate() {
            let value = |level: usize| (level as f32 / 255.0 - mean[channel]) / std[channel];
            let table: [f32; 256] = std::array::from_fn(value);
            for (value, color) in plane.iter_mut().zip(self.colors()) {
                *value = table[usize::from(color[channel])];
            }
        }
    }
}

impl View for Image {
    type Size = ImageSize;

    fn size(&self) -> ImageSize {
        self.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standardized_equals_its_formula() {
        let pixels = Array3::from_shape_fn((2, 3, 3), |(y, x, c)| (40 * y + 70 * x + 9 * c) as u8);
        let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
        let ours = Image::new(pixels.clone()).standardized(mean, std);
        assert_eq!(ours.dim(), (3, 2, 3));
        for ((y, x, c), level) in pixels.indexed_iter() {
            let expected = (f32::from(*level) / 255.0 - mean[c]) / std[c];
            assert_eq!(ours[[c, y, x]], expected);
        }
    }

    #[test]
    fn pictures_in_another_memory_order_are_the_same_pictures() {
        let planes = Array3::from_shape_fn((3, 4, 5), |(c, y, x)| (100 * c + 10 * y + x) as u8);
        let image = Image::new(planes.clone().permuted_axes([1, 2, 0]));
        assert_eq!(image.pixels()[[2, 3, 1]], planes[[1, 2, 3]]);
        assert_eq!(image.as_slice()[3 * (2 * 5 + 3) + 1], planes[[1, 2, 3]]);
    }
}
