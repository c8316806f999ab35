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

use crate::audiovisual::blur::Blur;
use crate::audiovisual::jitter::Jitter;
use crate::chain::{Chain, ChainDraw, Ladder, Link, VectorLength};
use crate::{Context, Modality, Setting, Slot, Spectrogram, SpectrogramSize, View, Views};

/// What happens to the audio view; also the `audio` part of a recipe.
pub type AudioAugment = Chain<Spectrogram>;

/// One draw of [`AudioAugment`].
pub type AudioDraw = ChainDraw<Spectrogram>;

/// How long the audio parameter vector is: which of the built-in families there are.
pub type AudioVector = VectorLength<Spectrogram>;

impl AudioVector {
    /// 7 numbers: SpecAugment.
    pub const P7: Self = Self::new(7);
    /// 12 numbers: the crop too.
    pub const P12: Self = Self::new(12);
    /// 21 numbers: the jitter too.
    pub const P21: Self = Self::new(21);
    /// 23 numbers: the blur too.
    pub const P23: Self = Self::new(23);
    /// 24 numbers, as published: the flip too.
    pub const P24: Self = Self::new(24);
    /// 26 numbers: all built-in families.
    pub const P26: Self = Self::new(26);

    /// Every length, shortest first.
    pub const ALL: &'static [Self] =
        &[Self::P7, Self::P12, Self::P21, Self::P23, Self::P24, Self::P26];
}

impl Ladder for Spectrogram {
    const MODALITY: Modality = Modality::AUDIO;
    const LENGTHS: &'static [AudioVector] = AudioVector::ALL;
    const SPEC: AudioVector = AudioVector::P24;

    fn common() -> Vec<Link<Self>> {
        vec![Link::new("common_roll", common_roll::CommonRoll::spec())]
    }

    fn augmented() -> Vec<Link<Self>> {
        vec![
            Link::new("spec_augment", spec_augment::SpecAugment::spec()),
            Link::new("crop", crop::AudioCrop::spec()),
            Link::new("jitter", Jitter::spec()),
            Link::new("blur", Blur::spec()),
            Link::new("flip", flip::Flip::spec()),
            Link::new("volume", volume::Volume::spec()),
        ]
    }
}

impl AudioDraw {
    /// Which frames of the plain and of the augmented view hold any of a sound whose first `valid`
    /// frames do; what the others hold is padding alone, wherever rolls, crops and flips have moved
    /// it.
    pub fn material(&self, valid: usize) -> [Vec<bool>; 2] {
        let Context { profile, source, .. } = *self.context();
        let size = SpectrogramSize { frames: source.frames, mels: 1 };
        let context = Context { profile, source: size, output: size };
        let marks = (0..size.frames).map(|frame| f32::from(u8::from(frame < valid)));
        let marks = Spectrogram::from_frames(size, marks.collect());
        self.carry(&context, marks)
            .map(|marks| marks.as_slice().iter().map(|mark| *mark > 0.0).collect())
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
    use crate::{Chance, Profile, Purpose, stream};

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn frames_without_material_do_not_depend_on_the_sound(valid in 1usize..70, seed: u64, published: bool) {
            let size = SpectrogramSize { frames: 64, mels: 16 };
            let profile = if published { Profile::Published } else { Profile::Corrected };
            let mut augment = AudioAugment::new(profile, AudioVector::P26);
            // What follows moves no frame, but reads all: contrast turns about the mean of the whole.
            augment.family_mut::<Jitter>().chance = Chance::NEVER;
            let mut rng = stream(seed, 0, 0, Purpose::Augmentation(Modality::AUDIO));
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
