//! Pillow's `ImageFilter.GaussianBlur`, byte for byte: three box blurs along either axis.
//!
//! A port of Pillow's `BoxBlur.c` (MIT-CMU license), which follows Gwosdek et al., "Theoretical
//! Foundations of Gaussian Convolution by Extended Box Filtering" (SSVM 2011).

use multiversion::multiversion;

use super::tile;
use crate::Image;

/// Blurs with a Gaussian of standard deviation `radius`, in pixels; 0 changes nothing.
pub fn blur(image: &mut Image, radius: f64) {
    let kernel = BoxKernel::new(box_radius(radius as f32));
    let width = image.width();
    blur_rows(image.colors_mut(), width, kernel);
    blur_columns(image.as_mut_slice(), 3 * width, kernel);
}

/// Bytes of a row that are blurred at once down the columns.
const BLOCK: usize = 64;
/// Bytes whose running sums are in registers together; divides the lengths of all lines.
const LANES: usize = 16;

/// Blurs each row of `pixels`, which are `width` long.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx512vbmi+avx+avx2+fma+bmi1+bmi2",
    "x86_64+avx+avx2+fma+bmi1+bmi2"
))]
fn blur_rows(pixels: &mut [[u8; 3]], width: usize, kernel: BoxKernel) {
    let (mut lines, mut strips) = (tile::empty(width), kernel.strips(width));
    for rows in pixels.chunks_mut(tile::LINES * width) {
        tile::turn(&mut lines, rows, width, 0);
        blur_lines(&mut lines, &mut strips, kernel);
        tile::turn_back(rows, &lines, width);
    }
}

/// Blurs each column of `bytes`, whose rows are `stride` long.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx512vbmi+avx+avx2+fma+bmi1+bmi2",
    "x86_64+avx+avx2+fma+bmi1+bmi2"
))]
fn blur_columns(bytes: &mut [u8], stride: usize, kernel: BoxKernel) {
    let height = bytes.len() / stride;
    let (mut lines, mut strips) = (vec![[0; BLOCK]; height], kernel.strips(height));
    for begin in (0..stride).step_by(BLOCK) {
        let part = begin..(begin + BLOCK).min(stride);
        for (line, row) in lines.iter_mut().zip(bytes.chunks_exact(stride)) {
            line[..part.len()].copy_from_slice(&row[part.clone()]);
        }
        blur_lines(&mut lines, &mut strips, kernel);
        for (row, line) in bytes.chunks_exact_mut(stride).zip(&lines) {
            row[part.clone()].copy_from_slice(&line[..part.len()]);
        }
    }
}

/// Some bytes of each line, with the first and the last line repeated as far as a box reaches.
type Strip = Vec<[u8; LANES]>;

/// All box blurs across `lines`.
#[inline(always)]
fn blur_lines<const N: usize>(lines: &mut [[u8; N]], strips: &mut [Strip; 2], kernel: BoxKernel) {
    let inside = kernel.reach()..kernel.reach() + lines.len();
    let [levels, blurred] = strips;
    for number in 0..N / LANES {
        for (part, line) in levels[inside.clone()].iter_mut().zip(&*lines) {
            *part = line.as_chunks().0[number];
        }
        for _ in 0..PASSES {
            let (first, last) = (levels[inside.start], levels[inside.end - 1]);
            levels[..inside.start].fill(first);
            levels[inside.end..].fill(last);
            box_blur(&mut blurred[inside.clone()], levels, kernel);
            std::mem::swap(blurred, levels);
        }
        for (part, line) in levels[inside.clone()].iter().zip(&mut *lines) {
            line.as_chunks_mut().0[number] = *part;
        }
    }
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

    /// How far the outermost pixels are from the middle.
    fn reach(self) -> usize {
        self.radius + 1
    }

    /// Room for strips of `lines`.
    fn strips(self, lines: usize) -> [Strip; 2] {
        [(); 2].map(|()| vec![[0; LANES]; lines + 2 * self.reach()])
    }

    /// The level for the sum of the whole pixels and of the two outside.
    #[inline(always)]
    fn level(self, inside: u32, outside: u32) -> u8 {
        ((inside * self.inner + outside * self.outer + Self::ONE / 2) >> 24) as u8
    }
}

/// One box blur of a strip into what lies inside of it.
#[inline(always)]
fn box_blur(outputs: &mut [[u8; LANES]], strip: &[[u8; LANES]], kernel: BoxKernel) {
    let mut sums = [0_u32; LANES];
    for line in &strip[1..2 * kernel.reach()] {
        (0..LANES).for_each(|lane| sums[lane] += u32::from(line[lane]));
    }
    let around = strip.iter().zip(&strip[1..]).zip(&strip[2 * kernel.reach()..]);
    for (output, ((above, leaving), below)) in outputs.iter_mut().zip(around) {
        // Written at once, or the sums would live in memory.
        let mut levels = [0; LANES];
        for lane in 0..LANES {
            let entering = u32::from(below[lane]);
            levels[lane] = kernel.level(sums[lane], u32::from(above[lane]) + entering);
            sums[lane] = sums[lane] + entering - u32::from(leaving[lane]);
        }
        *output = levels;
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
            let mut strip = vec![[0; LANES]; 7 + 2 * kernel.reach()];
            for (index, line) in strip.iter_mut().enumerate() {
                let pixel = index.saturating_sub(kernel.reach()).min(6);
                line[..3].copy_from_slice(&row[3 * pixel..3 * pixel + 3]);
            }
            let mut outputs = vec![[0; LANES]; 7];
            box_blur(&mut outputs, &strip, kernel);
            let blurred: Vec<_> = outputs.iter().flat_map(|line| line[..3].to_vec()).collect();
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
