//! One clip: whether it says anything, and how it is written; decodes nothing.

use std::sync::Arc;

use flacenc::component::BitRepr;
use flacenc::error::Verify;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use serde_json::{Value, json};

use crate::decode::windows::Window;
use crate::{AudioFormat, IngestSettings};
use equiav_data::wav_bytes;

/// A sound whose samples all stay below this is silent: -60 dB of full scale.
const SILENCE: f32 = 1e-3;
/// Frames whose levels (0 to 255) differ by less than this on average are alike.
const ALIKE: f64 = 1.0;

/// The material of one window.
#[derive(Clone, Debug)]
pub(crate) struct Clip {
    pub(crate) window: Window,
    /// One channel, at the rate of the settings.
    pub(crate) samples: Vec<f32>,
    /// One picture for each frame, or one for all.
    pub(crate) pictures: Vec<Arc<RgbImage>>,
}

/// A member of a sample in the making: its suffix and its bytes.
pub(crate) type Encoded = (String, Vec<u8>);

impl Clip {
    pub(crate) fn is_silent(&self) -> bool {
        self.samples.iter().all(|sample| sample.abs() < SILENCE)
    }

    /// Whether all frames of a video are alike; a single picture is no still video.
    pub(crate) fn is_still(&self) -> bool {
        let Some((first, others)) = self.pictures.split_first() else { return false };
        !others.is_empty() && others.iter().all(|other| difference(first, other) < ALIKE)
    }

    /// Its members: the sound, the frames, and what `about` says with the window's own facts.
    ///
    /// # Errors
    ///
    /// What an encoder refuses.
    pub(crate) fn encode(
        &self,
        about: &Value,
        settings: &IngestSettings,
    ) -> Result<Vec<Encoded>, String> {
        let sound = match settings.audio {
            AudioFormat::Flac => flac(&self.samples, settings.sample_rate)?,
            AudioFormat::Wav => wav(&self.samples, settings.sample_rate)?,
        };
        let mut members = vec![(settings.audio.suffix().to_owned(), sound)];
        for (number, picture) in self.pictures.iter().enumerate() {
            members.push((format!("{number}.jpg"), jpeg(picture, settings.jpeg_quality)?));
        }
        members.push(("json".to_owned(), self.facts(about, settings).to_string().into_bytes()));
        Ok(members)
    }

    fn facts(&self, about: &Value, settings: &IngestSettings) -> Value {
        let seconds = |milliseconds: u64| milliseconds as f64 / 1e3;
        let mut facts = about.clone();
        facts["window"] = json!(self.window.number);
        facts["start"] = json!(seconds(self.window.start));
        facts["seconds"] = json!(seconds(self.window.length));
        facts["sample_rate"] = json!(settings.sample_rate);
        if self.pictures.len() > 1 {
            let moments = self.window.moments(self.pictures.len());
            facts["frame_times"] = moments.map(seconds).collect();
        }
        facts
    }
}

/// The mean difference of the levels of two pictures; infinite where their sizes differ.
fn difference(left: &RgbImage, right: &RgbImage) -> f64 {
    if left.dimensions() != right.dimensions() {
        return f64::INFINITY;
    }
    let levels = left.as_raw().iter().zip(right.as_raw());
    let sum: u64 = levels.map(|(left, right)| u64::from(left.abs_diff(*right))).sum();
    sum as f64 / left.as_raw().len().max(1) as f64
}

/// `picture` as JPEG of `quality` 1 to 100.
pub(crate) fn jpeg(picture: &RgbImage, quality: u8) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
    picture.write_with_encoder(encoder).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// `sample` in 16 bits, to the nearest level.
fn level(sample: &f32) -> i16 {
    (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16
}

fn flac(samples: &[f32], rate: u32) -> Result<Vec<u8>, String> {
    let config = flacenc::config::Encoder::default();
    let config = config.into_verified().map_err(|(_, error)| error.to_string())?;
    let levels: Vec<i32> = samples.iter().map(|sample| level(sample).into()).collect();
    let source = flacenc::source::MemSource::from_samples(&levels, 1, 16, rate as usize);
    let stream = flacenc::encode_with_fixed_block_size(&config, source, config.block_size);
    let mut stream = stream.map_err(|error| error.to_string())?;
    // The encoder counts the last block, which may be shorter, but a header must not.
    let sizes = stream.stream_info_mut().set_block_sizes(config.block_size, config.block_size);
    sizes.map_err(|error| error.to_string())?;
    let mut sink = flacenc::bitsink::ByteSink::new();
    stream.write(&mut sink).map_err(|error| error.to_string())?;
    Ok(sink.into_inner())
}

/// A wav file of one channel of 16 bits.
pub(crate) fn wav(samples: &[f32], sample_rate: u32) -> Result<Vec<u8>, String> {
    wav_bytes(samples.iter().map(level), sample_rate)
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn clip(samples: Vec<f32>, levels: &[u8]) -> Clip {
        let picture = |level: &u8| Arc::new(RgbImage::from_pixel(32, 24, Rgb([*level; 3])));
        let window = Window { number: 2, start: 20_000, length: 1_500 };
        Clip { window, samples, pictures: levels.iter().map(picture).collect() }
    }

    #[test]
    fn silence_and_stillness_are_told_from_their_opposites() {
        assert!(clip(vec![0.0, 0.0009, -0.0009], &[]).is_silent());
        assert!(!clip(vec![0.0, -0.0011], &[]).is_silent());
        assert!(clip(vec![], &[7, 7, 7]).is_still());
        assert!(!clip(vec![], &[7, 7, 9]).is_still());
        assert!(!clip(vec![], &[7]).is_still(), "one picture is no still video");
    }

    #[test]
    fn both_formats_are_read_back_to_the_last_bit() {
        let samples: Vec<f32> = (0..24_000).map(|n| ((n * n) as f32 * 1e-4).sin() * 1.2).collect();
        let folder = tempfile::tempdir().unwrap();
        for audio in [AudioFormat::Flac, AudioFormat::Wav] {
            for length in [1, 17, 4_096, 4_101, 24_000] {
                let settings = IngestSettings { audio, ..IngestSettings::default() };
                let clip = clip(samples[..length].to_vec(), &[0, 90, 255]);
                let members = clip.encode(&json!({ "source": "x" }), &settings).unwrap();
                let suffixes: Vec<&str> = members.iter().map(|(suffix, _)| &**suffix).collect();
                assert_eq!(suffixes, [audio.suffix(), "0.jpg", "1.jpg", "2.jpg", "json"]);
                let path = folder.path().join(format!("sound.{}", audio.suffix()));
                std::fs::write(&path, &members[0].1).unwrap();
                let read = equiav_data::read_sound(&path);
                let read = read.unwrap_or_else(|error| panic!("{length} samples: {error}"));
                let written = clip.samples.iter().map(|s| f32::from(level(s)) / 32_768.0);
                assert!(read.samples.iter().copied().eq(written), "{audio:?} of {length}");
                assert_eq!(read.rate, 16_000);
            }
        }
    }

    #[test]
    fn the_facts_say_where_it_was_cut() {
        let members = clip(vec![0.5; 100], &[0, 90, 255]);
        let members =
            members.encode(&json!({ "source": "a/x.mp4" }), &IngestSettings::default()).unwrap();
        let facts: Value = serde_json::from_slice(&members[4].1).unwrap();
        assert_eq!(
            facts,
            json!({
                "source": "a/x.mp4", "window": 2, "start": 20.0, "seconds": 1.5, "sample_rate": 16_000,
                "frame_times": [20.25, 20.75, 21.25],
            })
        );
    }
}
