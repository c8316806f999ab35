//! Picture files to RGB: jpg, png and webp, by content, upright; no resizing here.

use std::borrow::Cow;
use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use equiav_augment::Image;
use image::{DynamicImage, ImageFormat, ImageReader, Limits};
use ndarray::Array3;

use crate::error::{MediaError, panic_message};
use crate::media::jpeg;
use crate::media::orientation::{self, Orientation};
use crate::media::sound;
use crate::profiler::{self, Stage};

/// The largest width or height that is read, in pixels.
pub(crate) const LARGEST_SIDE: u32 = 16_384;
/// The most pixels that are read.
const MOST_PIXELS: u64 = 1 << 26;
/// The most bytes of a file, and of a decoder's buffers.
const MOST_BYTES: u64 = 1 << 29;

/// Decodes the picture at `path` to RGB, at its own size and upright; transparency lies on white.
///
/// # Errors
///
/// If the file is missing, no jpg, png or webp (by content, whatever its name), truncated or
/// corrupt, or larger than 16384 pixels a side or 64 megapixels.
pub fn read_picture(path: &Path) -> Result<Image, MediaError> {
    read_picture_as(path, Orientation::Upright)
}

/// As [`read_picture`], turned or not.
///
/// # Errors
///
/// As [`read_picture`].
pub fn read_picture_as(path: &Path, orientation: Orientation) -> Result<Image, MediaError> {
    let reading = profiler::span(Stage::Read);
    let bytes = read(path)?;
    drop(reading);
    decode_picture_as(&bytes, path, orientation)
}

/// As [`read_picture`] of a file that holds `bytes`; `name` is for errors.
///
/// # Errors
///
/// As [`read_picture`].
pub fn decode_picture(bytes: &[u8], name: &Path) -> Result<Image, MediaError> {
    decode_picture_as(bytes, name, Orientation::Upright)
}

/// As [`decode_picture`], turned or not.
///
/// # Errors
///
/// As [`read_picture`].
pub fn decode_picture_as(
    bytes: &[u8],
    name: &Path,
    orientation: Orientation,
) -> Result<Image, MediaError> {
    let _span = profiler::span(Stage::DecodeFrame);
    match catch_unwind(AssertUnwindSafe(|| decode(bytes, orientation))) {
        Ok(decoded) => decoded.map_err(|reason| MediaError::broken(name, reason)),
        Err(panic) => {
            let reason = format!("the decoder gave up: {}", panic_message(&*panic));
            Err(MediaError::broken(name, reason))
        }
    }
}

/// The bytes of a regular file, unless they are too many.
fn read(path: &Path) -> Result<Vec<u8>, MediaError> {
    let file = sound::open(path)?;
    let mut bytes = Vec::new();
    let read = file.take(MOST_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| MediaError::io(path, &error))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(MediaError::broken(path, "is larger than 512 MiB"));
    }
    Ok(bytes)
}

fn decode(bytes: &[u8], orientation: Orientation) -> Result<Image, String> {
    let (picture, exif) = decode_stored(bytes)?;
    Ok(match (orientation, exif) {
        (Orientation::Upright, Some(exif)) => orientation::upright(picture, &exif),
        _ => picture,
    })
}

/// A picture in the order of its file, and its EXIF.
type Stored<'a> = (Image, Option<Cow<'a, [u8]>>);

fn decode_stored(bytes: &[u8]) -> Result<Stored<'_>, String> {
    let unknown = "is no jpg, png or webp picture";
    match image::guess_format(bytes).map_err(|_| unknown.to_owned())? {
        ImageFormat::Jpeg => {
            let (picture, exif) = jpeg::decode(bytes)?;
            Ok((picture, exif.map(Cow::Borrowed)))
        }
        format @ (ImageFormat::Png | ImageFormat::WebP) => {
            let reader = || ImageReader::with_format(Cursor::new(bytes), format);
            let (width, height) = reader().into_dimensions().map_err(|error| reason(&error))?;
            check_size(width.into(), height.into())?;
            let mut reader = reader();
            let mut limits = Limits::default();
            limits.max_alloc = Some(MOST_BYTES);
            reader.limits(limits);
            let picture = on_white(reader.decode().map_err(|error| reason(&error))?);
            let exif = match format {
                ImageFormat::Png => orientation::in_png(bytes),
                _ => orientation::in_webp(bytes).map(Cow::Borrowed),
            };
            Ok((picture, exif))
        }
        _ => Err(unknown.to_owned()),
    }
}

/// Refuses dimensions whose pixels would fill the memory.
pub(crate) fn check_size(width: u64, height: u64) -> Result<(), String> {
    let side = u64::from(LARGEST_SIDE);
    if width == 0 || height == 0 || width > side || height > side || width * height > MOST_PIXELS {
        return Err(format!(
            "absurd dimensions {width} x {height}: at most {side} a side and {MOST_PIXELS} pixels"
        ));
    }
    Ok(())
}

fn reason(error: &image::ImageError) -> String {
    match error {
        image::ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "truncated: it ends in the middle".to_owned()
        }
        image::ImageError::Limits(_) => format!("absurd dimensions: {error}"),
        _ => format!("corrupt: {error}"),
    }
}

/// RGB of any picture, composited on white where it is transparent.
fn on_white(picture: DynamicImage) -> Image {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    // PUBLISHED: transparency-on-white, the published code drops alpha and shows what lies beneath
    // it.
    let pixels = if picture.color().has_alpha() {
        let blend = |pixel: [u8; 4]| {
            let [rgb @ .., alpha] = pixel;
            rgb.map(|level| over_white(level, alpha))
        };
        picture.to_rgba8().pixels().flat_map(|pixel| blend(pixel.0)).collect()
    } else {
        picture.into_rgb8().into_raw()
    };
    let pixels = Array3::from_shape_vec((height, width, 3), pixels);
    Image::new(pixels.expect("three levels for each pixel"))
}

/// `level` at opacity `alpha` / 255 over white, to the nearest level.
fn over_white(level: u8, alpha: u8) -> u8 {
    let (level, alpha) = (u32::from(level), u32::from(alpha));
    ((level * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}
