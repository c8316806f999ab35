//! The sound track of a file, packet by packet, and what the file says of its length.

use symphonia::core::codecs::audio::well_known::CODEC_ID_PCM_S16LE;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::packet::Packet;

use super::refusal::Refusal;
use equiav_frontend::Waveform;

/// The sample rates that are taken for real, in Hz.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=768_000;

/// A sound that is decoded piece by piece.
pub(super) trait Source {
    /// Appends the first channel of the next piece to `waveform`; says whether there was one.
    fn next(&mut self, waveform: &mut Waveform) -> Result<bool, Refusal>;

    /// How many samples there must be, where the file says so exactly; known for sure at its end.
    fn promised(&self) -> Option<u64>;

    /// Whether the file's own checksum says that its samples are not what they were.
    fn is_corrupt(&mut self) -> bool {
        false
    }
}

/// The sound track of a file.
pub(super) struct Track {
    format: Box<dyn FormatReader>,
    link: Link,
    /// How many samples the links before this one were to have; `None` if one did not say.
    before: Option<u64>,
    /// What a packet is decoded to, channel by channel.
    channels: Vec<Vec<f32>>,
}

/// The track of a format, or one of several that are chained.
struct Link {
    id: u32,
    decoder: Box<dyn AudioDecoder>,
    /// How the samples lie in most wavs, which then need no decoder.
    plain: Option<Plain>,
    /// How many samples it must have, where it says so.
    promised: Option<u64>,
    /// Whether what stands behind so many samples is none of the sound's.
    closed: bool,
}

impl Track {
    /// The first sound track of `file`.
    pub(super) fn open(file: impl MediaSource + 'static) -> Result<Self, Refusal> {
        let stream = MediaSourceStream::new(Box::new(file), Default::default());
        let probe = symphonia::default::get_probe();
        let format = probe.probe(&Hint::new(), stream, Default::default(), Default::default())?;
        let link = Link::of(&*format)?;
        Ok(Self { format, link, before: Some(0), channels: Vec::new() })
    }

    /// The same track of which it is known otherwise how many samples there must be.
    pub(super) fn promising(mut self, samples: Option<u64>) -> Self {
        self.link.promised = samples;
        self
    }

    fn take(&mut self, packet: &Packet, waveform: &mut Waveform) -> Result<(), Refusal> {
        if let Some(plain) = self.link.plain {
            check_rate(waveform, plain.rate)?;
            plain.extend(&mut waveform.samples, &packet.data);
            return Ok(());
        }
        let buffer = self.link.decoder.decode(packet)?;
        check_rate(waveform, buffer.spec().rate())?;
        buffer.copy_to_vecs_planar(&mut self.channels);
        let first = self.channels.first().ok_or_else(|| Refusal::broken("has no channel"))?;
        waveform.samples.extend_from_slice(first);
        Ok(())
    }
}

impl Source for Track {
    fn next(&mut self, waveform: &mut Waveform) -> Result<bool, Refusal> {
        let samples = waveform.samples.len() as u64;
        if self.link.closed && self.promised().is_some_and(|promised| samples >= promised) {
            return Ok(false);
        }
        loop {
            match self.format.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.link.id => {
                    return self.take(&packet, waveform).map(|()| true);
                }
                Ok(Some(_)) => {}
                Ok(None) => return Ok(false),
                Err(SymphoniaError::ResetRequired) => {
                    self.before = self.promised();
                    self.link = Link::of(&*self.format)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn promised(&self) -> Option<u64> {
        Some(self.before? + self.link.promised?)
    }

    fn is_corrupt(&mut self) -> bool {
        self.link.decoder.finalize().verify_ok == Some(false)
    }
}

impl Link {
    fn of(format: &dyn FormatReader) -> Result<Self, Refusal> {
        let track = format.default_track(TrackType::Audio);
        let track = track.ok_or_else(|| Refusal::foreign("holds no sound track"))?;
        let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
        let parameters =
            parameters.ok_or_else(|| Refusal::foreign("its sound track is of an unknown kind"))?;
        let options = AudioDecoderOptions::default().verify(true);
        let decoder = symphonia::default::get_codecs().make_audio_decoder(parameters, &options)?;
        Ok(Self {
            id: track.id,
            plain: Plain::of(parameters),
            promised: track.num_frames,
            closed: format.format_info().short_name == "flac",
            decoder,
        })
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

/// Holds the rate of a piece to what a rate can be and to that of the pieces before.
pub(super) fn check_rate(waveform: &mut Waveform, rate: u32) -> Result<(), Refusal> {
    if !RATES.contains(&rate) {
        let (low, high) = (RATES.start(), RATES.end());
        return Err(Refusal::broken(format!("sample rate {rate} Hz is outside {low} to {high}")));
    }
    if waveform.rate != 0 && waveform.rate != rate {
        let reason = format!("its sample rate changes from {} to {rate} Hz", waveform.rate);
        return Err(Refusal::foreign(reason));
    }
    waveform.rate = rate;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io;

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
                assert!(track.link.plain.is_some(), "{channels} channels");
                track.link.plain = track.link.plain.filter(|_| plain);
                let mut waveform = Waveform { samples: Vec::new(), rate: 0 };
                while track.next(&mut waveform).unwrap() {}
                waveform.samples
            };
            assert_eq!(samples(true), samples(false), "{channels} channels");
            assert_eq!(samples(true).len(), 5_000);
        }
    }
}
