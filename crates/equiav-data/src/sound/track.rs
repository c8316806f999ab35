//! The sound track of a file, packet by packet, and what the file says of its length.

use std::io;

use symphonia::core::codecs::audio::well_known::CODEC_ID_PCM_S16LE;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::packet::Packet;

use crate::Waveform;
use crate::reading::Reading;

/// The sample rates that are taken for real, in Hz.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=768_000;

/// The sound track of a file.
pub(super) struct Track {
    format: Box<dyn FormatReader>,
    id: u32,
    decoder: Box<dyn AudioDecoder>,
    /// How the samples lie in most wavs, which then need no decoder.
    plain: Option<Plain>,
    /// How many samples there must be, where the file says so exactly.
    pub(super) promised: Option<u64>,
    /// Whether the end of the file may be the end of the sound; a wav's promise decides.
    open_ended: bool,
    /// What a packet is decoded to, channel by channel.
    channels: Vec<Vec<f32>>,
}

impl Track {
    /// The first sound track of `file`.
    pub(super) fn open(file: impl MediaSource + 'static) -> Result<Self, String> {
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
        // An mp3 without LAME's tag only estimates its length.
        let exact = !name.starts_with("mp") || track.delay.is_some();
        Ok(Self {
            id: track.id,
            plain: Plain::of(parameters),
            promised: track.num_frames.filter(|_| exact),
            // A wav that was written to a pipe says nothing about its length.
            open_ended: name == "wave",
            channels: Vec::new(),
            decoder,
            format,
        })
    }

    /// Appends the first channel of the next packet to `waveform`; says whether there was one.
    pub(super) fn next(&mut self, waveform: &mut Waveform) -> Result<bool, String> {
        loop {
            match self.format.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.id => {
                    return self.take(&packet, waveform).map(|()| true);
                }
                Ok(Some(_)) => {}
                Ok(None) => return Ok(false),
                Err(error) if self.open_ended && is_end(&error) => return Ok(false),
                Err(error) => return Err(reason(&error)),
            }
        }
    }

    /// Whether the file's own checksum says that its samples are not what they were.
    pub(super) fn is_corrupt(&mut self) -> bool {
        self.decoder.finalize().verify_ok == Some(false)
    }

    fn take(&mut self, packet: &Packet, waveform: &mut Waveform) -> Result<(), String> {
        if let Some(plain) = self.plain {
            check_rate(waveform, plain.rate)?;
            plain.extend(&mut waveform.samples, &packet.data);
            return Ok(());
        }
        let buffer = self.decoder.decode(packet).map_err(|error| reason(&error))?;
        check_rate(waveform, buffer.spec().rate())?;
        buffer.copy_to_vecs_planar(&mut self.channels);
        waveform.samples.extend_from_slice(self.channels.first().ok_or("has no channel")?);
        Ok(())
    }
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
        let sample = |value: &[u8; 2]| f32::from(i16::from_le_bytes(*value)) / 32_768.0;
        match self.channels {
            // Without a step, the loop becomes one of vectors.
            1 => samples.extend(values.iter().map(sample)),
            step => samples.extend(values.iter().step_by(step).map(sample)),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_samples_are_those_of_the_decoder() {
        for channels in [1, 2, 6] {
            let spec = hound::WavSpec {
                channels,
                sample_rate: 16_000,
                bits_per_sample: 16,
                sample_format: hound::SampleFormat::Int,
            };
            let mut file = io::Cursor::new(Vec::new());
            let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
            for number in 0..5_000 * i32::from(channels) {
                writer.write_sample((number * 7_919 % 65_536 - 32_768) as i16).unwrap();
            }
            writer.finalize().unwrap();
            let samples = |plain: bool| {
                let mut track = Track::open(io::Cursor::new(file.get_ref().clone())).unwrap();
                assert!(track.plain.is_some(), "{channels} channels");
                track.plain = track.plain.filter(|_| plain);
                let mut waveform = Waveform { samples: Vec::new(), rate: 0 };
                while track.next(&mut waveform).unwrap() {}
                waveform.samples
            };
            assert_eq!(samples(true), samples(false), "{channels} channels");
            assert_eq!(samples(true).len(), 5_000);
        }
    }
}
