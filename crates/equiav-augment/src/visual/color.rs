//! Brightness, contrast, saturation and hue of a picture, in place, byte for byte as Pillow's.
//!
//! Ports of `ImageEnhance`, `Image.blend`, the luma and the HSV conversions of Pillow (MIT-CMU
//! license) and of torchvision's `adjust_hue` on top of them.

use multiversion::multiversion;

use crate::Image;

/// One change of the colors of a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// Multiplies the levels: 1 changes nothing, 0 is black.
    Brightness(f64),
    /// Moves the levels away from the picture's mean luma: 1 changes nothing, 0 is gray all over.
    Contrast(f64),
    /// Moves each color away from its luma: 1 changes nothing, 0 is gray.
    Saturation(f64),
    /// Turns each color around the color circle; 1 or -1 is all the way.
    Hue(f64),
}

/// Changes a picture by each of `changes` in turn, in as few passes as their means allow.
pub fn change(image: &mut Image, changes: &[Change]) {
    let mut luma = None;
    let mut rest = changes;
    while !rest.is_empty() {
        // A contrast needs the mean of what the changes before it made.
        let later = rest.iter().skip(1).position(|change| matches!(change, Change::Contrast(_)));
        let (now, later) = rest.split_at(later.map_or(rest.len(), |position| position + 1));
        if let (Change::Contrast(_), None) = (now[0], luma) {
            luma = Some(pass(image.colors_mut(), &[]));
        }
        let mean = luma.map_or(0, |sum| mean(sum, image.colors().len()));
        let steps: Vec<Step> = now.iter().map(|change| Step::new(*change, mean)).collect();
        luma = Some(pass(image.colors_mut(), &steps));
        rest = later;
    }
}

/// Multiplies the levels: 1 changes nothing, 0 is black.
pub fn brightness(image: &mut Image, factor: f64) {
    change(image, &[Change::Brightness(factor)]);
}

/// Moves the levels away from the picture's mean luma: 1 changes nothing, 0 is gray all over.
pub fn contrast(image: &mut Image, factor: f64) {
    change(image, &[Change::Contrast(factor)]);
}

/// Moves each color away from its luma: 1 changes nothing, 0 is gray.
pub fn saturation(image: &mut Image, factor: f64) {
    change(image, &[Change::Saturation(factor)]);
}

/// Turns each color around the color circle; a `turn` of 1 or -1 is all the way.
pub fn hue(image: &mut Image, turn: f64) {
    change(image, &[Change::Hue(turn)]);
}

/// Makes all three channels the luma.
pub(super) fn gray(image: &mut Image) {
    pass(image.colors_mut(), &[Step::Gray]);
}

/// The mean of `count` lumas, to the nearest whole number.
fn mean(sum: u64, count: usize) -> u8 {
    (sum as f64 / count as f64 + 0.5) as u8
}

/// A change of a color that looks at nothing around it.
#[derive(Clone, Copy)]
enum Step {
    /// Away from one level.
    Level(Blend, u8),
    /// Away from the color's luma.
    Luma(Blend),
    /// To the color's luma.
    Gray,
    /// Around the circle, by some of its 256 steps.
    Turn(u8),
}

impl Step {
    /// The step of a change of a picture whose mean luma is `mean`.
    fn new(change: Change, mean: u8) -> Self {
        match change {
            Change::Brightness(factor) => Self::Level(Blend::new(factor), 0),
            Change::Contrast(factor) => Self::Level(Blend::new(factor), mean),
            Change::Saturation(factor) => Self::Luma(Blend::new(factor)),
            // Cut towards zero and wrapped around, as numpy makes a byte of it.
            Change::Hue(turn) => Self::Turn((turn * 255.0) as i32 as u8),
        }
    }
}

/// Pixels that are changed at once: enough for any vector, few enough for the nearest cache.
const LANES: usize = 64;

/// A number for each of some pixels.
type Lanes<T> = [T; LANES];

/// Red, green and blue of some pixels.
type Planes = [Lanes<u8>; 3];

/// Takes each color through `steps`; the sum of the lumas of what comes out.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx512vbmi+avx+avx2+fma+bmi1+bmi2",
    "x86_64+avx+avx2+fma+bmi1+bmi2"
))]
fn pass(colors: &mut [[u8; 3]], steps: &[Step]) -> u64 {
    let (blocks, rest) = colors.as_chunks_mut::<LANES>();
    let mut sum = 0;
    for block in blocks {
        sum += take(block, steps, LANES);
    }
    if !rest.is_empty() {
        let mut block = [[0; 3]; LANES];
        block[..rest.len()].copy_from_slice(rest);
        sum += take(&mut block, steps, rest.len());
        rest.copy_from_slice(&block[..rest.len()]);
    }
    sum
}

/// Takes a block through `steps`; the sum of the first `count` lumas of what comes out.
#[inline(always)]
fn take(block: &mut [[u8; 3]; LANES], steps: &[Step], count: usize) -> u64 {
    let mut planes = planes(block);
    for step in steps {
        match *step {
            Step::Level(blend, from) => {
                for plane in &mut planes {
                    for level in plane {
                        *level = blend.mix(from, *level);
                    }
                }
            }
            Step::Luma(blend) => {
                let gray = lumas(&planes);
                for plane in &mut planes {
                    for lane in 0..LANES {
                        plane[lane] = blend.mix(gray[lane], plane[lane]);
                    }
                }
            }
            Step::Gray => planes = [lumas(&planes); 3],
            Step::Turn(by) => turn_hues(&mut planes, by),
        }
    }
    if !steps.is_empty() {
        let [red, green, blue] = &planes;
        for lane in 0..LANES {
            block[lane] = [red[lane], green[lane], blue[lane]];
        }
    }
    lumas(&planes)[..count].iter().map(|luma| u64::from(*luma)).sum()
}

/// The channels of a block one after another.
#[inline(always)]
fn planes(block: &[[u8; 3]; LANES]) -> Planes {
    let mut planes = [[0; LANES]; 3];
    for lane in 0..LANES {
        for channel in 0..3 {
            planes[channel][lane] = block[lane][channel];
        }
    }
    planes
}

/// The lumas of ITU-R 601 in 16 bits of fixed point, as Pillow's mode `L`.
#[inline(always)]
fn lumas([red, green, blue]: &Planes) -> Lanes<u8> {
    let mut lumas = [0; LANES];
    for lane in 0..LANES {
        let (red, green, blue) = (red[lane], green[lane], blue[lane]);
        let sum = 19595 * u32::from(red) + 38470 * u32::from(green) + 7471 * u32::from(blue);
        lumas[lane] = ((sum + 0x8000) >> 16) as u8;
    }
    lumas
}

/// Pillow's `Image.blend`: from one level towards another and beyond, cut towards zero.
#[derive(Clone, Copy)]
struct Blend(f32);

impl Blend {
    fn new(factor: f64) -> Self {
        Self(factor as f32)
    }

    #[inline(always)]
    fn mix(self, from: u8, to: u8) -> u8 {
        let (from, to) = (f32::from(from), f32::from(to));
        // The last bits of a number from 2^23 on are its whole part; a cast, which saturates, is no
        // operation of vectors.
        const INTEGERS: f32 = (1_u32 << 23) as f32;
        let level = (from + self.0 * (to - from)).clamp(0.0, 255.0);
        (level.floor() + INTEGERS).to_bits() as u8
    }
}

/// Turns the colors by way of hue, saturation and value. Intermediate results have Pillow's
/// precision; nothing branches, so that the loops become ones of vectors.
#[inline(always)]
fn turn_hues(planes: &mut Planes, by: u8) {
    let Hsv { hue, saturation, value } = to_hsv(planes);
    let (mut sixth, mut middle, mut least) = ([0; LANES], [0; LANES], [0; LANES]);
    for lane in 0..LANES {
        let sixths = f64::from((hue[lane] + i32::from(by)) & 255) * 6.0 / 255.0;
        let number = sixths.floor();
        let within = f64::from((sixths - number) as f32);
        let share = f64::from((f64::from(saturation[lane]) / 255.0) as f32);
        sixth[lane] = whole(number);
        let slope = if sixth[lane] & 1 == 0 { 1.0 - within } else { within };
        // To the nearest whole number, half going up.
        let scaled = |factor: f64| whole(f64::from(value[lane]) * factor + 0.5);
        middle[lane] = scaled(1.0 - share * slope);
        least[lane] = scaled(1.0 - share);
    }
    let [red, green, blue] = planes;
    for lane in 0..LANES {
        let (most, middle, least) = (value[lane], middle[lane], least[lane]);
        let sixth = if sixth[lane] == 6 { 0 } else { sixth[lane] };
        let ranked = move |at_most: [i32; 2], in_middle: [i32; 2]| {
            // Both sides of each "or" are looked at: a branch would end the vectors.
            let is_middle = (sixth == in_middle[0]) | (sixth == in_middle[1]);
            let other = if is_middle { middle } else { least };
            let is_most = (sixth == at_most[0]) | (sixth == at_most[1]);
            (if is_most { most } else { other }) as u8
        };
        red[lane] = ranked([5, 0], [1, 4]);
        green[lane] = ranked([1, 2], [0, 3]);
        blue[lane] = ranked([3, 4], [2, 5]);
    }
}

/// Hue, saturation and value, each from 0 to 255.
struct Hsv {
    hue: Lanes<i32>,
    saturation: Lanes<i32>,
    value: Lanes<i32>,
}

/// From red, green and blue.
#[inline(always)]
fn to_hsv([red, green, blue]: &Planes) -> Hsv {
    let (mut sixths, mut shares) = ([0_f32; LANES], [0_f32; LANES]);
    let mut hsv = Hsv { hue: [0; LANES], saturation: [0; LANES], value: [0; LANES] };
    for lane in 0..LANES {
        let [red, green, blue] = [red, green, blue].map(|plane| i32::from(plane[lane]));
        let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
        let range = most - least;
        let middle = red + green + blue - most - least;
        let (is_red, is_green) = (red == most, green == most);
        let start = if is_red {
            0.0
        } else if is_green {
            2.0
        } else {
            4.0
        };
        let before = if is_red {
            green
        } else if is_green {
            blue
        } else {
            red
        };
        // Pillow has start + after - before, of which the least channel's is exactly 1.
        let below = (most - middle) as f32 / range.max(1) as f32;
        let turned = if before == least { start - 1.0 + below } else { start + 1.0 - below };
        sixths[lane] = if range == 0 { 0.0 } else { turned };
        shares[lane] = range as f32 / most.max(1) as f32;
        hsv.value[lane] = most;
    }
    for lane in 0..LANES {
        // The remainder of a division by 1, of a number between 0 and 2.
        let turns = f64::from(sixths[lane]) / 6.0 + 1.0;
        let hue = (if turns < 1.0 { turns } else { turns - 1.0 }) as f32;
        hsv.hue[lane] = whole(f64::from(hue) * 255.0);
        hsv.saturation[lane] = whole(f64::from(shares[lane]) * 255.0);
    }
    hsv
}

/// The whole part of a number from 0 to 255; a cast, which saturates, is no operation of vectors.
#[inline(always)]
fn whole(level: f64) -> i32 {
    const INTEGERS: f64 = (1_u64 << 52) as f64;
    (level.floor() + INTEGERS).to_bits() as i32
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    /// Hue, saturation and value of one color.
    fn hsv(color: [u8; 3]) -> [i32; 3] {
        let Hsv { hue, saturation, value } = to_hsv(&planes(&[color; LANES]));
        [hue[0], saturation[0], value[0]]
    }

    /// A color that went to hue, saturation and value and back.
    fn there_and_back(mut color: [u8; 3]) -> [u8; 3] {
        pass(std::slice::from_mut(&mut color), &[Step::Turn(0)]);
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
