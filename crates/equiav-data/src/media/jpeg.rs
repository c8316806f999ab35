//! JPEG pictures, strictly: a truncated or damaged one is an error, not a gray area.

#[cfg(feature = "turbojpeg")]
mod turbo;
mod zune;

use std::borrow::Cow;

use equiav_augment::Image;
use ndarray::Array3;

#[cfg(feature = "turbojpeg")]
use turbo as library;
#[cfg(not(feature = "turbojpeg"))]
use zune as library;

use crate::media::orientation;

const END_OF_IMAGE: u8 = 0xd9;
const PROGRESSIVE: u8 = 0xc2;
const START_OF_SCAN: u8 = 0xda;
const APPLICATION_1: u8 = 0xe1;

/// What decodes jpgs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JpegDecoder {
    /// libjpeg-turbo, with the feature `turbojpeg`: the levels that Pillow reads.
    LibjpegTurbo,
    /// zune-jpeg, without it: rarely more than 4 levels off, and slower. Of a progressive picture it
    /// fills coded data that end early before an end marker without a word.
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

/// Decodes the JPEG in `bytes`, in the order of the file, and finds its EXIF.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Image, Option<&[u8]>), String> {
    // The decoders take an end within the last rows for the end of the image.
    let Walked { whole, exif, progressive } =
        walk(bytes).ok_or("truncated: it has no end-of-image marker")?;
    // PUBLISHED: jpeg-decoder, the published code reads with libjpeg-turbo, as we do where it was
    // built in; zune-jpeg is rarely more than 4 levels off.
    let Pixels { height, width, levels } = library::decode(&whole, progressive)?;
    let pixels = Array3::from_shape_vec((height, width, 3), levels);
    let picture = pixels.map(Image::new).map_err(|_| "corrupt: it has too few pixels".to_owned());
    Ok((picture?, exif))
}

/// What the segments of a file lead to.
struct Walked<'a> {
    /// From the start to the end-of-image marker, without bytes that belong to no segment: cameras
    /// and editors leave some, which one decoder refuses and another passes over.
    whole: Cow<'a, [u8]>,
    /// What the first EXIF segment holds.
    exif: Option<&'a [u8]>,
    /// Whether its scans refine one another.
    progressive: bool,
}

/// Follows the segments of the file to its end-of-image marker, if they lead to one.
fn walk(bytes: &[u8]) -> Option<Walked<'_>> {
    let (mut exif, mut progressive) = (None, false);
    let (mut kept, mut start, mut position) = (Vec::new(), 0, 2);
    loop {
        let end = position;
        let marker = next_marker(bytes, &mut position)?;
        let segment = position - 2;
        // Any number of 0xff may stand before a marker.
        if bytes[end..segment].iter().any(|byte| *byte != 0xff) {
            kept.extend_from_slice(&bytes[start..end]);
            start = segment;
        }
        match marker {
            END_OF_IMAGE => break,
            0x01 | 0xd0..=0xd8 => {}
            _ => {
                let length = bytes.get(position..position + 2)?;
                let length = usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
                let content = bytes.get(position + 2..position + length)?;
                position += length;
                match marker {
                    START_OF_SCAN => skip_scan(bytes, &mut position),
                    APPLICATION_1 if exif.is_none() => exif = orientation::in_segment(content),
                    PROGRESSIVE => progressive = true,
                    _ => {}
                }
            }
        }
    }
    let last = &bytes[start..position];
    let whole = if start == 0 { last.into() } else { [&kept[..], last].concat().into() };
    Some(Walked { whole, exif, progressive })
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
