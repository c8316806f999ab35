//! mp3, frame by frame to the end of the file: which frames there are, and which samples are the encoder's own.
//!
//! A walk of our own in front of the decoder. What a file says of its length is a promise at best and is
//! missing in many; tags stand in front, between and behind; two files may have become one, or a file may
//! go from one channel to two.

mod header;
mod info;

use std::io::{self, Read, Seek};

use header::Header;
use info::Info;
use symphonia::core::codecs::audio::well_known::CODEC_ID_MP3;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::packet::PacketRef;
use symphonia::core::units::{Duration, Timestamp};

use super::refusal::Refusal;
use super::tags;
use super::track::{Source, check_rate};
use super::window::Window;
use equiav_frontend::Waveform;

/// How far the first frame is looked for behind tags and zeros, in bytes.
const FARTHEST: u64 = 1 << 20;
/// How many headers that fit each other make a stream: noise has two in a row now and then.
const CHAIN: usize = 3;

/// The frames of an mp3.
pub(super) struct Mpeg<S> {
    window: Window<S>,
    first: Header,
    info: Info,
    decoder: Decoder,
    /// Frames with sound, so far.
    frames: u64,
    /// Samples of the encoder's delay that are still to be dropped.
    delay: usize,
    /// Samples given out, so far.
    given: u64,
    /// What may be the encoder's padding: it is, unless more frames come than were told of.
    held: Vec<f32>,
}

/// A decoder for frames of one kind.
struct Decoder {
    decoder: Box<dyn AudioDecoder>,
    of: Header,
    channels: Vec<Vec<f32>>,
}

impl<S: Read + Seek> Mpeg<S> {
    /// The mp3 whose tags or first frame stand at the byte `place` of `source`; `None` if there is no
    /// stream of frames.
    pub(super) fn open(source: S, place: u64) -> Result<Option<Self>, Refusal> {
        let mut window = Window::new(source, place)?;
        let Some(first) = find_first(&mut window)? else { return Ok(None) };
        if first.layer != 3 {
            let layer = first.layer;
            return Err(Refusal::foreign(format!("is MPEG audio of layer {layer}")));
        }
        let frame = window.look(first.length)?;
        let info = Info::of(frame, &first);
        if info.is_some() {
            window.skip(first.length as u64)?;
        }
        let info = info.unwrap_or_default();
        let decoder = Decoder::of(first)?;
        let (delay, held) = (info.delay, Vec::new());
        Ok(Some(Self { window, first, info, decoder, frames: 0, delay, given: 0, held }))
    }

    /// Goes to the next whole frame; `None` at the end of the file.
    fn next_frame(&mut self) -> io::Result<Option<Header>> {
        loop {
            let head = self.window.look(4)?;
            if head.len() < 4 {
                return Ok(None);
            }
            match Header::of(head) {
                Some(header)
                    if header.is_like(&self.first) || is_stream(&mut self.window, false)? =>
                {
                    let whole = self.window.look(header.length)?.len() == header.length;
                    return Ok(whole.then_some(header));
                }
                _ => {}
            }
            match tags::length(&mut self.window)? {
                Some(length) => self.window.skip(length)?,
                None => {
                    self.window.skip(1)?;
                    let like = Some(self.first);
                    if search(&mut self.window, u64::MAX, like)?.is_none() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// How many samples lie between the encoder's delay and its padding, where the file says so.
    fn length(&self) -> Option<u64> {
        let all = self.info.frames? * self.first.samples;
        Some(all.saturating_sub(self.info.delay as u64 + self.info.padding))
    }

    /// Appends samples, or holds them where they may be padding.
    fn give(&mut self, waveform: &mut Waveform) {
        let samples = self.decoder.channels.first().map_or(&[][..], Vec::as_slice);
        let dropped = self.delay.min(samples.len());
        self.delay -= dropped;
        let samples = &samples[dropped..];
        let more = self.info.frames.is_some_and(|told| self.frames > told);
        let room = match self.length() {
            Some(length) if !more => length.saturating_sub(self.given) as usize,
            _ => usize::MAX,
        };
        let before = waveform.samples.len();
        if more {
            waveform.samples.append(&mut self.held);
        }
        let (sound, padding) = samples.split_at(samples.len().min(room));
        waveform.samples.extend_from_slice(sound);
        self.held.extend_from_slice(padding);
        self.given += (waveform.samples.len() - before) as u64;
    }
}

impl<S: Read + Seek> Source for Mpeg<S> {
    fn next(&mut self, waveform: &mut Waveform) -> Result<bool, Refusal> {
        let Some(header) = self.next_frame()? else { return Ok(false) };
        if !self.decoder.takes(&header) {
            self.decoder = Decoder::of(header)?;
        }
        check_rate(waveform, header.rate)?;
        self.decoder.decode(self.window.look(header.length)?)?;
        self.window.skip(header.length as u64)?;
        self.frames += 1;
        self.give(waveform);
        Ok(true)
    }

    /// Some encoders count the frame that tells of the others; those that write their delay do not.
    fn promised(&self) -> Option<u64> {
        let uncounted = if self.info.exact { 0 } else { self.first.samples };
        self.length().map(|length| length.saturating_sub(uncounted))
    }
}

impl Decoder {
    fn of(header: Header) -> Result<Self, Refusal> {
        let mut parameters = AudioCodecParameters::new();
        parameters.for_codec(CODEC_ID_MP3).with_sample_rate(header.rate);
        let options = AudioDecoderOptions::default().gapless(false);
        let decoder = symphonia::default::get_codecs().make_audio_decoder(&parameters, &options)?;
        Ok(Self { decoder, of: header, channels: Vec::new() })
    }

    fn takes(&self, header: &Header) -> bool {
        header.is_like(&self.of) && header.mono == self.of.mono
    }

    fn decode(&mut self, frame: &[u8]) -> Result<(), Refusal> {
        let packet = PacketRef::new(0, Timestamp::ZERO, Duration::from(0u64), frame);
        // It lacks some of what the standard allows, as different kinds of blocks in two channels.
        let refused = |error| match Refusal::from(error) {
            Refusal::Broken(reason) => Refusal::Foreign(reason),
            other => other,
        };
        let buffer = self.decoder.decode_ref(&packet).map_err(refused)?;
        buffer.copy_to_vecs_planar(&mut self.channels);
        Ok(())
    }
}

/// Goes to the first frame: behind tags and zeros, or at last behind whatever else stands there.
fn find_first<S: Read + Seek>(window: &mut Window<S>) -> io::Result<Option<Header>> {
    let begin = window.place();
    loop {
        if let Some(length) = tags::length(window)? {
            window.skip(length)?;
            continue;
        }
        let bytes = window.look(1 << 16)?;
        match bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len()) {
            0 => break,
            zeros => window.skip(zeros as u64)?,
        }
    }
    if is_stream(window, true)? {
        return Ok(Header::of(window.look(4)?));
    }
    let found = search(window, FARTHEST, None)?;
    if found.is_some() || window.place() <= begin + FARTHEST {
        return Ok(found);
    }
    // A tag with a wrong length has led past the frames.
    let back = begin + 10;
    window.return_to(back)?;
    search(window, FARTHEST, None)
}

/// Goes to the next frame of a stream, one that is `like` another; `None` if there is none in the next
/// `farthest` bytes.
fn search<S: Read + Seek>(
    window: &mut Window<S>,
    farthest: u64,
    like: Option<Header>,
) -> io::Result<Option<Header>> {
    let end = window.place().saturating_add(farthest);
    while window.place() < end {
        let bytes = window.look(1 << 12)?;
        if bytes.is_empty() {
            break;
        }
        let place = memchr::memchr(0xff, bytes);
        let skipped = place.unwrap_or(bytes.len()) as u64;
        window.skip(skipped)?;
        if place.is_none() {
            continue;
        }
        let header = Header::of(window.look(4)?);
        let fits = |header: &Header| like.is_none_or(|like| header.is_like(&like));
        if let Some(header) = header.filter(fits)
            && is_stream(window, false)?
        {
            return Ok(Some(header));
        }
        window.skip(1)?;
    }
    Ok(None)
}

/// Whether headers that fit each other stand one frame apart from here on, up to the end of the file or a
/// tag if that comes first; `lone` if a single frame will do.
fn is_stream<S: Read + Seek>(window: &mut Window<S>, lone: bool) -> io::Result<bool> {
    let bytes = window.look(CHAIN * header::LONGEST)?;
    let Some(first) = Header::of(bytes) else { return Ok(false) };
    let fewest = if lone { 1 } else { 2 };
    let mut at = first.length;
    for number in 1..CHAIN {
        let rest = bytes.get(at..).unwrap_or_default();
        let next = Header::of(rest).filter(|next| next.is_like(&first));
        let Some(next) = next else {
            // A lone frame must be whole; the last of several need not be.
            let tag = [&b"TAG"[..], b"APETAGEX", b"ID3", b"LYRICSBEGIN", b"\0\0\0\0"];
            let ended = at == bytes.len() || tag.iter().any(|tag| rest.starts_with(tag));
            return Ok(number >= fewest && (ended || number > 1 && at > bytes.len()));
        };
        at += next.length;
    }
    Ok(true)
}
