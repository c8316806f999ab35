//! Brightness, contrast, saturation and hue of a picture, in place, byte for byte as Pillow's.
//!
//! Ports of `ImageEnhance`, `Image.blend`, the luma and the HSV conversions of Pillow (MIT-CMU
//! licence) and of torchvision's `adjust_hue` on top of them.

use crate::Image;

/// Multiplies the levels: 1 changes nothing, 0 is black.
pub fn brightness(image: &mut Image, factor: f64) {
    let blend = Blend::new(factor);
    let table: [u8; 256] = std::array::from_fn(|level| blend.mix(0, level as u8));
    image.as_mut_slice().iter_mut().for_each(|level| *level = table[usize::from(*level)]);
}

/// Moves the levels away from the picture's mean luma: 1 changes nothing, 0 is grey all over.
pub fn contrast(image: &mut Image, factor: f64) {
    let sum: u64 = image.colors().iter().map(|color| u64::from(luma(*color))).sum();
    let mean = (sum as f64 / image.colors().len() as f64 + 0.5) as u8;
    let blend = Blend::new(factor);
    let table: [u8; 256] = std::array::from_fn(|level| blend.mix(mean, level as u8));
    image.as_mut_slice().iter_mut().for_each(|level| *level = table[usize::from(*level)]);
}

/// Moves each color away from its luma: 1 changes nothing, 0 is grey.
pub fn saturation(image: &mut Image, factor: f64) {
    let blend = Blend::new(factor);
    for color in image.colors_mut() {
        let grey = luma(*color);
        *color = color.map(|level| blend.mix(grey, level));
    }
}

/// Turns each color around the color circle; a `turn` of 1 or -1 is all the way.
pub fn hue(image: &mut Image, turn: f64) {
    // Cut towards zero and wrapped around, as numpy makes a byte of it.
    let steps = (turn * 255.0) as i32 as u8;
    let circle: [Sector; 256] =
        std::array::from_fn(|hue| Sector::of((hue as u8).wrapping_add(steps)));
    for color in image.colors_mut() {
        let [hue, saturation, value] = to_hsv(*color);
        *color = circle[usize::from(hue)].color(saturation, value);
    }
}

/// The luma of ITU-R 601 in 16 bits of fixed point, as Pillow's mode `L`.
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
        let (from, to) = (f32::from(from), f32::from(to));
        // Casting cuts towards zero and keeps within a byte.
        (from + self.0 * (to - from)) as u8
    }
}

/// Hue, saturation and value as bytes. Intermediate results have Pillow's precision.
fn to_hsv([red, green, blue]: [u8; 3]) -> [u8; 3] {
    let most = red.max(green).max(blue);
    let least = red.min(green).min(blue);
    if most == least {
        return [0, 0, most];
    }
    let range = f32::from(most - least);
    let (start, after, before) = if red == most {
        (0.0, blue, green)
    } else if green == most {
        (2.0, red, blue)
    } else {
        (4.0, green, red)
    };
    let below = |channel: u8| f64::from(f32::from(most - channel) / range);
    let sixths = (start + below(after) - below(before)) as f32;
    // The remainder of a division by 1, of a number between 0 and 2.
    let turns = f64::from(sixths) / 6.0 + 1.0;
    let hue = (if turns < 1.0 { turns } else { turns - 1.0 }) as f32;
    let saturation = range / f32::from(most);
    [(f64::from(hue) * 255.0) as u8, (f64::from(saturation) * 255.0) as u8, most]
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

    /// The color of this hue with a saturation and a value.
    fn color(self, saturation: u8, value: u8) -> [u8; 3] {
        let saturation = f64::from((f64::from(saturation) / 255.0) as f32);
        let scaled = |factor: f64| nearest(f64::from(value) * factor);
        let middle = scaled(1.0 - saturation * self.slope);
        let ranked = [value, middle, scaled(1.0 - saturation)];
        self.ranks.map(|rank| ranked[usize::from(rank)])
    }
}

/// The nearest whole number, half going up; far quicker than `round` without its instruction.
fn nearest(level: f64) -> u8 {
    let whole = level as u8;
    whole + u8::from(level - f64::from(whole) >= 0.5)
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

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
            assert_eq!(to_hsv(color), [hue, 255, 255], "{color:?}");
        }
        assert_eq!(to_hsv([7, 7, 7]), [0, 0, 7]);
        assert_eq!(Sector::of(123).color(0, 9), [9, 9, 9]);
    }

    #[test]
    fn every_color_of_no_turn_is_near_itself() {
        // Hue and saturation have 255 steps each, so a channel is off by a few levels at most.
        for red in (0..=255).step_by(15) {
            for green in (0..=255).step_by(17) {
                for blue in (0..=255).step_by(5) {
                    let [hue, saturation, value] = to_hsv([red, green, blue]);
                    let back = Sector::of(hue).color(saturation, value);
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
