//! JPEG pictures, strictly: a truncated or damaged one is an error, not a grey area.

mod baseline;
mod color;
mod entropy;
mod transform;

use equiav_augment::Image;
use ndarray::Array3;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::picture::{LARGEST_SIDE, check_size};

const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;

/// Decodes the JPEG in `bytes`.
pub(crate) fn decode(bytes: &[u8]) -> Result<Image, String> {
    // The decoder takes an end within the last rows for the end of the image.
    if !ends(bytes) {
        return Err("truncated: it has no end-of-image marker".to_owned());
    }
    if let Some(image) = baseline::decode(bytes) {
        return Ok(image);
    }
    // PUBLISHED: jpeg-decoder, the published code reads with libjpeg-turbo, as do our baseline
    // pictures to the last bit; zune-jpeg, which reads the others, is up to 4 levels off.
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(LARGEST_SIDE as usize)
        .set_max_height(LARGEST_SIDE as usize);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let reason = |error: zune_jpeg::errors::DecodeErrors| format!("corrupt: {error}");
    decoder.decode_headers().map_err(reason)?;
    let (width, height) = decoder.dimensions().ok_or("corrupt: it has no dimensions")?;
    check_size(width as u64, height as u64)?;
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let space = if grey { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    let mut pixels = decoder.decode().map_err(reason)?;
    if grey {
        pixels = pixels.iter().flat_map(|level| [*level; 3]).collect();
    }
    let pixels = Array3::from_shape_vec((height, width, 3), pixels);
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
