//! By libjpeg-turbo, as Pillow does: smooth upsampling, the exact transform, and so the same levels.

use turbojpeg::{Colorspace, Decompressor, Image, PixelFormat};

use super::Pixels;
use crate::picture::check_size;

/// More scans of one picture are an attack: each goes over all of it, and encoders write about ten.
const MOST_SCANS: u32 = 100;

/// Decodes to RGB; what the library warns of is an error.
///
/// The decompressor is made anew for each picture. A kept one would lend a file without tables
/// those of the picture before, and saves nothing: what is large belongs to a picture.
pub(super) fn decode(bytes: &[u8]) -> Result<Pixels, String> {
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
    decompressor.decompress(bytes, output).map_err(reason)?;
    if has_key {
        levels = without_key(&levels);
    }
    Ok(Pixels { height, width, levels })
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
