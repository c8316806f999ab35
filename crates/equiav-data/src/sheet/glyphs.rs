//! Capitals, digits and a few signs, drawn by hand, so that a caption needs no font file.

use image::{Rgb, RgbImage};

/// Pixels of the sheet along each side of a dot.
const DOT: u32 = 2;
/// Height of a caption in pixels.
pub const GLYPH_HEIGHT: u32 = 5 * DOT;
/// Pixels from one sign of a caption to the next.
pub const GLYPH_ADVANCE: u32 = 4 * DOT;

/// Writes `text` in capitals with its upper left corner at `corner`; unknown signs are blanks.
pub fn write(sheet: &mut RgbImage, corner: [u32; 2], text: &str) {
    for (index, sign) in text.chars().enumerate() {
        let dots = dots(sign.to_ascii_uppercase());
        let left = corner[0] + index as u32 * GLYPH_ADVANCE;
        for dot in (0..15_u32).filter(|dot| dots >> (14 - dot) & 1 == 1) {
            let (x, y) = (left + dot % 3 * DOT, corner[1] + dot / 3 * DOT);
            for (dx, dy) in (0..DOT * DOT).map(|at| (at % DOT, at / DOT)) {
                if let Some(pixel) = sheet.get_pixel_mut_checked(x + dx, y + dy) {
                    *pixel = Rgb([40; 3]);
                }
            }
        }
    }
}

/// Three dots by five, row by row.
fn dots(sign: char) -> u16 {
    match sign {
        '0' => 0b111_101_101_101_111,
        '1' => 0b010_110_010_010_111,
        '2' => 0b111_001_111_100_111,
        '3' => 0b111_001_111_001_111,
        '4' => 0b101_101_111_001_001,
        '5' => 0b111_100_111_001_111,
        '6' => 0b111_100_111_101_111,
        '7' => 0b111_001_010_010_010,
        '8' => 0b111_101_111_101_111,
        '9' => 0b111_101_111_001_111,
        'A' => 0b010_101_111_101_101,
        'B' => 0b110_101_110_101_110,
        'C' => 0b011_100_100_100_011,
        'D' => 0b110_101_101_101_110,
        'E' => 0b111_100_110_100_111,
        'F' => 0b111_100_110_100_100,
        'G' => 0b011_100_101_101_011,
        'H' => 0b101_101_111_101_101,
        'I' => 0b111_010_010_010_111,
        'J' => 0b001_001_001_101_010,
        'K' => 0b101_101_110_101_101,
        'L' => 0b100_100_100_100_111,
        'M' => 0b101_111_111_101_101,
        'N' => 0b110_101_101_101_101,
        'O' => 0b010_101_101_101_010,
        'P' => 0b110_101_110_100_100,
        'Q' => 0b010_101_101_110_011,
        'R' => 0b110_101_110_101_101,
        'S' => 0b011_100_010_001_110,
        'T' => 0b111_010_010_010_010,
        'U' => 0b101_101_101_101_111,
        'V' => 0b101_101_101_101_010,
        'W' => 0b101_101_111_111_101,
        'X' => 0b101_101_010_101_101,
        'Y' => 0b101_101_010_010_010,
        'Z' => 0b111_001_010_100_111,
        '.' => 0b000_000_000_000_010,
        '-' => 0b000_000_111_000_000,
        ':' => 0b000_010_000_010_000,
        '>' => 0b100_010_001_010_100,
        '+' => 0b000_010_111_010_000,
        ',' => 0b000_000_000_010_100,
        '/' => 0b001_001_010_100_100,
        '_' => 0b000_000_000_000_111,
        '(' => 0b001_010_010_010_001,
        ')' => 0b100_010_010_010_100,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_is_drawn_where_it_is_asked_for() {
        let mut sheet = RgbImage::from_pixel(20, 20, Rgb([255; 3]));
        write(&mut sheet, [3, 5], "l");
        let dark = |x, y| sheet.get_pixel(x, y).0[0] < 128;
        assert!(dark(3, 5) && dark(4, 14) && dark(8, 14));
        assert!(!dark(5, 5) && !dark(2, 5) && !dark(3, 4));
        // What does not fit is not drawn.
        write(&mut sheet, [18, 18], "888");
    }

    #[test]
    fn no_two_signs_look_alike() {
        let signs = "0123456789ABCDEFGHIJKLMNPQRSTUVWXYZ.-:>+,/_()";
        let mut seen: Vec<_> = signs.chars().map(dots).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), signs.len());
    }
}
