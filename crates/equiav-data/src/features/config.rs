//! What a data set is made from: clips, a front end, and the views of each modality.

use std::collections::BTreeMap;

use equiav_augment::{AudioAugment, Modality, VisualAugment};
use equiav_frontend::{FrontEnd, InputAugment};

use crate::manifest::clips::Clips;

/// What a [`Dataset`](crate::Dataset) is made from.
#[derive(Clone, Debug)]
pub struct DatasetConfig {
    /// The clips.
    pub clips: Clips,
    /// How they become inputs.
    pub front_end: FrontEnd,
    /// What is made of a clip under the name of each modality, and how that is augmented.
    pub views: BTreeMap<Modality, InputAugment>,
    /// How many parameter vectors are sampled for a clip's centroid, per modality.
    pub centroid: usize,
    /// The run's seed.
    pub seed: u64,
    /// How much decoded material is kept in memory, in bytes; 0 for none.
    pub cache_bytes: usize,
}

/// Sound and picture, each under its usual name.
pub fn audio_visual(
    audio: AudioAugment,
    visual: VisualAugment,
) -> BTreeMap<Modality, InputAugment> {
    BTreeMap::from([
        (Modality::AUDIO, InputAugment::Spectrogram(audio)),
        (Modality::VISUAL, InputAugment::Image(visual)),
    ])
}
