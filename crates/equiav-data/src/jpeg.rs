//! JPEG pictures, strictly: a truncated or damaged one is an error, not a grey area.

#[cfg(feature = "turbojpeg")]
mod turbo;
#[cfg(not(feature = "turbojpeg"))]
mod zune;

use equiav_augment::Image;
use ndarray::Array3;

#[cfg(feature = "turbojpeg")]
use turbo as library;
#[cfg(not(feature = "turbojpeg"))]
use zune as library;

const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;

/// What decodes jpgs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JpegDecoder {
    /// libjpeg-turbo, with the feature `turbojpeg`: the levels that Pillow reads.
    LibjpegTurbo,
    /// zune-jpeg, without it: rarely more than 4 levels off, and slower. Coded data that ends early
    /// before an end marker it fills without a word.
    ZuneJpeg,
}

impl JpegDecoder {
    /// The decoder that this crate was built with.
    pub const BUILT: JpegDecoder =
        if cfg!(feature = "turbojpeg") { Self::LibjpegTurbo } else { Self::ZuneJpeg };
}

/// A decoded picture: RGB, row by row.
struct Pixels {
    height: usize,
    width: usize,
    levels: Vec<u8>,
}

/// Decodes the JPEG in `bytes`.
pub(crate) fn decode(bytes: &[u8]) -> Result<Image, String> {
    // The decoders take an end within the last rows for the end of the image.
    if !ends(bytes) {
        return Err("truncated: it has no end-of-image marker".to_owned());
    }
    // PUBLISHED: jpeg-decoder, the published code reads with libjpeg-turbo, as we do where it was
    // built in; zune-jpeg is rarely more than 4 levels off.
    let Pixels { height, width, levels } = library::decode(bytes)?;
    let pixels = Array3::from_shape_vec((height, width, 3), levels);
    pixels.map(Image::new).map_err(|_| "corrupt: it has too few pixels".to_owned())
}

/// Whether the segments of the file lead to an end-of-image marker.
fn ends(bytes: &[u8]) -> bool {
    let mut position = 2;
    loop {
        let Some(marker) = next_marker(bytes, &mut position) else {
            return false;
        };
        match marker {
            END_OF_IMAGE => return true,
            0x01 | 0xd0..=0xd8 => {}
            _ => {
                let Some(length) = bytes.get(position..position + 2) else {
                    return false;
                };
                position += usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
                if marker == START_OF_SCAN {
                    skip_scan(bytes, &mut position);
                }
            }
        }
    }
}

/// The marker at or behind `position`, which is moved behind it.
fn next_marker(bytes: &[u8], position: &mut usize) -> Option<u8> {
    find_marker(bytes, position, |code| !matches!(code, 0 | 0xff))?;
    *position += 2;
    Some(bytes[*position - 1])
}

/// Moves `position` to the first marker that is no part of coded data.
fn skip_scan(bytes: &[u8], position: &mut usize) {
    let ends_scan = |code| !matches!(code, 0 | 0xd0..=0xd7 | 0xff);
    if find_marker(bytes, position, ends_scan).is_none() {
        *position = bytes.len();
    }
}

/// Moves `position` to the first 0xff at or behind it that comes before a `wanted` code.
fn find_marker(bytes: &[u8], position: &mut usize, wanted: impl Fn(u8) -> bool) -> Option<()> {
    let rest = bytes.get(*position..)?;
    let mut prefixes = memchr::memchr_iter(0xff, rest);
    *position += prefixes.find(|at| rest.get(at + 1).is_some_and(|code| wanted(*code)))?;
    Some(())
}
