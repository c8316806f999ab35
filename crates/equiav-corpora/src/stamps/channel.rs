//! Decodes a sound whose first channel, the one that is read elsewhere, holds nothing.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, ensure};
use equiav_frontend::Waveform;
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::formats::TrackType;
use symphonia::core::io::MediaSourceStream;

/// The channel of the sound at `path` that has the most energy, at the file's own rate.
pub(super) fn loudest_channel(path: &Path) -> anyhow::Result<Waveform> {
    decode(path).with_context(|| format!("cannot decode {}", path.display()))
}

fn decode(path: &Path) -> anyhow::Result<Waveform> {
    let stream = MediaSourceStream::new(Box::new(File::open(path)?), Default::default());
    let probe = symphonia::default::get_probe();
    let mut format =
        probe.probe(&Default::default(), stream, Default::default(), Default::default())?;
    let track = format.default_track(TrackType::Audio).context("no sound track")?;
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
    let parameters = parameters.context("a sound track of an unknown kind")?;
    let id = track.id;
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())?;
    let mut channels: Vec<Vec<f32>> = Vec::new();
    let mut part: Vec<Vec<f32>> = Vec::new();
    let mut rate = 0;
    while let Some(packet) = format.next_packet()? {
        if packet.track_id != id {
            continue;
        }
        let buffer = decoder.decode(&packet)?;
        rate = buffer.spec().rate();
        buffer.copy_to_vecs_planar(&mut part);
        channels.resize_with(part.len().max(channels.len()), Vec::new);
        for (channel, samples) in channels.iter_mut().zip(&part) {
            channel.extend_from_slice(samples);
        }
    }
    let energy = |samples: &[f32]| -> f64 { samples.iter().map(|s| f64::from(s * s)).sum() };
    let loudest = channels.into_iter().max_by(|a, b| energy(a).total_cmp(&energy(b)));
    let samples = loudest.unwrap_or_default();
    ensure!(!samples.is_empty(), "no samples");
    Ok(Waveform { samples, rate })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_first_channel_is_passed_over() -> anyhow::Result<()> {
        let home = tempfile::tempdir()?;
        let path = home.path().join("right.wav");
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 8000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec)?;
        for sample in [0, 100, 0, -200, 0, 16384] {
            writer.write_sample(sample as i16)?;
        }
        writer.finalize()?;
        let waveform = loudest_channel(&path)?;
        assert_eq!(waveform.rate, 8000);
        assert_eq!(waveform.samples, [100.0 / 32768.0, -200.0 / 32768.0, 0.5]);
        Ok(())
    }
}
