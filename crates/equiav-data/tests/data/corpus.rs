//! Small corpora of real wav and jpg files, with whatever is to be broken in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use equiav_augment::{AudioAugment, AudioVector, Profile, VisualAugment, VisualVector};
use equiav_data::{Dataset, DatasetConfig, Manifest, audio_visual};
use equiav_frontend::FrontEnd;
use image::{ImageFormat, Rgb, RgbImage};
use serde_json::json;
use tempfile::TempDir;

/// A folder of clips `c0`, `c1`, ... with three frames each, and its manifest.
pub(crate) struct Corpus {
    pub(crate) folder: TempDir,
    pub(crate) manifest: Manifest,
}

pub(crate) fn write_wav(path: &Path, samples: &[f32], rate: u32) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for sample in samples {
        writer.write_sample((sample * 32_767.0) as i16).unwrap();
    }
    writer.finalize().unwrap();
}

pub(crate) fn tone(hertz: f32, samples: usize) -> Vec<f32> {
    (0..samples)
        .map(|n| (n as f32 * hertz * std::f32::consts::TAU / 16_000.0).sin() * 0.5)
        .collect()
}

pub(crate) fn picture(seed: u32, width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([(seed * 53 + x * 5) as u8, (y * 7) as u8, (seed * 31 + (x ^ y) * 3) as u8])
    })
}

impl Corpus {
    pub(crate) fn new(clips: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join("wav")).unwrap();
        for frame in 0..3 {
            fs::create_dir_all(root.join(format!("frames/frame_{frame}"))).unwrap();
        }
        let entries: Vec<_> = (0..clips)
            .map(|clip| {
                let samples = tone(200.0 + 40.0 * clip as f32, 4_000 + 100 * clip);
                write_wav(&root.join(format!("wav/c{clip}.wav")), &samples, 16_000);
                for frame in 0..3 {
                    let name = root.join(format!("frames/frame_{frame}/c{clip}.jpg"));
                    let picture = picture((clip * 3 + frame) as u32, 40 + clip as u32 % 7, 36);
                    picture.save_with_format(name, ImageFormat::Jpeg).unwrap();
                }
                json!({"video_id": format!("c{clip}"), "wav": format!("wav/c{clip}.wav"),
                       "video_path": "frames", "frames": 3, "labels": "/m/a"})
            })
            .collect();
        let path = root.join("train.json");
        fs::write(&path, json!({ "data": entries }).to_string()).unwrap();
        let manifest = Manifest::read(&path).unwrap();
        Self { folder, manifest }
    }

    pub(crate) fn sound(&self, clip: usize) -> PathBuf {
        self.folder.path().join(format!("wav/c{clip}.wav"))
    }

    /// Makes the sounds of `clips` unreadable.
    pub(crate) fn break_sounds(&self, clips: impl IntoIterator<Item = usize>) {
        for clip in clips {
            fs::write(self.sound(clip), "no sound at all").unwrap();
        }
    }

    pub(crate) fn dataset(&self, profile: Profile, cache_bytes: usize) -> Arc<Dataset> {
        Arc::new(Dataset::new(self.config(profile, cache_bytes)).unwrap())
    }

    pub(crate) fn config(&self, profile: Profile, cache_bytes: usize) -> DatasetConfig {
        let (audio, visual) = match profile {
            Profile::Published => (AudioAugment::published(), VisualAugment::published()),
            Profile::Corrected => (
                AudioAugment::corrected(AudioVector::P24),
                VisualAugment::corrected(VisualVector::P18),
            ),
        };
        let front_end = FrontEnd {
            sample_rate: Some(16_000),
            frames: 32,
            mels: 16,
            mean: -4.0,
            std: 4.0,
            image: 24,
            profile,
            window: None,
        };
        let clips = self.manifest.clone().into();
        let views = audio_visual(audio, visual);
        DatasetConfig { clips, front_end, views, centroid: 3, seed: 11, cache_bytes }
    }
}
