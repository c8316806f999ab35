//! Sound files to samples: wav, flac, mp3 and ogg vorbis, by content; no resampling here.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use symphonia::core::codecs::audio::well_known::CODEC_ID_PCM_S16LE;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::packet::Packet;

use crate::error::{MediaError, panic_message};
use crate::reading::Reading;
use crate::stage::{self, Stage};

/// The longest sound that is read whole, in seconds: 115 MB at 48 kHz.
pub const LONGEST_SECONDS: f64 = 600.0;
/// The sample rates that are taken for real, in Hz.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=768_000;

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
    let decode = || stage::at(Stage::DecodeSound, || decode(source, path, extent));
    let decoded = catch_unwind(AssertUnwindSafe(decode));
    let waveform = match decoded {
        Ok(Ok(waveform)) => waveform,
        Ok(Err(reason)) => return Err(MediaError::broken(path, reason)),
        Err(panic) => {
            let reason = format!("the decoder gave up: {}", panic_message(&*panic));
            return Err(MediaError::broken(path, reason));
        }
    };
    match waveform.samples.iter().position(|sample| !sample.is_finite()) {
        Some(position) => {
            let reason = format!("non-finite sample at {position}");
            Err(MediaError::broken(path, reason))
        }
        None => Ok(waveform),
    }
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

/// A decoder of one track and what the file says about its length.
struct Source {
    format: Box<dyn FormatReader>,
    /// The channels of 16-bit samples as they lie in most wavs, which need no decoder.
    plain: Option<Plain>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    /// How many samples there must be, where the file says so exactly.
    promised: Option<u64>,
    /// Whether the end of the file may be the end of the sound; a wav's promise decides.
    open_ended: bool,
}

/// 16-bit little-endian samples, one channel beside another.
#[derive(Clone, Copy)]
struct Plain {
    channels: usize,
    rate: u32,
}

impl Plain {
    /// How a track's samples lie, if they are of this kind.
    fn of(parameters: &AudioCodecParameters) -> Option<Self> {
        let channels = parameters.channels.as_ref()?.count();
        let rate = parameters.sample_rate?;
        let fits = parameters.codec == CODEC_ID_PCM_S16LE && channels > 0;
        fits.then_some(Self { channels, rate })
    }

    /// Appends the first channel of a packet's `bytes`, which are whole frames.
    fn extend(self, samples: &mut Vec<f32>, bytes: &[u8]) {
        let (values, _) = bytes.as_chunks::<2>();
        let first = values.iter().step_by(self.channels);
        samples.extend(first.map(|value| f32::from(i16::from_le_bytes(*value)) / 32_768.0));
    }
}

fn decode(
    mut file: impl MediaSource + 'static,
    path: &Path,
    extent: Extent,
) -> Result<Waveform, String> {
    sniff(&mut file, path)?;
    let mut source = open_source(file)?;
    let mut waveform = Waveform { samples: Vec::new(), rate: 0 };
    let mut channels: Vec<Vec<f32>> = Vec::new();
    let complete = loop {
        let packet = match source.format.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break true,
            Err(error) if source.open_ended && is_end(&error) => break true,
            Err(error) => return Err(reason(&error)),
        };
        if packet.track_id != source.track {
            continue;
        }
        let rate = source.take(&packet, &mut waveform, &mut channels)?;
        if waveform.samples.len() > extent.samples(rate) {
            break false;
        }
    };
    finish(waveform, &mut source, extent, complete)
}

impl Source {
    /// Appends a packet's first channel to `waveform` and returns its rate; `channels` is scratch.
    fn take(
        &mut self,
        packet: &Packet,
        waveform: &mut Waveform,
        channels: &mut Vec<Vec<f32>>,
    ) -> Result<u32, String> {
        if let Some(plain) = self.plain {
            check_rate(waveform, plain.rate)?;
            plain.extend(&mut waveform.samples, &packet.data);
            return Ok(plain.rate);
        }
        let buffer = self.decoder.decode(packet).map_err(|error| reason(&error))?;
        let rate = buffer.spec().rate();
        check_rate(waveform, rate)?;
        buffer.copy_to_vecs_planar(channels);
        waveform.samples.extend_from_slice(channels.first().ok_or("has no channel")?);
        Ok(rate)
    }
}

/// Refuses what does not begin like a sound, before the probe looks for one anywhere in the file.
fn sniff(file: &mut (impl Read + Seek), path: &Path) -> Result<(), String> {
    let mut head = Vec::new();
    let read = file.by_ref().take(12).read_to_end(&mut head);
    let rewound = read.and_then(|_| file.rewind());
    rewound.map_err(|error| error.to_string())?;
    let wave = head.starts_with(b"RIFF") && head[4..].ends_with(b"WAVE");
    let frame = head.len() > 1 && head[0] == 0xff && head[1] & 0xe0 == 0xe0;
    let marker = [&b"fLaC"[..], b"OggS", b"ID3"].iter().any(|marker| head.starts_with(marker));
    let named = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("mp3"));
    if wave || frame || marker || named {
        return Ok(());
    }
    Err("is no wav, flac, mp3 or ogg vorbis sound".to_owned())
}

fn open_source(file: impl MediaSource + 'static) -> Result<Source, String> {
    let stream = MediaSourceStream::new(Box::new(Reading(file)), Default::default());
    let probe = symphonia::default::get_probe();
    let format = probe
        .probe(&Hint::new(), stream, Default::default(), Default::default())
        .map_err(|error| reason(&error))?;
    let track = format.default_track(TrackType::Audio).ok_or("holds no sound track")?;
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
    let parameters = parameters.ok_or("its sound track is of an unknown kind")?;
    let options = AudioDecoderOptions::default().verify(true);
    let decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &options)
        .map_err(|error| reason(&error))?;
    let name = format.format_info().short_name;
    let promised = promised(track, name);
    // A wav that was written to a pipe says nothing about its length.
    let open_ended = name == "wave";
    let plain = Plain::of(parameters);
    Ok(Source { track: track.id, plain, promised, open_ended, format, decoder })
}

/// The exact number of samples, if known: an mp3 without LAME's tag only estimates it.
fn promised(track: &Track, format: &str) -> Option<u64> {
    let exact = !format.starts_with("mp") || track.delay.is_some();
    track.num_frames.filter(|_| exact)
}

fn check_rate(waveform: &mut Waveform, rate: u32) -> Result<(), String> {
    if !RATES.contains(&rate) {
        let (low, high) = (RATES.start(), RATES.end());
        return Err(format!("sample rate {rate} Hz is outside {low} to {high}"));
    }
    if waveform.rate != 0 && waveform.rate != rate {
        return Err(format!("its sample rate changes from {} to {rate} Hz", waveform.rate));
    }
    waveform.rate = rate;
    Ok(())
}

/// Holds the decoded samples to what the file promised.
fn finish(
    mut waveform: Waveform,
    source: &mut Source,
    extent: Extent,
    complete: bool,
) -> Result<Waveform, String> {
    match extent {
        Extent::Whole if !complete => {
            return Err(format!(
                "is longer than {LONGEST_SECONDS} s: set the front end's `window` to use its start"
            ));
        }
        Extent::Start(_) => waveform.samples.truncate(extent.samples(waveform.rate)),
        Extent::Whole => {}
    }
    let samples = waveform.samples.len() as u64;
    if samples == 0 {
        return Err("holds no sample".to_owned());
    }
    if let Some(promised) = source.promised.filter(|promised| complete && samples < *promised) {
        return Err(format!("truncated: {samples} of {promised} samples"));
    }
    if complete && source.decoder.finalize().verify_ok == Some(false) {
        return Err("corrupt: its checksum does not fit its samples".to_owned());
    }
    Ok(waveform)
}

fn is_end(error: &SymphoniaError) -> bool {
    matches!(error, SymphoniaError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof)
}

fn reason(error: &SymphoniaError) -> String {
    match error {
        error if is_end(error) => "truncated: it ends in the middle".to_owned(),
        SymphoniaError::DecodeError(what) => format!("corrupt: {what}"),
        SymphoniaError::Unsupported(what) => format!("not supported: {what}"),
        SymphoniaError::ResetRequired => "holds several chained sounds, expected one".to_owned(),
        other => other.to_string(),
    }
}
