//! Sound files to samples: wav, flac, mp3 and ogg vorbis, by content; no resampling here.

mod content;
mod mpeg;
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

use content::{Content, Reader};
use mpeg::Mpeg;
use refusal::Refusal;
use section::Section;
use symphonia::core::io::MediaSource;
use track::{Source, Track};

use crate::error::{MediaError, panic_message};
use crate::reading::Reading;
use crate::stage::{self, Stage};

/// The longest sound that is read whole, in seconds: 115 MB at 48 kHz.
pub const LONGEST_SECONDS: f64 = 600.0;

/// The samples for which there is room before the first is decoded: 10 s at 48 kHz, 2 MB.
const USUAL_SAMPLES: u64 = 480_000;

/// One channel of sound.
#[derive(Clone, Debug, PartialEq)]
pub struct Waveform {
    /// The samples; of integer files in [-1, 1).
    pub samples: Vec<f32>,
    /// Samples per second, in Hz.
    pub rate: u32,
}

impl Waveform {
    /// How long it lasts, in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate)
    }
}

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
/// If the file is missing, no wav, flac, mp3 or ogg vorbis, empty, truncated or corrupt; if it is
/// longer than [`LONGEST_SECONDS`]; if its rate is absurd or a sample is not finite.
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

/// As [`read_sound`] of a file that holds `bytes`; `name` is for errors, and its extension for an
/// mp3 that begins with something else.
///
/// # Errors
///
/// As [`read_sound`].
pub fn decode_sound(bytes: Vec<u8>, name: &Path) -> Result<Waveform, MediaError> {
    decode_checked(Cursor::new(bytes), name, Extent::Whole)
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
    decode_checked(Cursor::new(bytes), name, Extent::Start(seconds))
}

fn read(path: &Path, extent: Extent) -> Result<Waveform, MediaError> {
    decode_checked(stage::at(Stage::Read, || open(path))?, path, extent)
}

/// Decodes, and holds what comes out to what it has to be.
fn decode_checked(
    source: impl MediaSource + 'static,
    path: &Path,
    extent: Extent,
) -> Result<Waveform, MediaError> {
    // The decoders are free of `unsafe`, yet a damaged file may run them into a panic.
    let decode = || stage::at(Stage::DecodeSound, || decode(source, extent));
    let decoded = catch_unwind(AssertUnwindSafe(decode));
    let waveform = match decoded {
        Ok(Ok(waveform)) => waveform,
        Ok(Err(Refusal::Io(error))) => return Err(MediaError::io(path, &error)),
        Ok(Err(Refusal::Broken(reason) | Refusal::Foreign(reason))) => {
            return Err(MediaError::broken(path, reason));
        }
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

fn decode(file: impl MediaSource + 'static, extent: Extent) -> Result<Waveform, Refusal> {
    let mut file = Reading(file);
    let content = Content::of(&mut file)?;
    let mut source = open_source(file, &content)?;
    // What a file promises is believed up to a usual length; a longer sound grows into its place.
    let room = source.promised().map_or(0, |samples| samples.min(USUAL_SAMPLES) as usize);
    let mut waveform = Waveform { samples: Vec::with_capacity(room), rate: 0 };
    let complete = loop {
        if !source.next(&mut waveform)? {
            break true;
        }
        if waveform.samples.len() > extent.samples(waveform.rate) {
            break false;
        }
    };
    finish(waveform, &mut *source, extent, complete)
}

/// The decoder for what `file` is.
fn open_source(
    mut file: impl MediaSource + 'static,
    content: &Content,
) -> Result<Box<dyn Source>, Refusal> {
    match content.reader {
        Reader::Wave => {
            let riff::Wave { header, samples, promised } = riff::read(&mut file)?;
            let track = Track::open(Section::new(header, file, samples))?;
            Ok(Box::new(track.promising(promised)))
        }
        Reader::Flac => {
            let end = tags::begin_at_end(&mut file)?;
            Ok(Box::new(Track::open(Section::new(Vec::new(), file, content.place..end))?))
        }
        Reader::Ogg => {
            file.rewind()?;
            Ok(Box::new(Track::open(file)?))
        }
        // Only its frames tell whether a file without any mark is an mp3.
        Reader::Mpeg | Reader::Nobody => match Mpeg::open(file, content.place)? {
            Some(mpeg) => Ok(Box::new(mpeg)),
            None => Err(Refusal::broken(format!("is {}", content.name))),
        },
        Reader::Ffmpeg(_) => Err(Refusal::foreign(format!("is {}", content.name))),
    }
}

/// Holds the decoded samples to what the file promised.
fn finish(
    mut waveform: Waveform,
    source: &mut dyn Source,
    extent: Extent,
    complete: bool,
) -> Result<Waveform, Refusal> {
    match extent {
        Extent::Whole if !complete => {
            return Err(Refusal::broken(format!(
                "is longer than {LONGEST_SECONDS} s: set the front end's `window` to use its start"
            )));
        }
        Extent::Start(_) => waveform.samples.truncate(extent.samples(waveform.rate)),
        Extent::Whole => {}
    }
    let samples = waveform.samples.len() as u64;
    if samples == 0 {
        return Err(Refusal::broken("holds no sample"));
    }
    if let Some(promised) = source.promised().filter(|promised| complete && samples < *promised) {
        return Err(Refusal::broken(format!("truncated: {samples} of {promised} samples")));
    }
    if complete && source.is_corrupt() {
        return Err(Refusal::broken("corrupt: its checksum does not fit its samples"));
    }
    Ok(waveform)
}
