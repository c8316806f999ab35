//! Labeled clips as examples: views of the modalities that are asked for, and a target per class.
//!
//! In training a clip may be mixed with another one (sound as waveforms, frames, targets), rolled in
//! time and masked; in evaluation it is what it is, with one frame or with all of them.

mod augment;
mod evaluation;
mod loader;
mod mix;
mod targets;

pub use augment::{LabeledAugment, Mix};
pub use evaluation::{FramedBatch, Frames, LabeledEvaluation};
pub use loader::{LabeledBatch, LabeledLoader};
pub use targets::Targets;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use equiav_augment::random::below;
use equiav_augment::{Image, Modality, Purpose, stream};
use ndarray::{Array3, ArrayD};

use crate::error::{ClipError, DataError, MediaError};
use crate::features::cache::Cache;
use crate::features::dataset::Dataset;
use augment::Partner;
use equiav_frontend::{Analyzer, InputKind, PaddedSpectrogram, Waveform, audio_input, image_input};

/// What a [`Labeled`] is made from.
#[derive(Clone, Debug)]
pub struct LabeledConfig {
    /// The clips and their front end.
    pub dataset: Arc<Dataset>,
    /// The classes of every clip of the data set.
    pub targets: Arc<Targets>,
    /// What is seen of a clip; at least one.
    pub modalities: Vec<Modality>,
    /// The positions of the clips to train on: no other clip is mixed in, or takes another's place.
    pub train: Vec<usize>,
    /// What happens to a clip in training.
    pub augment: LabeledAugment,
    /// How much decoded material is kept in memory, in bytes; 0 for none.
    pub cache_bytes: usize,
}

/// Labeled clips; the same clip, epoch and repetition give the same example, whoever asks and
/// whatever is cached.
#[derive(Debug)]
pub struct Labeled {
    config: LabeledConfig,
    analyzer: Analyzer,
    cache: Cache,
}

/// Which time a clip is drawn: an epoch may draw it more than once where clips have weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Visit {
    /// The epoch.
    pub epoch: u64,
    /// How often the epoch drew the clip before.
    pub repetition: u64,
    /// The clip's position in the data set.
    pub clip: usize,
}

/// A labeled clip in training.
#[derive(Clone, Debug, PartialEq)]
pub struct LabeledExample {
    /// Its position in the data set.
    pub clip: usize,
    /// Its views, `[1, mels, frames]` or `[3, height, width]`.
    pub parts: BTreeMap<Modality, Array3<f32>>,
    /// Which columns of a view hold any of the clip, the others being padding, of those modalities that may be padded.
    pub material: BTreeMap<Modality, Vec<bool>>,
    /// How much of each class is in it, in [0, 1].
    pub target: Vec<f32>,
}

impl Visit {
    /// The key of its random streams in the place of an epoch; the first visit's is the epoch's own.
    pub fn key(self) -> u64 {
        self.epoch | self.repetition << 40
    }
}

impl Labeled {
    /// The labeled clips of `config`; no file is opened.
    ///
    /// # Errors
    ///
    /// If there is no clip to train on.
    ///
    /// # Panics
    ///
    /// If there is no modality, `train` names a clip that does not exist, or the targets are those of
    /// another data set.
    #[track_caller]
    pub fn new(config: LabeledConfig) -> Result<Self, DataError> {
        let clips = config.dataset.len();
        assert!(!config.modalities.is_empty(), "Labeled::new: no modality");
        assert!(config.train.iter().all(|clip| *clip < clips), "Labeled::new: no such clip");
        assert_eq!(config.targets.clips(), clips, "Labeled::new: targets of other clips");
        if config.train.is_empty() {
            return Err(DataError::Empty);
        }
        let analyzer = Analyzer::new(config.dataset.front_end().clone())?;
        Ok(Self { analyzer, cache: Cache::new(config.cache_bytes), config })
    }

    /// The clips and their front end.
    pub fn dataset(&self) -> &Arc<Dataset> {
        &self.config.dataset
    }

    /// The classes of every clip.
    pub fn targets(&self) -> &Targets {
        &self.config.targets
    }

    /// What is seen of a clip.
    pub fn modalities(&self) -> &[Modality] {
        &self.config.modalities
    }

    /// The positions of the clips to train on.
    pub fn train(&self) -> &[usize] {
        &self.config.train
    }

    /// The training example of one visit.
    ///
    /// # Errors
    ///
    /// If the sound or picture of the clip, or of the one it is mixed with, cannot be used.
    ///
    /// # Panics
    ///
    /// If there is no such clip.
    pub fn example(&self, visit: Visit) -> Result<LabeledExample, ClipError> {
        let config = &self.config;
        let random =
            |purpose| stream(config.dataset.seed(), visit.key(), visit.clip as u64, purpose);
        let clips = config.dataset.clips();
        let partner = config.augment.partner(&config.train, clips, &mut random(Purpose::Mix));
        let mut material = BTreeMap::new();
        let part = |modality: &Modality| {
            let view = match config.dataset.kind(*modality) {
                InputKind::Spectrogram => {
                    let sound = self.mixed_sound(visit.clip, partner)?;
                    let mut rng = random(Purpose::Augmentation(*modality));
                    let (sound, heard) = config.augment.masked(sound, &mut rng);
                    material.insert(*modality, heard);
                    audio_input(&sound)
                }
                InputKind::Image => {
                    let mut rng = random(Purpose::Frame(*modality));
                    let frame = below(clips.frames(visit.clip), &mut rng);
                    self.mixed_picture(visit.clip, frame, partner)?
                }
            };
            Ok((*modality, view))
        };
        let parts = config.modalities.iter().map(part).collect::<Result<_, _>>()?;
        let target = config.targets.mixed(
            visit.clip,
            partner.map(|partner| (partner.clip, partner.share)),
            config.augment.label_smoothing,
        );
        Ok(LabeledExample { clip: visit.clip, parts, material, target })
    }

    /// The spectrogram of `clip` for evaluation, `[1, mels, frames]`, and how many of its frames hold sound.
    fn plain_sound(&self, clip: usize) -> Result<(Array3<f32>, usize), ClipError> {
        let sound = self.sound(clip)?;
        Ok((audio_input(&sound.spectrogram), sound.valid))
    }

    /// Frame `frame` of `clip` as it is, `[3, height, width]`.
    fn plain_picture(&self, clip: usize, frame: usize) -> Result<Array3<f32>, ClipError> {
        let dataset = &self.config.dataset;
        let make = || dataset.clips().picture(clip, frame, dataset.orientation());
        let picture: Arc<Image> =
            self.cache.picture(clip, frame, make).map_err(|error| self.clip_error(clip, error))?;
        Ok(image_input(&self.analyzer.image(&picture)))
    }

    /// The spectrogram of `clip`, mixed with the partner's as sounds.
    fn mixed_sound(
        &self,
        clip: usize,
        partner: Option<Partner>,
    ) -> Result<PaddedSpectrogram, ClipError> {
        let Some(Partner { clip: other, share, .. }) = partner else {
            return Ok(PaddedSpectrogram::clone(&*self.sound(clip)?));
        };
        let rate = self.config.dataset.front_end().sample_rate;
        let first = self.waveform(clip)?;
        let second = self.waveform(other)?;
        let mixed = mix::sounds(&first, &second, share, rate);
        self.spectrogram(clip, &mixed)
    }

    /// Frame `frame` of `clip`, mixed with the partner's frame.
    fn mixed_picture(
        &self,
        clip: usize,
        frame: usize,
        partner: Option<Partner>,
    ) -> Result<Array3<f32>, ClipError> {
        let mut picture = self.plain_picture(clip, frame)?;
        if let Some(Partner { clip, frame, share }) = partner {
            let (own, share) = ((1.0 - share) as f32, share as f32);
            picture.zip_mut_with(&self.plain_picture(clip, frame)?, |value, other| {
                *value = own * *value + share * other;
            });
        }
        Ok(picture)
    }

    fn sound(&self, clip: usize) -> Result<Arc<PaddedSpectrogram>, ClipError> {
        self.cache.sound(clip, || self.spectrogram(clip, &self.waveform(clip)?))
    }

    fn spectrogram(&self, clip: usize, sound: &Waveform) -> Result<PaddedSpectrogram, ClipError> {
        self.analyzer.audio(&sound.samples, sound.rate).map_err(|error| {
            let name: &Path = &self.config.dataset.clips().sound_name(clip);
            self.clip_error(clip, MediaError::broken(name, error.to_string()))
        })
    }

    fn waveform(&self, clip: usize) -> Result<Waveform, ClipError> {
        let dataset = &self.config.dataset;
        let read = dataset.clips().sound(clip, dataset.front_end().window);
        read.map_err(|error| self.clip_error(clip, error))
    }

    fn clip_error(&self, clip: usize, media: MediaError) -> ClipError {
        ClipError { clip, id: self.config.dataset.clips().id(clip).to_owned(), media }
    }
}

/// Views of equal shape side by side, `[b, c, height, width]`.
fn side_by_side<'a>(views: impl ExactSizeIterator<Item = &'a Array3<f32>>) -> ndarray::Array4<f32> {
    let (count, mut shape, mut values) = (views.len(), vec![0, 0, 0], Vec::new());
    for view in views {
        shape = view.shape().to_vec();
        values.reserve_exact((count * view.len()).saturating_sub(values.len()));
        values.extend_from_slice(view.as_slice().expect("views are stored row by row"));
    }
    shape.insert(0, count);
    let joined = ArrayD::from_shape_vec(shape, values).expect("all views have one shape");
    joined.into_dimensionality().expect("views have three axes")
}
