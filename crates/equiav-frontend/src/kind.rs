//! Kinds of input: what may be made of a clip under the name of a modality.

use equiav_augment::{AudioAugment, VisualAugment};
use ndarray::Array2;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::front_end::FrontEnd;

/// What is made of a clip for an encoder.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum InputKind {
    /// Of its sound, a spectrogram of one channel.
    Spectrogram,
    /// Of one of its frames, a picture of three channels.
    Image,
}

/// A kind of input with the augmentations that fit it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum InputAugment {
    /// Of spectrograms.
    Spectrogram(AudioAugment),
    /// Of pictures.
    Image(VisualAugment),
}

impl InputKind {
    /// Channels, height and width of such an input under `front_end`.
    pub fn shape(self, front_end: &FrontEnd) -> (usize, usize, usize) {
        match self {
            Self::Spectrogram => (1, front_end.mels, front_end.frames),
            Self::Image => (3, front_end.image, front_end.image),
        }
    }
}

impl InputAugment {
    /// What it augments.
    pub fn kind(&self) -> InputKind {
        match self {
            Self::Spectrogram(_) => InputKind::Spectrogram,
            Self::Image(_) => InputKind::Image,
        }
    }

    /// Numbers of a parameter vector.
    #[allow(clippy::len_without_is_empty, reason = "a vector has slots")]
    pub fn len(&self) -> usize {
        match self {
            Self::Spectrogram(augment) => augment.len(),
            Self::Image(augment) => augment.len(),
        }
    }

    /// `count` parameter vectors of inputs under `front_end`, `[count, len]`.
    pub fn sample(&self, front_end: &FrontEnd, count: usize, rng: &mut impl Rng) -> Array2<f32> {
        match self {
            Self::Spectrogram(augment) => augment.sample(front_end.spectrogram_size(), count, rng),
            Self::Image(augment) => augment.sample(front_end.image_size(), count, rng),
        }
    }
}
