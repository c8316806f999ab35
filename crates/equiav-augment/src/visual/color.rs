//! Brightness, contrast, saturation and hue of a picture, in place, byte for byte as Pillow's.
//!
//! Ports of `ImageEnhance`, `Image.blend`, the luma and the HSV conversions of Pillow (MIT-CMU
//! licence) and of torchvision's `adjust_hue` on top of them.

use multiversion::multiversion;

use crate::Image;

/// Multiplies the levels: 1 changes nothing, 0 is black.
pub fn brightness(image: &mut Image, factor: f64) {
    let blend = Blend::new(factor);
    let table: [u8; 256] = std::array::from_fn(|level| blend.mix(0, level as u8));
    image.as_mut_slice().iter_mut().for_each(|level| *level = table[usize::from(*level)]);
}

/// Moves the levels away from the picture's mean luma: 1 changes nothing, 0 is grey all over.
pub fn contrast(image: &mut Image, factor: f64) {
    let sum: u64 = image.colors().chunks(LANES).map(|colors| u64::from(luma_sum(colors))).sum();
    let mean = (sum as f64 / image.colors().len() as f64 + 0.5) as u8;
    let blend = Blend::new(factor);
    let table: [u8; 256] = std::array::from_fn(|level| blend.mix(mean, level as u8));
    image.as_mut_slice().iter_mut().for_each(|level| *level = table[usize::from(*level)]);
}

/// Moves each color away from its luma: 1 changes nothing, 0 is grey.
pub fn saturation(image: &mut Image, factor: f64) {
    let blend = Blend::new(factor);
    image.colors_mut().chunks_mut(LANES).for_each(|colors| saturate(colors, blend));
}

/// Turns each color around the color circle; a `turn` of 1 or -1 is all the way.
pub fn hue(image: &mut Image, turn: f64) {
    // Cut towards zero and wrapped around, as numpy makes a byte of it.
    let steps = (turn * 255.0) as i32 as u8;
    let circle: [Sector; 256] =
        std::array::from_fn(|hue| Sector::of((hue as u8).wrapping_add(steps)));
    for colors in image.colors_mut().chunks_mut(LANES) {
        turn_hues(colors, &circle);
    }
}

/// Pixels whose hues are turned at once: enough for any vector, few enough for the nearest cache.
const LANES: usize = 64;

/// A number for each of some pixels.
type Lanes<T> = [T; LANES];

/// The sum of the lumas of at most [`LANES`] colors.
#[multiversion(targets("x86_64+avx+avx2+fma+bmi1+bmi2"))]
fn luma_sum(colors: &[[u8; 3]]) -> u32 {
    colors.iter().map(|color| u32::from(luma(*color))).sum()
}

/// Moves at most [`LANES`] colors away from their lumas.
#[multiversion(targets("x86_64+avx+avx2+fma+bmi1+bmi2"))]
fn saturate(colors: &mut [[u8; 3]], blend: Blend) {
    let mut levels = planes(colors);
    for lane in 0..LANES {
        let [red, green, blue] = levels.each_mut().map(|level| &mut level[lane]);
        let grey = luma([*red as u8, *green as u8, *blue as u8]);
        for level in [red, green, blue] {
            *level = blend.mixed(f32::from(grey), *level as f32);
        }
    }
    for (lane, color) in colors.iter_mut().enumerate() {
        *color = levels.each_ref().map(|level| level[lane] as u8);
    }
}

/// The channels of at most [`LANES`] colors, one after another; the rest is 0.
#[inline(always)]
fn planes(colors: &[[u8; 3]]) -> [Lanes<i32>; 3] {
    let mut levels = [[0; LANES]; 3];
    for (lane, color) in colors.iter().enumerate() {
        for (level, channel) in levels.iter_mut().zip(color) {
            level[lane] = i32::from(*channel);
        }
    }
    levels
}

/// Turns at most [`LANES`] colors by way of hue, saturation and value.
#[multiversion(targets("x86_64+avx+avx2+fma+bmi1+bmi2"))]
fn turn_hues(colors: &mut [[u8; 3]], circle: &[Sector; 256]) {
    let Hsv { hue, saturation, value } = to_hsv(&planes(colors));
    let sectors = hue.map(|hue| &circle[usize::from(hue as u8)]);
    let slopes = sectors.map(|sector| sector.slope);
    let (middle, least) = from_hsv(&slopes, &saturation, &value);
    for (lane, color) in colors.iter_mut().enumerate() {
        let ranked = [value[lane] as u8, middle[lane] as u8, least[lane] as u8];
        *color = sectors[lane].ranks.map(|rank| ranked[usize::from(rank)]);
    }
}

/// The luma of ITU-R 601 in 16 bits of fixed point, as Pillow's mode `L`.
#[inline(always)]
pub(super) fn luma([red, green, blue]: [u8; 3]) -> u8 {
    let sum = 19595 * u32::from(red) + 38470 * u32::from(green) + 7471 * u32::from(blue);
    ((sum + 0x8000) >> 16) as u8
}

/// Pillow's `Image.blend`: from one level towards another and beyond, cut towards zero.
#[derive(Clone, Copy)]
struct Blend(f32);

impl Blend {
    fn new(factor: f64) -> Self {
        Self(factor as f32)
    }

    fn mix(self, from: u8, to: u8) -> u8 {
        self.mixed(f32::from(from), f32::from(to)) as u8
    }

    /// As [`mix`](Self::mix), of levels as vectors have them.
    #[inline(always)]
    fn mixed(self, from: f32, to: f32) -> i32 {
        whole(f64::from((from + self.0 * (to - from)).clamp(0.0, 255.0)))
    }
}

/// Hue, saturation and value, each from 0 to 255.
struct Hsv {
    hue: Lanes<i32>,
    saturation: Lanes<i32>,
    value: Lanes<i32>,
}

/// From red, green and blue. Intermediate results have Pillow's precision; nothing branches, so that
/// the loop becomes one of vectors.
#[inline(always)]
fn to_hsv([red, green, blue]: &[Lanes<i32>; 3]) -> Hsv {
    let mut hsv = Hsv { hue: [0; LANES], saturation: [0; LANES], value: [0; LANES] };
    for lane in 0..LANES {
        let (red, green, blue) = (red[lane], green[lane], blue[lane]);
        let most = red.max(green).max(blue);
        let range = (most - red.min(green).min(blue)) as f32;
        let (is_red, is_green) = (red == most, green == most);
        let start = if is_red {
            0.0
        } else if is_green {
            2.0
        } else {
            4.0
        };
        let after = if is_red {
            blue
        } else if is_green {
            red
        } else {
            green
        };
        let before = if is_red {
            green
        } else if is_green {
            blue
        } else {
            red
        };
        // Greys have range 0, for which any divisor gives what Pillow has: hue and saturation 0.
        let below = |channel: i32| f64::from((most - channel) as f32 / range.max(1.0));
        let sixths = (start + below(after) - below(before)) as f32;
        // The remainder of a division by 1, of a number between 0 and 2.
        let turns = f64::from(sixths) / 6.0 + 1.0;
        let hue = (if turns < 1.0 { turns } else { turns - 1.0 }) as f32;
        let saturation = range / (most as f32).max(1.0);
        hsv.hue[lane] = whole(f64::from(hue) * 255.0);
        hsv.saturation[lane] = whole(f64::from(saturation) * 255.0);
        hsv.value[lane] = most;
    }
    hsv
}

/// The middle and the least channel of colors whose largest is `value`.
#[inline(always)]
fn from_hsv(
    slopes: &Lanes<f64>,
    saturation: &Lanes<i32>,
    value: &Lanes<i32>,
) -> (Lanes<i32>, Lanes<i32>) {
    let (mut middle, mut least) = ([0; LANES], [0; LANES]);
    for lane in 0..LANES {
        let saturation = f64::from((f64::from(saturation[lane]) / 255.0) as f32);
        // To the nearest whole number, half going up.
        let scaled = |factor: f64| whole(f64::from(value[lane]) * factor + 0.5);
        middle[lane] = scaled(1.0 - saturation * slopes[lane]);
        least[lane] = scaled(1.0 - saturation);
    }
    (middle, least)
}

/// The whole part of a number from 0 to 255; a cast, which saturates, is no operation of vectors.
#[inline(always)]
fn whole(level: f64) -> i32 {
    const INTEGERS: f64 = (1_u64 << 52) as f64;
    (level.floor() + INTEGERS).to_bits() as i32
}

/// A hue: which channel is largest, middle and smallest, and where the middle one lies.
#[derive(Clone, Copy)]
struct Sector {
    /// For red, green and blue: 0 if it is the largest, 1 the middle, 2 the smallest.
    ranks: [u8; 3],
    /// How far the middle channel is from the largest towards the smallest.
    slope: f64,
}

impl Sector {
    /// The ranks of red, green and blue in each sixth of the color circle, from red on.
    const RANKS: [[u8; 3]; 6] = [[0, 1, 2], [1, 0, 2], [2, 0, 1], [2, 1, 0], [1, 2, 0], [0, 2, 1]];

    fn of(hue: u8) -> Self {
        let sixths = f64::from(f32::from(hue)) * 6.0 / 255.0;
        let number = sixths as usize;
        let within = f64::from((sixths - number as f64) as f32);
        let slope = if number.is_multiple_of(2) { 1.0 - within } else { within };
        Self { ranks: Self::RANKS[number % 6], slope }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    /// Hue, saturation and value of one color.
    fn hsv(color: [u8; 3]) -> [i32; 3] {
        let Hsv { hue, saturation, value } = to_hsv(&planes(&[color]));
        [hue[0], saturation[0], value[0]]
    }

    /// A color that went to hue, saturation and value and back.
    fn there_and_back(mut color: [u8; 3]) -> [u8; 3] {
        let circle: [Sector; 256] = std::array::from_fn(|hue| Sector::of(hue as u8));
        turn_hues(std::slice::from_mut(&mut color), &circle);
        color
    }

    #[test]
    fn levels_are_cut_towards_zero_and_kept_within_a_byte() {
        assert_eq!(Blend::new(1.37).mix(0, 100), 137);
        assert_eq!(Blend::new(1.4).mix(0, 200), 255);
        assert_eq!(Blend::new(1.4).mix(200, 10), 0);
        assert_eq!(Blend::new(0.5).mix(0, 3), 1);
    }

    #[test]
    fn pure_colors_have_their_place_on_the_circle() {
        let colors = [[255, 0, 0], [255, 255, 0], [0, 255, 0], [0, 255, 255], [0, 0, 255]];
        for (color, hue) in colors.into_iter().zip([0, 42, 85, 127, 170]) {
            assert_eq!(hsv(color), [hue, 255, 255], "{color:?}");
        }
        assert_eq!(hsv([7, 7, 7]), [0, 0, 7]);
        assert_eq!(there_and_back([9, 9, 9]), [9, 9, 9]);
    }

    #[test]
    fn every_color_of_no_turn_is_near_itself() {
        // Hue and saturation have 255 steps each, so a channel is off by a few levels at most.
        for red in (0..=255).step_by(15) {
            for green in (0..=255).step_by(17) {
                for blue in (0..=255).step_by(5) {
                    let back = there_and_back([red, green, blue]);
                    let off = back.iter().zip([red, green, blue]).map(|(a, b)| a.abs_diff(b));
                    assert!(off.max() <= Some(7), "{red} {green} {blue}: {back:?}");
                }
            }
        }
    }

    #[test]
    fn a_third_of_a_turn_makes_red_green() {
        let mut image = Image::new(Array3::from_shape_fn((1, 1, 3), |(_, _, c)| [255, 0, 0][c]));
        hue(&mut image, 1.0 / 3.0);
        assert_eq!(image.colors(), [[0, 255, 0]]);
    }

    #[test]
    fn no_contrast_is_the_mean_luma() {
        let mut image = Image::new(Array3::from_shape_fn((1, 2, 3), |(_, x, _)| [10, 31][x]));
        contrast(&mut image, 0.0);
        assert_eq!(image.as_slice(), [21; 6]);
    }
}
