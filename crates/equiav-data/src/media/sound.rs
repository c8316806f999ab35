//! Sound files to samples, by content: wav, flac, mp3 and ogg vorbis here, others by FFmpeg; no resampling.

mod content;
mod decode;
mod foreign;
mod input;
mod mpeg;
mod ogg;
mod refusal;
mod riff;
mod section;
mod tags;
mod track;
mod window;

use std::fs::File;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

pub(crate) use decode::sound_suffix;
use decode::{Failure, decode};
use equiav_frontend::Waveform;
use input::{Input, Shared};
use refusal::Refusal;
use symphonia::core::io::MediaSource;

use crate::error::{MediaError, panic_message};
use crate::profiler::{self, Stage};

/// The longest sound that is read whole, in seconds: 115 MB at 48 kHz.
pub const LONGEST_SECONDS: f64 = 600.0;

/// How much of a sound is decoded.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Extent {
    /// All of it, an error if it is longer than [`LONGEST_SECONDS`].
    Whole,
    /// Its start, in seconds; what lies behind is not looked at.
    Start(f64),
}

impl Extent {
    fn samples(self, rate: u32) -> usize {
        let seconds = match self {
            Extent::Whole => LONGEST_SECONDS,
            Extent::Start(seconds) => seconds,
        };
        (seconds * f64::from(rate)).ceil() as usize
    }
}

/// Decodes the first channel of the file at `path`, at its own rate.
///
/// # Errors
///
/// If the file is missing, no sound, empty, truncated or corrupt; if it is longer than
/// [`LONGEST_SECONDS`]; if its rate is absurd or a sample is not finite; if it takes FFmpeg to read
/// and there is none. If FFmpeg cannot be run, the error is the machine's.
pub fn read_sound(path: &Path) -> Result<Waveform, MediaError> {
    read(path, Extent::Whole)
}

/// Decodes the first `seconds` of the first channel of the file at `path`, which may be of any
/// length.
///
/// # Errors
///
/// As [`read_sound`]; damage behind the first `seconds` is not noticed.
pub fn read_sound_start(path: &Path, seconds: f64) -> Result<Waveform, MediaError> {
    read(path, Extent::Start(seconds))
}

/// As [`read_sound`] of a file that holds `bytes`; `name` is for errors.
///
/// # Errors
///
/// As [`read_sound`].
pub fn decode_sound(bytes: Vec<u8>, name: &Path) -> Result<Waveform, MediaError> {
    decode_bytes(bytes, name, Extent::Whole)
}

/// As [`read_sound_start`] of a file that holds `bytes`; `name` as in [`decode_sound`].
///
/// # Errors
///
/// As [`read_sound_start`].
pub fn decode_sound_start(
    bytes: Vec<u8>,
    name: &Path,
    seconds: f64,
) -> Result<Waveform, MediaError> {
    decode_bytes(bytes, name, Extent::Start(seconds))
}

fn read(path: &Path, extent: Extent) -> Result<Waveform, MediaError> {
    let reading = profiler::span(Stage::Read);
    let file = open(path)?;
    drop(reading);
    decode_checked(file, &Input::File(path), path, extent)
}

fn decode_bytes(bytes: Vec<u8>, name: &Path, extent: Extent) -> Result<Waveform, MediaError> {
    let bytes = Shared::from(bytes);
    decode_checked(Cursor::new(bytes.clone()), &Input::Bytes(bytes), name, extent)
}

/// Decodes `source`, which is `input`, and holds what comes out to what it has to be.
fn decode_checked(
    source: impl MediaSource + 'static,
    input: &Input<'_>,
    path: &Path,
    extent: Extent,
) -> Result<Waveform, MediaError> {
    // The decoders are free of `unsafe`, yet a damaged file may run them into a panic.
    let _span = profiler::span(Stage::DecodeSound);
    let decoded = catch_unwind(AssertUnwindSafe(|| decode(source, extent)));
    let waveform = match decoded {
        Ok(Ok(waveform)) => waveform,
        Ok(Err(Failure::Foreign(foreign))) => foreign::read(input, path, &foreign, extent)?,
        Ok(Err(Failure::Refused(Refusal::Io(error)))) => return Err(MediaError::io(path, &error)),
        Ok(Err(Failure::Refused(
            Refusal::Broken(reason) | Refusal::Foreign(reason) | Refusal::Machine(reason),
        ))) => return Err(MediaError::broken(path, reason)),
        Err(panic) => {
            let reason = format!("the decoder gave up: {}", panic_message(&*panic));
            return Err(MediaError::broken(path, reason));
        }
    };
    match non_finite(&waveform.samples) {
        Some(position) => {
            let reason = format!("non-finite sample at {position}");
            Err(MediaError::broken(path, reason))
        }
        None => Ok(waveform),
    }
}

/// Where the first sample that is not finite stands.
fn non_finite(samples: &[f32]) -> Option<usize> {
    // A search that ends anywhere runs sample by sample; one of whole pieces runs in vectors.
    const PIECE: usize = 1_024;
    let broken = |piece: &[f32]| piece.iter().fold(false, |any, one| any | !one.is_finite());
    let piece = samples.chunks(PIECE).position(broken)?;
    let begin = PIECE * piece;
    samples[begin..].iter().position(|sample| !sample.is_finite()).map(|place| begin + place)
}

/// Opens a regular, non-empty file.
pub(crate) fn open(path: &Path) -> Result<File, MediaError> {
    let metadata = std::fs::metadata(path).map_err(|error| MediaError::io(path, &error))?;
    if metadata.is_dir() {
        return Err(MediaError::broken(path, "is a folder, expected a file"));
    }
    if !metadata.is_file() {
        return Err(MediaError::broken(path, "is no regular file"));
    }
    if metadata.len() == 0 {
        return Err(MediaError::broken(path, "empty file"));
    }
    File::open(path).map_err(|error| MediaError::io(path, &error))
}
