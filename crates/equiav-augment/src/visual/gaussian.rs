//! Pillow's `ImageFilter.GaussianBlur`, byte for byte: three box blurs along either axis.
//!
//! A port of Pillow's `BoxBlur.c` (MIT-CMU licence), which follows Gwosdek et al., "Theoretical
//! Foundations of Gaussian Convolution by Extended Box Filtering" (SSVM 2011).

use multiversion::multiversion;

use super::turned::turned;
use crate::Image;

/// Blurs with a Gaussian of standard deviation `radius`, in pixels; 0 changes nothing.
pub fn blur(image: &mut Image, radius: f64) {
    let kernel = BoxKernel::new(box_radius(radius as f32));
    let (height, width) = (image.height(), image.width());
    // Whole rows of levels are summed at once, so the picture is turned on its side for its rows.
    let sideways = blur_passes(turned(image.colors(), width, 0..width), 3 * height, kernel);
    let upright = blur_passes(turned(sideways.as_chunks().0, height, 0..height), 3 * width, kernel);
    image.as_mut_slice().copy_from_slice(&upright);
}

/// All box blurs of the columns of `levels`, whose rows are `stride` long.
fn blur_passes(mut levels: Vec<u8>, stride: usize, kernel: BoxKernel) -> Vec<u8> {
    let mut blurred = vec![0; levels.len()];
    for _ in 0..PASSES {
        blur_columns(&mut blurred, &levels, stride, kernel);
        std::mem::swap(&mut blurred, &mut levels);
    }
    levels
}

/// How many box blurs stand for a Gaussian.
const PASSES: usize = 3;

/// The radius of an extended box whose [`PASSES`] have the variance of a Gaussian.
fn box_radius(sigma: f32) -> f32 {
    let variance = sigma * sigma / PASSES as f32;
    // [7] the length of a box, [11] the whole part of its radius, [14] the rest.
    let length = (12.0 * f64::from(variance) + 1.0).sqrt() as f32;
    let whole = ((f64::from(length) - 1.0) / 2.0).floor() as f32;
    let rest = (2.0 * whole + 1.0) * (whole * (whole + 1.0) - 3.0 * variance);
    whole + rest / (6.0 * (variance - (whole + 1.0) * (whole + 1.0)))
}

/// A box of whole pixels with a fraction of a pixel on either side, in 24 bits of fixed point.
#[derive(Clone, Copy)]
struct BoxKernel {
    /// Whole pixels on either side of the middle.
    radius: usize,
    /// The weight of a whole pixel.
    inner: u32,
    /// The weight of the two pixels just outside.
    outer: u32,
}

impl BoxKernel {
    const ONE: u32 = 1 << 24;

    fn new(radius: f32) -> Self {
        let whole = radius as u32;
        let inner = (Self::ONE as f32 / (radius * 2.0 + 1.0)) as u32;
        let outer = (Self::ONE - (whole * 2 + 1) * inner) / 2;
        Self { radius: whole as usize, inner, outer }
    }

    /// The level for the sum of the whole pixels and of the two outside.
    #[inline(always)]
    fn level(self, inside: u32, outside: u32) -> u8 {
        ((inside * self.inner + outside * self.outer + Self::ONE / 2) >> 24) as u8
    }
}

/// The indices around an output: those that leave and enter the running sum, and the two outside.
struct Window {
    last: usize,
    radius: usize,
}

impl Window {
    /// The input at a distance before `index`, or the first.
    fn before(&self, index: usize, distance: usize) -> usize {
        index.saturating_sub(distance)
    }

    /// The input at a distance after `index`, or the last.
    fn after(&self, index: usize, distance: usize) -> usize {
        (index + distance).min(self.last)
    }

    /// The inputs whose sum belongs to output 0, each as often as the border repeats it.
    fn first(&self) -> impl Iterator<Item = usize> {
        let inside = (1..=self.radius).map(|distance| self.after(0, distance));
        std::iter::repeat_n(0, self.radius + 1).chain(inside)
    }
}

/// One box blur of all columns of `inputs`, whose rows are `stride` long, into `outputs`.
#[multiversion(targets("x86_64+avx+avx2+fma+bmi1+bmi2"))]
fn blur_columns(outputs: &mut [u8], inputs: &[u8], stride: usize, kernel: BoxKernel) {
    let row = |index: usize| &inputs[index * stride..(index + 1) * stride];
    let window = Window { last: inputs.len() / stride - 1, radius: kernel.radius };
    let mut sums = vec![0_u32; stride];
    for index in window.first() {
        sums.iter_mut().zip(row(index)).for_each(|(sum, level)| *sum += u32::from(*level));
    }
    for (index, output) in outputs.chunks_exact_mut(stride).enumerate() {
        let above = row(window.before(index, kernel.radius + 1));
        let below = row(window.after(index, kernel.radius + 1));
        let leaving = row(window.before(index, kernel.radius));
        let outside = above.iter().zip(below).zip(leaving);
        for ((level, sum), ((above, below), leaving)) in
            output.iter_mut().zip(&mut sums).zip(outside)
        {
            *level = kernel.level(*sum, u32::from(*above) + u32::from(*below));
            *sum = *sum + u32::from(*below) - u32::from(*leaving);
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    #[test]
    fn a_pass_equals_its_formula() {
        let row: Vec<u8> = (0..21).map(|index| (index * index * 37 % 256) as u8).collect();
        for radius in [0.3, 1.0, 1.6, 3.2, 9.5] {
            let kernel = BoxKernel::new(radius);
            let mut blurred = vec![0; row.len()];
            blur_columns(&mut blurred, &row, 3, kernel);
            let whole = kernel.radius as isize;
            let at = |pixel: isize, channel: usize| {
                u32::from(row[3 * pixel.clamp(0, 6) as usize + channel])
            };
            for (index, level) in blurred.iter().enumerate() {
                let (pixel, channel) = ((index / 3) as isize, index % 3);
                let inside = (-whole..=whole).map(|d| at(pixel + d, channel)).sum();
                let outside = at(pixel - whole - 1, channel) + at(pixel + whole + 1, channel);
                assert_eq!(*level, kernel.level(inside, outside), "radius {radius}, {index}");
            }
        }
    }

    #[test]
    fn rows_and_columns_are_blurred_alike() {
        let lying = Array3::from_shape_fn((9, 7, 3), |(y, x, c)| (y * x * (40 + c) % 256) as u8);
        let turned = |pixels: Array3<u8>| pixels.permuted_axes([1, 0, 2]);
        for radius in [0.2, 0.9, 2.0, 11.0] {
            let mut image = Image::new(lying.clone());
            let mut upright = Image::new(turned(lying.clone()));
            blur(&mut image, radius);
            blur(&mut upright, radius);
            // The rows of one are the columns of the other; each pass rounds.
            let pairs = image.pixels().into_iter().copied().zip(turned(upright.into_pixels()));
            assert!(pairs.into_iter().all(|(a, b)| a.abs_diff(b) <= 2), "{radius}");
        }
    }

    #[test]
    fn the_variance_is_that_of_the_gaussian() {
        for sigma in [0.5_f32, 1.0, 1.5, 2.0] {
            let radius = box_radius(sigma);
            let kernel = BoxKernel::new(radius);
            let weight = |w: u32| f64::from(w) / f64::from(BoxKernel::ONE);
            let inside = (1..=kernel.radius).map(|d| 2.0 * (d * d) as f64).sum::<f64>();
            let far = ((kernel.radius + 1) * (kernel.radius + 1)) as f64;
            let variance = weight(kernel.inner) * inside + 2.0 * weight(kernel.outer) * far;
            let expected = f64::from(sigma * sigma) / PASSES as f64;
            assert!((variance - expected).abs() < 1e-4, "{sigma}: {variance} {expected}");
        }
    }

    #[test]
    fn no_radius_changes_nothing() {
        let dots = Array3::from_shape_fn((5, 4, 3), |(y, x, c)| (y * x * (40 + c)) as u8);
        let mut image = Image::new(dots.clone());
        blur(&mut image, 0.0);
        assert_eq!(image.into_pixels(), dots);
    }
}
