//! What happens to the audio view: the chain of its families, and their operations one by one.

pub mod color;
pub mod common_roll;
pub mod crop;
pub mod flip;
pub mod gaussian;
mod rows;
pub mod spec_augment;
pub mod volume;

use ndarray::Array2;
use rand::Rng;

use crate::blur::Blur;
use crate::chain::chain;
use crate::jitter::Jitter;
use crate::{Context, Slot, Spectrogram, SpectrogramSize, View, Views};

chain! {
    /// What happens to the audio view, in this order; also the `audio` part of a recipe.
    pub struct AudioAugment, drawn as AudioDraw, of Spectrogram, as long as AudioVector;
    lengths of Audio { P7 = 7, P12 = 12, P21 = 21, P23 = 23, P24 = 24, P26 = 26, }
    spec P24;
    common {
        /// Rolls both views in time.
        common_roll: common_roll::CommonRoll,
    }
    augmented {
        /// Blanks bands and rolls in time.
        spec_augment: spec_augment::SpecAugment,
        /// Stretches a part to the whole.
        crop: crop::Crop,
        /// Changes gain and contrast.
        jitter: Jitter,
        /// Blurs.
        blur: Blur,
        /// Plays backwards.
        flip: flip::Flip,
        /// Plays louder or softer.
        volume: volume::Volume,
    }
}

/// The size for which the published vector was made.
const PUBLISHED_SIZE: SpectrogramSize = SpectrogramSize { frames: 1024, mels: 128 };

impl AudioAugment {
    fn context(&self, size: SpectrogramSize) -> Context<SpectrogramSize> {
        Context { profile: self.profile, source: size, output: size }
    }

    /// What the numbers of the vector are, for 1024 frames of 128 mel bins.
    pub fn slots(&self) -> Vec<Slot> {
        self.slots_at(PUBLISHED_SIZE)
    }

    /// What the numbers of the vector are; published limits depend on the spectrogram's size.
    pub fn slots_at(&self, size: SpectrogramSize) -> Vec<Slot> {
        self.families(size).into_iter().flat_map(|(_, slots)| slots).collect()
    }

    /// The families of the vector, by their key in a recipe, with their slots.
    pub fn families(&self, size: SpectrogramSize) -> Vec<(&'static str, Vec<Slot>)> {
        self.families_in(&self.context(size))
    }

    /// Draws what will happen to a spectrogram of `size`.
    pub fn draw(&self, size: SpectrogramSize, rng: &mut impl Rng) -> AudioDraw {
        self.draw_in(self.context(size), rng)
    }

    /// The draw under which nothing happens to a spectrogram of `size`.
    pub fn identity(&self, size: SpectrogramSize) -> AudioDraw {
        self.identity_in(self.context(size))
    }

    /// Both views of a clip, from one draw.
    pub fn views(&self, plain: Spectrogram, rng: &mut impl Rng) -> Views<Spectrogram> {
        let drawn = self.draw(plain.size(), rng);
        let plain = drawn.apply_common(plain);
        Views { augmented: drawn.apply(&plain), vector: drawn.encode(), plain }
    }

    /// The vectors of `count` draws, without a spectrogram: those of the centroid.
    ///
    /// # Shapes
    ///
    /// - returns: `[count, len]`
    pub fn sample(&self, size: SpectrogramSize, count: usize, rng: &mut impl Rng) -> Array2<f32> {
        self.sample_in(self.context(size), count, rng)
    }
}
