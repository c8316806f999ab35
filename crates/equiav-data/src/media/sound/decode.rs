//! From a file to samples by the own decoders: which of them, how far, and whether all came that was promised.

use std::io::Cursor;

use symphonia::core::io::MediaSource;

use super::content::{Content, Reader};
use super::foreign::Foreign;
use super::mpeg::Mpeg;
use super::refusal::Refusal;
use super::section::Section;
use super::track::{Source, Track};
use super::{Extent, LONGEST_SECONDS, ogg, riff, tags};
use crate::media::timed_reader::TimedReader;
use equiav_frontend::Waveform;

/// The samples for which there is room before the first is decoded: 10 s at 48 kHz, 2 MB.
const USUAL_SAMPLES: u64 = 480_000;

/// How the name of a file with `bytes` should end.
///
/// # Errors
///
/// What it is instead, if it is no sound.
pub(crate) fn sound_suffix(bytes: &[u8]) -> Result<&'static str, String> {
    let mut source = Cursor::new(bytes);
    let content = Content::of(&mut source).map_err(|error| error.to_string())?;
    match content.reader {
        Reader::Wave => Ok("wav"),
        Reader::Flac => Ok("flac"),
        Reader::Ogg => Ok("ogg"),
        Reader::Ffmpeg(_, suffix) => Ok(suffix),
        Reader::Mpeg | Reader::Nobody => match Mpeg::open(source, content.place) {
            Ok(Some(_)) => Ok("mp3"),
            Err(Refusal::Foreign(_)) => Ok("mp2"),
            _ => Err(format!("is {}", content.name)),
        },
    }
}

/// Why the own decoders give no sound.
pub(super) enum Failure {
    /// It is not to be read.
    Refused(Refusal),
    /// Another decoder may read it.
    Foreign(Foreign),
}

/// Decodes `file`, as far as `extent` says.
pub(super) fn decode(
    file: impl MediaSource + 'static,
    extent: Extent,
) -> Result<Waveform, Failure> {
    let mut file = TimedReader(file);
    let content = Content::of(&mut file).map_err(|error| Failure::Refused(error.into()))?;
    let mut promised = None;
    decode_as(&content, file, extent, &mut promised).map_err(|refusal| match refusal {
        Refusal::Foreign(reason) => {
            // Without any mark it is an mp3, or it would be no sound.
            let demuxer = content.reader.demuxer().unwrap_or("mp3");
            Failure::Foreign(Foreign { reason, demuxer, promised })
        }
        other => Failure::Refused(other),
    })
}

/// Decodes `file`, which is `content`; tells what is `promised` of a sound that another decoder may read.
fn decode_as(
    content: &Content,
    file: impl MediaSource + 'static,
    extent: Extent,
    promised: &mut Option<u64>,
) -> Result<Waveform, Refusal> {
    let mut source = open_source(file, content)?;
    // What a file promises is believed up to a usual length; a longer sound grows into its place.
    let room = source.promised().map_or(0, |samples| samples.min(USUAL_SAMPLES) as usize);
    let mut waveform = Waveform { samples: Vec::with_capacity(room), rate: 0 };
    let read = decode_all(&mut *source, &mut waveform, extent)
        .and_then(|complete| finish(waveform, &mut *source, extent, complete));
    match read {
        // What stands behind the last frame may keep the decoder from finding where that ends.
        Err(Refusal::Broken(reason))
            if content.reader == Reader::Flac && reason.starts_with("truncated") =>
        {
            *promised = Some(source.promised().ok_or_else(|| Refusal::broken(reason.clone()))?);
            Err(Refusal::Foreign(reason))
        }
        read => read,
    }
}

/// Decodes what is within `extent`; says whether that is all.
fn decode_all(
    source: &mut dyn Source,
    waveform: &mut Waveform,
    extent: Extent,
) -> Result<bool, Refusal> {
    loop {
        if !source.next(waveform)? {
            return Ok(true);
        }
        if waveform.samples.len() > extent.samples(waveform.rate) {
            return Ok(false);
        }
    }
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
        Reader::Ogg | Reader::Ffmpeg("ogg", _) if ogg::is_cut(&mut file)? => Err(Refusal::cut()),
        Reader::Ogg => {
            file.rewind()?;
            Ok(Box::new(Track::open(file)?))
        }
        // Only its frames tell whether a file without any mark is an mp3.
        Reader::Mpeg | Reader::Nobody => match Mpeg::open(file, content.place)? {
            Some(mpeg) => Ok(Box::new(mpeg)),
            None => Err(Refusal::broken(format!("is {}", content.name))),
        },
        Reader::Ffmpeg(..)
            if content.told.zip(file.byte_len()).is_some_and(|(told, there)| there + 1 < told) =>
        {
            Err(Refusal::cut())
        }
        Reader::Ffmpeg(..) => Err(Refusal::foreign(format!("is {}", content.name))),
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
            return Err(too_long());
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

/// The refusal of a sound that is not to be read whole.
pub(super) fn too_long() -> Refusal {
    Refusal::broken(format!(
        "is longer than {LONGEST_SECONDS} s: set the front end's `window` to use its start"
    ))
}
