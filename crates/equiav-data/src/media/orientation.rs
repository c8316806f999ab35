//! Which way up a picture is: the orientation that cameras and phones write as EXIF, found in each format
//! and applied; no pixel is decoded here.

use std::borrow::Cow;
use std::io::Read;

use equiav_augment::{Image, Profile};
use flate2::read::ZlibDecoder;
use image::metadata::Orientation as Turn;
use image::{DynamicImage, RgbImage};
use ndarray::Array3;

/// What stands before EXIF in a jpg, and by some programs in other formats.
const EXIF_HEAD: &[u8] = b"Exif\0\0";
/// The longest text of a png that is looked into for EXIF, in bytes: twice a jpg's longest segment, in
/// hexadecimal digits with line breaks.
const LONGEST_TEXT: u64 = 3 << 16;

/// Whether a picture is turned as its EXIF orientation says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Orientation {
    /// Turned: as viewers, browsers and FFmpeg show it.
    #[default]
    Upright,
    /// In the order of the pixels in the file, whatever EXIF says.
    Stored,
}

impl Orientation {
    /// How `profile` reads pictures.
    pub fn of(profile: Profile) -> Self {
        // PUBLISHED: exif-orientation, the published code keeps the order of the file.
        match profile {
            Profile::Published => Self::Stored,
            Profile::Corrected => Self::Upright,
        }
    }
}

/// `picture` turned as `exif` says; as it is where that says nothing that makes sense.
pub(crate) fn upright(picture: Image, exif: &[u8]) -> Image {
    let exif = exif.strip_prefix(EXIF_HEAD).unwrap_or(exif);
    let turn = Turn::from_exif_chunk(exif).unwrap_or(Turn::NoTransforms);
    if turn == Turn::NoTransforms {
        return picture;
    }
    let (width, height) = (picture.width() as u32, picture.height() as u32);
    let pixels = RgbImage::from_raw(width, height, picture.as_slice().to_vec());
    let mut turned = DynamicImage::ImageRgb8(pixels.expect("three levels for each pixel"));
    turned.apply_orientation(turn);
    let (width, height) = (turned.width() as usize, turned.height() as usize);
    let pixels = Array3::from_shape_vec((height, width, 3), turned.into_rgb8().into_raw());
    Image::new(pixels.expect("three levels for each pixel"))
}

/// EXIF in the content of a jpg's segment of the kind APP1.
pub(crate) fn in_segment(content: &[u8]) -> Option<&[u8]> {
    content.strip_prefix(EXIF_HEAD)
}

/// EXIF of a png: its chunk, before or behind the pixels, or the text that ImageMagick once wrote.
pub(crate) fn in_png(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut rest = bytes.get(8..)?;
    while let Some((length, behind)) = rest.split_first_chunk() {
        let (kind, behind) = behind.split_first_chunk::<4>()?;
        let (content, behind) = behind.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        match kind {
            b"eXIf" => return Some(content.into()),
            b"tEXt" | b"zTXt" => {
                if let Some(exif) = in_text(content, kind == b"zTXt") {
                    return Some(exif.into());
                }
            }
            _ => {}
        }
        rest = behind.get(4..)?;
    }
    None
}

/// EXIF of a webp.
pub(crate) fn in_webp(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.get(12..)?;
    while let Some((kind, behind)) = rest.split_first_chunk::<4>() {
        let (length, behind) = behind.split_first_chunk()?;
        let length = u32::from_le_bytes(*length) as usize;
        if kind == b"EXIF" {
            return behind.get(..length);
        }
        rest = behind.get(length.checked_next_multiple_of(2)?..)?;
    }
    None
}

/// EXIF in a text chunk: behind the keyword a name, a length, and lines of hexadecimal digits.
fn in_text(content: &[u8], packed: bool) -> Option<Vec<u8>> {
    let raw = content.strip_prefix(b"Raw profile type ")?;
    let raw = raw.strip_prefix(b"exif\0").or_else(|| raw.strip_prefix(b"APP1\0"))?;
    let mut text = Vec::new();
    match packed {
        // One byte names the method, of which there is one.
        true => {
            let inflated = ZlibDecoder::new(raw.get(1..)?);
            inflated.take(LONGEST_TEXT).read_to_end(&mut text).ok()?;
        }
        false => text.extend_from_slice(raw),
    }
    let mut words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let (_name, _length) = (words.next()?, words.next()?);
    let digits: Vec<u8> = words.flatten().copied().collect();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, _) = digits.as_chunks::<2>();
    pairs.iter().map(|[high, low]| Some((digit(*high)? << 4 | digit(*low)?) as u8)).collect()
}
