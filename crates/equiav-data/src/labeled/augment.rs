//! What happens to a labeled clip in training: mixing, masks, a roll in time, softer targets.

use equiav_augment::audio::spec_augment::{Masks, SpecAugment, mask, roll};
use equiav_augment::random::{below, beta};
use equiav_augment::{Chance, Context, Family, Positive, Profile, Spectrogram};
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::manifest::clips::Clips;
use equiav_frontend::PaddedSpectrogram;

/// What happens to a labeled clip in training.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LabeledAugment {
    /// Mixing with another clip; absent, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mix: Option<Mix>,
    /// Bands of the spectrogram that are blanked; absent, none. Only its masks are used here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masks: Option<SpecAugment>,
    /// Whether the spectrogram is rolled in time by any number of frames.
    #[serde(default)]
    pub roll: bool,
    /// The share of a target that is spread evenly over all classes, in [0, 1).
    #[serde(default)]
    pub label_smoothing: f64,
}

/// Mixing with another clip of the training list (Zhang et al., arXiv 1710.09412).
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mix {
    /// How likely a clip is mixed.
    pub chance: Chance,
    /// Both parameters of the beta distribution that the shares come from.
    pub alpha: Positive,
}

/// What a clip is mixed with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Partner {
    /// The other clip's position.
    pub(super) clip: usize,
    /// Its frame.
    pub(super) frame: usize,
    /// How much of the mix it is, in [0, 1].
    pub(super) share: f64,
}

impl LabeledAugment {
    /// Draws what to mix a clip with, among the clips `train` of `clips`.
    pub(super) fn partner(
        &self,
        train: &[usize],
        clips: &Clips,
        rng: &mut impl Rng,
    ) -> Option<Partner> {
        let mix = self.mix?;
        if !mix.chance.strikes(rng) {
            return None;
        }
        let clip = train[below(train.len(), rng)];
        let frame = below(clips.frames(clip), rng);
        Some(Partner { clip, frame, share: beta(mix.alpha.get(), rng) })
    }

    /// `sound` rolled and masked, as drawn from `rng`, and which of its frames hold any of it.
    pub(super) fn masked(
        &self,
        PaddedSpectrogram { spectrogram: mut sound, valid }: PaddedSpectrogram,
        rng: &mut impl Rng,
    ) -> (Spectrogram, Vec<bool>) {
        let mut material: Vec<bool> = (0..sound.frames()).map(|frame| frame < valid).collect();
        if self.roll {
            let shift = below(sound.frames(), rng);
            roll(&mut sound, shift as isize);
            material.rotate_right(shift);
        }
        if let Some(masks) = self.masks.and_then(|masks| drawn(&masks, &sound, rng)) {
            mask(&mut sound, &masks);
        }
        (sound, material)
    }
}

/// The bands that `masks` blanks in a spectrogram like `sound`.
fn drawn(masks: &SpecAugment, sound: &Spectrogram, rng: &mut impl Rng) -> Option<Masks> {
    let size = equiav_augment::View::size(sound);
    // Of the two profiles the corrected one draws no bands without width.
    let context = Context { profile: Profile::Corrected, source: size, output: size };
    masks.draw(&context, rng).masks
}
