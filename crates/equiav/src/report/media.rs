//! Clips as parts of a page: small pictures, short sounds, their spectrograms.

use std::io::Cursor;

use equiav_augment::Modality;
use equiav_data::preview::{frame, spectrogram};
use equiav_data::{Dataset, wav_bytes};
use equiav_frontend::{Resampler, Waveform};
use equiav_report::page::{GalleryItem, Picture, Sound};
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;

/// The rate and the longest length of sounds on a page, in Hz and seconds: enough to tell them apart.
const RATE: u32 = 8_000;
const SECONDS: usize = 4;
const QUALITY: u8 = 85;

/// The picture of `clip`, as the model sees it.
pub(super) fn seen(dataset: &Dataset, clip: usize) -> anyhow::Result<GalleryItem> {
    let plain = dataset.plain(clip)?;
    let name = dataset.clips().id(clip).to_owned();
    let alt = format!("Middle frame of {name}{}", of_class(dataset, clip));
    let picture = jpeg(&frame(plain.parts[&Modality::VISUAL].view()), alt)?;
    Ok(GalleryItem { labels: labels(dataset, clip), name, picture: Some(picture), sound: None })
}

/// The sound of `clip`, to be heard and, as the model has it, to be seen.
pub(super) fn heard(dataset: &Dataset, clip: usize) -> anyhow::Result<GalleryItem> {
    let plain = dataset.plain(clip)?;
    let name = dataset.clips().id(clip).to_owned();
    let alt = format!("Spectrogram of {name}{}", of_class(dataset, clip));
    let drawn = jpeg(&spectrogram(plain.parts[&Modality::AUDIO].view()), alt)?;
    let waveform = dataset.clips().sound(clip, dataset.front_end().window)?;
    let label = format!("Sound of {name}");
    let sound = Sound { wav: wav(&waveform)?, spectrogram: drawn, label };
    Ok(GalleryItem { labels: labels(dataset, clip), name, picture: None, sound: Some(sound) })
}

fn of_class(dataset: &Dataset, clip: usize) -> String {
    let labels = labels(dataset, clip);
    if labels.is_empty() { labels } else { format!(", {labels}") }
}

/// The last parts of the labels' machine names.
fn labels(dataset: &Dataset, clip: usize) -> String {
    let labels = dataset.clips().labels(clip);
    let short = labels.iter().map(|label| label.rsplit('/').next().unwrap_or(label));
    short.collect::<Vec<_>>().join(", ")
}

/// `picture` for a page.
pub(super) fn jpeg(picture: &RgbImage, alt: String) -> anyhow::Result<Picture> {
    let mut bytes = Vec::new();
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, QUALITY))?;
    Ok(Picture { bytes, size: picture.dimensions().into(), alt })
}

/// As [`jpeg`], to the last level: for writing and lines.
pub(super) fn png(picture: &RgbImage, alt: String) -> anyhow::Result<Picture> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png)?;
    Ok(Picture { bytes: bytes.into_inner(), size: picture.dimensions().into(), alt })
}

/// 16 bits, one channel, [`RATE`], as loud as it is.
pub(super) fn wav(waveform: &Waveform) -> anyhow::Result<Vec<u8>> {
    let kept = waveform.samples.len().min(SECONDS * waveform.rate as usize);
    let samples = Resampler::new(waveform.rate, RATE).apply(&waveform.samples[..kept]);
    let level = |sample: f32| (sample * 32_767.0).round().clamp(-32_768.0, 32_767.0) as i16;
    wav_bytes(samples.into_iter().map(level), RATE).map_err(anyhow::Error::msg)
}
