//! By libjpeg-turbo, as Pillow does: smooth upsampling, the exact transform, and so the same levels.

use turbojpeg::{Colorspace, Decompressor, Image, PixelFormat};

use super::{Pixels, zune};
use crate::media::picture::check_size;

/// More scans of one picture are an attack: each goes over all of it, and encoders write about ten.
const MOST_SCANS: u32 = 100;

/// What it says of bytes between the coded data and the next marker.
const LEFT_OVER: &str = "extraneous bytes before marker";

/// Decodes to RGB; what the library warns of is an error.
///
/// Bytes left over behind coded data are no fault where nothing else is: it names but the last of its
/// warnings, so that the other decoder is asked whether there was another.
pub(super) fn decode(bytes: &[u8], progressive: bool) -> Result<Pixels, String> {
    match decode_warned(bytes)? {
        (pixels, None) => Ok(pixels),
        (pixels, Some(warning)) if warning.contains(LEFT_OVER) => {
            zune::decode(bytes, progressive).map(|_| pixels)
        }
        (_, Some(warning)) => Err(warning),
    }
}

/// The picture, and what the library warned of.
///
/// The decompressor is made anew for each picture. A kept one would lend a file without tables
/// those of the picture before, and saves nothing: what is large belongs to a picture.
fn decode_warned(bytes: &[u8]) -> Result<(Pixels, Option<String>), String> {
    let reason = |error: turbojpeg::Error| format!("corrupt: {error}");
    let mut decompressor = Decompressor::new().map_err(reason)?;
    decompressor.set_scan_limit(MOST_SCANS).map_err(reason)?;
    let header = decompressor.read_header(bytes).map_err(reason)?;
    let (width, height) = (header.width, header.height);
    check_size(width as u64, height as u64)?;
    let has_key = matches!(header.colorspace, Colorspace::CMYK | Colorspace::YCCK);
    let format = if has_key { PixelFormat::CMYK } else { PixelFormat::RGB };
    let pitch = width * format.size();
    let mut levels = vec![0; height * pitch];
    let output = Image { pixels: &mut levels[..], width, pitch, height, format };
    // Levels are written in spite of a warning; of an error they are not looked at.
    let warning = decompressor.decompress(bytes, output).map_err(reason).err();
    if has_key {
        levels = without_key(&levels);
    }
    Ok((Pixels { height, width, levels }, warning))
}

/// RGB of inverted CMYK, as every program writes it to a jpg.
fn without_key(levels: &[u8]) -> Vec<u8> {
    let (pixels, _) = levels.as_chunks::<4>();
    pixels.iter().flat_map(|[rgb @ .., key]| rgb.map(|level| darkened(level, *key))).collect()
}

/// `level` * `key` / 255, to the nearest level.
fn darkened(level: u8, key: u8) -> u8 {
    ((u32::from(level) * u32::from(key) + 127) / 255) as u8
}
