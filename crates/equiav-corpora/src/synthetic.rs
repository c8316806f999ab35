//! A procedural corpus in which what is seen decides what is heard.
//!
//! The table of factors is in `docs/corpora.md`; the tests at the end read it back from the files.

mod oracle;
mod picture;
mod scene;
mod sound;
mod specimen;
mod truth;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use equiav_augment::{Purpose, stream};
use equiav_data::parallel::{for_each_counted, threads};
use equiav_data::{Clip, Label, Labels, Manifest, Pictures};
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use rand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{finished, wav};
pub use oracle::Oracle;
use scene::{Classes, Scene};
pub(crate) use specimen::Specimen;
pub use truth::Rectangle;

/// Raised whenever the same knobs give other files than before.
const VERSION: u32 = 1;
/// Held-out clips are numbered from here, so that no number of training clips reaches them.
const FIRST_HELD_OUT: u64 = 1 << 40;
const JPEG_QUALITY: u8 = 92;

/// A procedural audio-visual corpus: how many clips of how many classes, and how hard.
///
/// Knobs that are not given have the values of [`Synthetic::default`].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Synthetic {
    /// Number of classes, each a family of hues with a pattern; 2 to 72.
    pub classes: usize,
    /// Number of clips to train on; at least 1.
    pub instances: usize,
    /// Number of further clips that are never trained on; at least 1.
    pub held_out: usize,
    /// How much there is to be seen and heard that tells nothing about the match; 0 to 1.
    pub nuisance: f64,
    /// Seed of everything; other seeds give other clips.
    pub seed: u64,
    /// Side of the square frames in pixels; 32 to 1024.
    pub image: u32,
    /// Length of the sounds in seconds; 1 to 60.
    pub seconds: f64,
    /// Sampling rate of the sounds in Hz; 16,000 to 48,000.
    pub sample_rate: u32,
    /// Frames of each clip, spread evenly over its length; 1 to 10.
    pub frames: usize,
}

impl Default for Synthetic {
    /// The corpus that `docs/corpora.md` describes and the contact sheet shows.
    fn default() -> Self {
        Self {
            classes: 24,
            instances: 3000,
            held_out: 256,
            nuisance: 0.5,
            seed: 0,
            image: 112,
            seconds: 2.0,
            sample_rate: 16_000,
            frames: 3,
        }
    }
}

/// Where the parts of a written corpus lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorpusPaths {
    /// The folder that holds everything.
    pub folder: PathBuf,
    /// Manifest of the clips to train on.
    pub train: PathBuf,
    /// Manifest of the clips held out.
    pub valid: PathBuf,
    /// Table of the classes: index, name in the manifests, name to show.
    pub labels: PathBuf,
}

impl CorpusPaths {
    fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            train: folder.join("train.json"),
            valid: folder.join("valid.json"),
            labels: folder.join("class_labels_indices.csv"),
        }
    }
}

impl Synthetic {
    /// Writes the corpus to `folder`, or finds it there when it was made with the same knobs.
    ///
    /// The files depend on the knobs only, not on the number of threads. `progress` is told
    /// (clips written, clips in all). An interrupted call leaves nothing that a later one keeps.
    ///
    /// # Errors
    ///
    /// If a knob is out of its range, if `folder` holds anything else (another corpus included)
    /// and when files cannot be written.
    pub fn write(
        &self,
        folder: &Path,
        progress: &mut dyn FnMut(usize, usize),
    ) -> anyhow::Result<CorpusPaths> {
        self.write_on(folder, threads(0), progress)
    }

    fn write_on(
        &self,
        folder: &Path,
        threads: usize,
        progress: &mut dyn FnMut(usize, usize),
    ) -> anyhow::Result<CorpusPaths> {
        self.check()?;
        let mut recipe = json!(self);
        recipe["corpus"] = json!("synthetic");
        recipe["version"] = json!(VERSION);
        finished::finish(folder, &recipe, |partial| {
            self.fill(&CorpusPaths::new(partial), threads, progress)
        })?;
        Ok(CorpusPaths::new(folder))
    }

    fn check(&self) -> anyhow::Result<()> {
        let most = Classes::MOST;
        ensure!(
            (2..=most).contains(&self.classes),
            "classes = {} is not in 2 to {most}",
            self.classes
        );
        ensure!(self.instances >= 1, "instances = 0 leaves nothing to train on");
        ensure!(self.held_out >= 1, "held_out = 0 leaves nothing to measure on");
        ensure!(
            (0.0..=1.0).contains(&self.nuisance),
            "nuisance = {} is not in 0 to 1",
            self.nuisance
        );
        ensure!(
            (32..=1024).contains(&self.image),
            "image = {} is not in 32 to 1024 pixels",
            self.image
        );
        ensure!(
            (1.0..=60.0).contains(&self.seconds),
            "seconds = {} is not in 1 to 60",
            self.seconds
        );
        ensure!(
            (16_000..=48_000).contains(&self.sample_rate),
            "sample_rate = {} is not in 16000 to 48000 Hz",
            self.sample_rate
        );
        ensure!((1..=10).contains(&self.frames), "frames = {} is not in 1 to 10", self.frames);
        Ok(())
    }

    fn fill(
        &self,
        paths: &CorpusPaths,
        threads: usize,
        progress: &mut dyn FnMut(usize, usize),
    ) -> anyhow::Result<()> {
        make_folder(&paths.folder.join("sound"))?;
        for frame in 0..self.frames {
            make_folder(&paths.folder.join("frames").join(format!("frame_{frame}")))?;
        }
        let plans: Vec<_> = self.plans().collect();
        let work = |index: usize| self.write_clip(&plans[index], &paths.folder);
        for_each_counted(plans.len(), threads, work, progress)?;
        let (train, valid) = plans.split_at(self.instances);
        for (path, plans) in [(&paths.train, train), (&paths.valid, valid)] {
            let clips = plans.iter().map(|plan| self.clip(plan, &paths.folder)).collect();
            Manifest { clips }.write(path)?;
        }
        Ok(self.labels().write(&paths.labels)?)
    }

    /// All clips, those to train on first; classes take turns in either part.
    fn plans(&self) -> impl Iterator<Item = Plan> {
        let train = (0..self.instances).map(|n| (format!("train-{n:06}"), n as u64, n));
        let valid =
            (0..self.held_out).map(|n| (format!("valid-{n:06}"), FIRST_HELD_OUT + n as u64, n));
        train.chain(valid).map(|(id, number, n)| Plan { id, number, class: n % self.classes })
    }

    fn write_clip(&self, plan: &Plan, folder: &Path) -> anyhow::Result<()> {
        let mut rng = self.stream(plan);
        let scene = self.scene(plan, &mut rng);
        let setting = picture::Setting::draw(self.nuisance, &mut rng);
        for frame in 0..self.frames {
            let time = (frame as f64 + 0.5) / self.frames as f64;
            let picture = picture::frame(&scene, &setting, self.image, time, &mut rng);
            write_jpeg(&folder.join(plan.frame(frame)), &picture)?;
        }
        let span = sound::Span { seconds: self.seconds, rate: self.sample_rate };
        let samples = sound::sound(&scene, self.nuisance, span, &mut rng);
        wav::write(&folder.join(plan.sound()), &samples, self.sample_rate)
    }

    fn stream(&self, plan: &Plan) -> impl Rng + use<> {
        stream(self.seed, 0, plan.number, Purpose::Synthesis)
    }

    fn scene(&self, plan: &Plan, rng: &mut impl Rng) -> Scene {
        Scene::draw(Classes::new(self.classes), plan.class, rng)
    }

    fn clip(&self, plan: &Plan, folder: &Path) -> Clip {
        let scene = self.scene(plan, &mut self.stream(plan));
        Clip {
            id: plan.id.clone(),
            sound: folder.join(plan.sound()),
            pictures: Pictures::Frames { folder: folder.join("frames"), count: self.frames },
            labels: vec![self.label(plan.class).mid],
            factors: scene.factors(),
        }
    }

    fn label(&self, class: usize) -> Label {
        let name = Classes::new(self.classes).name(class);
        Label { mid: format!("/synthetic/{name}"), name: name.replace('-', " ") }
    }

    fn labels(&self) -> Labels {
        Labels::new((0..self.classes).map(|class| self.label(class)).collect())
    }
}

/// What a clip is made from, besides the knobs.
struct Plan {
    id: String,
    number: u64,
    class: usize,
}

impl Plan {
    fn sound(&self) -> String {
        format!("sound/{}.wav", self.id)
    }

    fn frame(&self, frame: usize) -> String {
        format!("frames/frame_{frame}/{}.jpg", self.id)
    }
}

fn make_folder(path: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))
}

fn write_jpeg(path: &Path, picture: &RgbImage) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)
        .encode_image(picture)
        .map_err(anyhow::Error::from)
        .and_then(|()| Ok(fs::write(path, bytes)?))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests;
