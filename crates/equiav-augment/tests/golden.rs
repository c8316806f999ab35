//! The draws of a seed, to the bit: a run that a later version resumes draws what it would have
//! drawn.

use std::fmt::Write;

use equiav_augment::{
    AudioAugment, AudioVector, Image, ImageSize, Modality, Profile, Purpose, Spectrogram,
    SpectrogramSize, VisualAugment, VisualVector, stream,
};
use expect_test::{Expect, expect};
use ndarray::{Array2, Array3};

/// The FNV-1a hash of bytes that are added one after another.
struct Digest(u64);

impl Digest {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: impl IntoIterator<Item = u8>) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn add_numbers(&mut self, numbers: &[f32]) {
        self.add(numbers.iter().flat_map(|number| number.to_bits().to_le_bytes()));
    }
}

/// Digests of vectors, centroids, views and material of 40 clips.
fn audio(profile: Profile, length: AudioVector) -> [u64; 4] {
    let size = SpectrogramSize { frames: 96, mels: 32 };
    let augment = AudioAugment::new(profile, length);
    let [mut vectors, mut centroids, mut views, mut material] = [(); 4].map(|()| Digest::new());
    for clip in 0..40 {
        let value = |(t, m): (usize, usize)| ((t * 32 + m) as f32 * 0.37 + clip as f32).sin();
        let plain = Spectrogram::new(Array2::from_shape_fn((size.frames, size.mels), value));
        let mut rng = stream(7, 1, clip, Purpose::Augmentation(Modality::AUDIO));
        let drawn = augment.draw(size, &mut rng);
        for marks in drawn.material(1 + 2 * clip as usize) {
            material.add(marks.into_iter().map(u8::from));
        }
        let both = AudioAugment::views_of(&drawn, plain);
        vectors.add_numbers(both.vector.as_slice());
        views.add_numbers(both.plain.as_slice());
        views.add_numbers(both.augmented.as_slice());
        let sampled = augment.sample(size, 3, &mut rng);
        centroids.add_numbers(sampled.as_slice().expect("rows"));
    }
    [vectors, centroids, views, material].map(|digest| digest.0)
}

/// Digests of vectors, centroids and views of 40 clips.
fn visual(profile: Profile, length: VisualVector) -> [u64; 3] {
    let augment = VisualAugment::new(profile, length);
    let output = ImageSize::square(32);
    let [mut vectors, mut centroids, mut views] = [(); 3].map(|()| Digest::new());
    for clip in 0..40 {
        let level = |(y, x, c): (usize, usize, usize)| (y * 5 + x * 3 + c * 70) as u8 ^ clip as u8;
        let [plain, other] =
            [40, 56].map(|height| Image::new(Array3::from_shape_fn((height, 48, 3), level)));
        let mut rng = stream(7, 1, clip, Purpose::Augmentation(Modality::VISUAL));
        let both = augment.views(&plain, &other, output, &mut rng);
        vectors.add_numbers(both.vector.as_slice());
        views.add(both.plain.as_slice().iter().copied());
        views.add(both.augmented.as_slice().iter().copied());
        let sampled = augment.sample(output, 3, &mut rng);
        centroids.add_numbers(sampled.as_slice().expect("rows"));
    }
    [vectors, centroids, views].map(|digest| digest.0)
}

fn check(lines: impl FnOnce(&mut String), expected: &Expect) {
    let mut text = String::new();
    lines(&mut text);
    expected.assert_eq(&text);
}

#[test]
fn the_draws_of_sound_are_those_of_before() {
    let lines = |text: &mut String| {
        for profile in Profile::ALL {
            for length in AudioVector::ALL {
                let [vectors, centroids, views, material] = audio(profile, *length);
                writeln!(
                    text,
                    "{profile:?} {}: {vectors:016x} {centroids:016x} {views:016x} {material:016x}",
                    length.length()
                )
                .expect("a string takes any text");
            }
        }
    };
    check(
        lines,
        &expect![[r#"
        Published 7: a7c4546219b2b639 ce312c289c9d0972 4adc57d32a76ddfd c6976a9daf981925
        Published 12: 4728ed7f2b8d87cf 6c2e1fede9ee03dc a3026b4a7ad42838 db3d6e4b80accd4c
        Published 21: c0db18f4f71a5aab 4a3ff9defe66a3a0 d06d48902229160a db3d6e4b80accd4c
        Published 23: 269a58ec548a3b37 23698587351735c4 164d7965eb02f282 6eb61c48266a6b4f
        Published 24: f7a4716549e274f7 b6ef94ffef45d27d 9e5dac2bd844fe2e 6eb61c48266a6b4f
        Published 26: 380e5ee3373b6c05 99f3679926d00c44 cb03e5b9a0080b74 6eb61c48266a6b4f
        Corrected 7: 921ddb1f50b5c66f 158f7bad07959fcb 43dfe4c594f00005 0a07ee1126c00747
        Corrected 12: 2a28d2493e71cf72 f9a48fc5d76196f6 3dbdf242e917615c b9292c4722c95bbf
        Corrected 21: 2b4876b87fb63d4d 00382018b4cd2238 f473980104d5bdfa b9292c4722c95bbf
        Corrected 23: c6ab95f674750eb9 9b9d2fbdd96d6351 579abd61f041a3f7 11d08ccb10663a45
        Corrected 24: 56a615085b791701 e93bea7a665e8d67 f92d717e29cd335f 2c55bd861325ced9
        Corrected 26: 520eeb9999439b90 b8f2036b4769101f e9b9bc28e88c100c 2c55bd861325ced9
    "#]],
    );
}

#[test]
fn the_draws_of_pictures_are_those_of_before() {
    let lines = |text: &mut String| {
        for profile in Profile::ALL {
            for length in VisualVector::ALL {
                let [vectors, centroids, views] = visual(profile, *length);
                writeln!(
                    text,
                    "{profile:?} {}: {vectors:016x} {centroids:016x} {views:016x}",
                    length.length()
                )
                .expect("a string takes any text");
            }
        }
    };
    check(
        lines,
        &expect![[r#"
        Published 16: 7c978c44dcb83b9c 129739a50548f9e7 03c3623a99250341
        Published 18: da76e3d2de138b04 43810fa2d3894fab 1bc107b0374ddbdf
        Published 21: eb04535fecaada14 3ca77d3d9702d57b 0412ea355b0d930f
        Corrected 16: 380e2b7a474cd494 4d4b6404b3a2939a fab4c26df28dd1a5
        Corrected 18: ad38f50d21b44b84 3014f59c9894aa09 3f020504e83a52f4
        Corrected 21: 5df11572bc0eaed1 f3f61bcb9f721916 485ceeb558a8c16a
    "#]],
    );
}

#[test]
fn settings_are_written_as_before() {
    let mut text = toml::to_string(&AudioAugment::published()).expect("plain tables");
    text += &toml::to_string(&VisualAugment::corrected(VisualVector::P18)).expect("plain tables");
    expect![[r#"
        profile = "published"
        vector = 24

        [common_roll]

        [spec_augment]
        chance = 0.8
        max_time = 0.1875
        max_mel = 0.375

        [crop]
        chance = 1.0
        area = [0.08, 1.0]
        aspect = [0.8, 1.5]

        [jitter]
        chance = 0.8
        brightness = [0.6, 1.4]
        contrast = [0.6, 1.4]
        saturation = [0.6, 1.4]
        hue = 0.1

        [blur]
        chance = 0.5
        sigma = [0.1, 2.0]

        [flip]
        chance = 0.5

        [volume]
        chance = 0.5
        strength = 0.4
        deviation = 4.332
        profile = "corrected"
        vector = 18

        [crop]
        chance = 1.0
        area = [0.08, 1.0]
        aspect = [0.75, 1.3333333333333333]

        [jitter]
        chance = 0.8
        brightness = [0.6, 1.4]
        contrast = [0.6, 1.4]
        saturation = [0.6, 1.4]
        hue = 0.1

        [blur]
        chance = 0.5
        sigma = [0.1, 2.0]

        [horizontal_flip]
        chance = 0.5

        [grayscale]
        chance = 0.2

        [rotation]
        chance = 0.5

        [vertical_flip]
        chance = 0.5
    "#]]
    .assert_eq(&text);
}
