//! One clip as arrays: both views, their parameter vectors and the centroid's.

use std::collections::BTreeMap;

use equiav_augment::{Image, Modality, ParameterVector, Purpose, Spectrogram, transpose};
use ndarray::{Array2, Array3};
use rand::Rng;

use crate::front_end::{IMAGE_MEAN, IMAGE_STD};
use crate::stage::{self, Stage};
use crate::{DatasetConfig, PaddedSpectrogram};

/// A clip in training.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Its position in the manifest.
    pub clip: usize,
    /// Its views.
    pub parts: BTreeMap<Modality, ExamplePart>,
}

/// One modality of a clip in training.
///
/// # Shapes
///
/// - audio: `[1, mels, frames]`; visual: `[3, height, width]`
#[derive(Clone, Debug, PartialEq)]
pub struct ExamplePart {
    /// The plain view.
    pub plain: Array3<f32>,
    /// The augmented view.
    pub augmented: Array3<f32>,
    /// The parameter vector of the augmented view.
    pub vector: ParameterVector,
    /// The parameter vectors of the centroid: `[S, P]`.
    pub centroid: Array2<f32>,
    /// How many columns of the plain view hold material, from the start; the others are padding.
    ///
    /// A common roll of both views, where it is on, is not followed.
    pub valid: usize,
}

/// A clip in evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct PlainExample {
    /// Its position in the manifest.
    pub clip: usize,
    /// Its plain views, shaped as in [`ExamplePart`].
    pub parts: BTreeMap<Modality, Array3<f32>>,
    /// How many frames of the spectrogram hold sound, from the start; the others are padding.
    pub valid: usize,
}

/// The part of a sound.
pub(crate) fn audio<R: Rng>(
    config: &DatasetConfig,
    sound: &PaddedSpectrogram,
    random: impl Fn(Purpose) -> R,
) -> ExamplePart {
    let augment = &config.audio;
    let mut rng = random(Purpose::Augmentation(Modality::Audio));
    let views =
        stage::at(Stage::AugmentAudio, || augment.views(sound.spectrogram.clone(), &mut rng));
    let mut rng = random(Purpose::Centroid(Modality::Audio));
    let size = config.front_end.spectrogram_size();
    let sample = || augment.sample(size, config.centroid, &mut rng);
    ExamplePart {
        plain: audio_input(&views.plain),
        augmented: audio_input(&views.augmented),
        vector: views.vector,
        centroid: stage::at(Stage::Vectors, sample),
        valid: sound.valid,
    }
}

/// The part of the frames of the plain and of the augmented view.
pub(crate) fn visual<R: Rng>(
    config: &DatasetConfig,
    plain: &Image,
    augmented: &Image,
    random: impl Fn(Purpose) -> R,
) -> ExamplePart {
    let (augment, size) = (&config.visual, config.front_end.image_size());
    let mut rng = random(Purpose::Augmentation(Modality::Visual));
    let (augmented, vector) =
        stage::at(Stage::AugmentVisual, || augment.augmented(plain, augmented, size, &mut rng));
    let plain = stage::at(Stage::PlainFrame, || augment.plain(plain, size));
    let mut rng = random(Purpose::Centroid(Modality::Visual));
    let sample = || augment.sample(size, config.centroid, &mut rng);
    ExamplePart {
        plain: visual_input(&plain),
        augmented: visual_input(&augmented),
        vector,
        centroid: stage::at(Stage::Vectors, sample),
        valid: size.width,
    }
}

/// `[1, mels, frames]` of a spectrogram.
pub(crate) fn audio_input(spectrogram: &Spectrogram) -> Array3<f32> {
    stage::at(Stage::Assemble, || {
        let (frames, mels) = (spectrogram.frames(), spectrogram.mels());
        let mut values = vec![0.0; frames * mels];
        transpose(spectrogram.as_slice(), mels, &mut values);
        Array3::from_shape_vec((1, mels, frames), values).expect("one value per mel bin and frame")
    })
}

/// `[3, height, width]` of a picture, standardised with ImageNet's statistics.
pub(crate) fn visual_input(image: &Image) -> Array3<f32> {
    stage::at(Stage::Assemble, || image.standardized(IMAGE_MEAN, IMAGE_STD))
}
