//! By zune-jpeg, which needs nothing but Rust: rarely more than 4 levels off those of libjpeg-turbo.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::Pixels;
use crate::picture::{LARGEST_SIDE, check_size};

/// Decodes to RGB.
pub(super) fn decode(bytes: &[u8]) -> Result<Pixels, String> {
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
    let mut levels = decoder.decode().map_err(reason)?;
    if grey {
        levels = levels.iter().flat_map(|level| [*level; 3]).collect();
    }
    Ok(Pixels { height, width, levels })
}
