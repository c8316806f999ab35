//! By zune-jpeg, which needs nothing but Rust: rarely more than 4 levels off those of libjpeg-turbo.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{END_OF_IMAGE, Pixels};
use crate::media::picture::{LARGEST_SIDE, check_size};

/// What stands in the place of the end marker, so that the decoder's reading ahead ends in it.
const PADDING: [u8; 8] = [0; 8];

/// Decodes to RGB.
///
/// Where coded data end early before an end marker, the decoder fills what is missing without a word;
/// without that marker it says that they end. Progressive pictures need theirs.
pub(super) fn decode(bytes: &[u8], progressive: bool) -> Result<Pixels, String> {
    match bytes.strip_suffix(&[0xff, END_OF_IMAGE]) {
        Some(coded) if !progressive => decode_strictly(&[coded, &PADDING].concat()),
        _ => decode_strictly(bytes),
    }
}

fn decode_strictly(bytes: &[u8]) -> Result<Pixels, String> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(LARGEST_SIDE as usize)
        .set_max_height(LARGEST_SIDE as usize);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let reason = |error: zune_jpeg::errors::DecodeErrors| format!("corrupt: {error}");
    decoder.decode_headers().map_err(reason)?;
    let (width, height) = decoder.dimensions().ok_or("corrupt: it has no dimensions")?;
    check_size(width as u64, height as u64)?;
    let gray = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let space = if gray { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    let mut levels = decoder.decode().map_err(reason)?;
    if gray {
        levels = levels.iter().flat_map(|level| [*level; 3]).collect();
    }
    Ok(Pixels { height, width, levels })
}
