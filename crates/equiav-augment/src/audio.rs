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
use crate::crop::Region;
use crate::jitter::Jitter;
use crate::{Context, Draw, Slot, Spectrogram, SpectrogramSize, View, Views};

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

impl AudioDraw {
    /// Which frames of the plain and of the augmented view hold any of a sound whose first `valid` frames do; what
    /// the others hold is padding alone, wherever rolls, crops and flips have moved it.
    pub fn material(&self, valid: usize) -> [Vec<bool>; 2] {
        // One mel bin of ones and zeros goes the way of the view: what is moved and mixed, but not what changes
        // values in their place.
        let size = SpectrogramSize { frames: self.context.source.frames, mels: 1 };
        let context = Context { profile: self.context.profile, source: size, output: size };
        let sound = (0..size.frames).map(|frame| f32::from(u8::from(frame < valid)));
        let plain = Spectrogram::from_frames(size, sound.collect());
        let plain = self.common_roll.apply(&context, plain);
        let shift = spec_augment::SpecAugmentDraw { masks: None, shift: self.spec_augment.shift };
        let crop = match self.crop {
            crop::CropDraw::To(region) => {
                crop::CropDraw::To(Region { left: 0, width: 1, ..region })
            }
            crop::CropDraw::Off => crop::CropDraw::Off,
        };
        let augmented = shift.apply(&context, plain.clone());
        let augmented = crop.apply(&context, augmented);
        let augmented = Draw::<Spectrogram>::apply(&self.blur, &context, augmented);
        let augmented = self.flip.apply(&context, augmented);
        [plain, augmented].map(|view| view.as_slice().iter().map(|value| *value > 0.0).collect())
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
        Self::views_of(&drawn, plain)
    }

    /// Both views of a clip, as `drawn`.
    pub fn views_of(drawn: &AudioDraw, plain: Spectrogram) -> Views<Spectrogram> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Chance, Modality, Profile, Purpose, stream};

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn frames_without_material_do_not_depend_on_the_sound(valid in 1usize..70, seed: u64, published: bool) {
            let size = SpectrogramSize { frames: 64, mels: 16 };
            let profile = if published { Profile::Published } else { Profile::Corrected };
            let mut augment = AudioAugment::new(profile, AudioVector::P26);
            // What follows moves no frame, but reads all: contrast turns about the mean of the whole.
            augment.jitter.chance = Chance::NEVER;
            let mut rng = stream(seed, 0, 0, Purpose::Augmentation(Modality::Audio));
            let drawn = augment.draw(size, &mut rng);
            let sound = |add: f32| {
                let values = (0..64 * 16).map(|at| {
                    let own = ((at * 7) as f32).sin() + add;
                    if at / 16 < valid { own } else { -2.0 }
                });
                Spectrogram::from_frames(size, values.collect())
            };
            let [one, other] = [0.0, 3.0].map(|add| AudioAugment::views_of(&drawn, sound(add)));
            let [plain, augmented] = drawn.material(valid);
            let differs = |a: &Spectrogram, b: &Spectrogram| -> Vec<bool> {
                a.as_slice().chunks(16).zip(b.as_slice().chunks(16)).map(|(a, b)| a != b).collect()
            };
            prop_assert_eq!(differs(&one.plain, &other.plain), plain);
            for (changed, material) in differs(&one.augmented, &other.augmented).iter().zip(augmented) {
                // A frame of material may be blanked.
                prop_assert!(material || !changed);
            }
        }
    }
}
