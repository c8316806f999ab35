//! What the two views of a modality are to each other.

use equiav_augment::audio::common_roll::CommonRoll;
use equiav_augment::audio::flip::{Flip, FlipDraw};
use equiav_augment::audio::spec_augment::SpecAugment;
use equiav_augment::blur::Blur;
use equiav_augment::jitter::Jitter;
use equiav_augment::visual::flip::HorizontalFlip;
use equiav_augment::visual::grayscale::Grayscale;
use equiav_augment::{
    AudioAugment, AudioVector, Chance, Image, ImageSize, Profile, Purpose, Spectrogram, View,
    VisualAugment, VisualVector, stream,
};
use ndarray::{Array2, Array3, s};

/// A picture of two smooth ramps, which resizing keeps smooth.
fn ramps(height: usize, width: usize) -> Image {
    let level = |(y, x, c): (usize, usize, usize)| match c {
        0 => 255 * x / width,
        1 => 255 * y / height,
        _ => 128,
    };
    Image::new(Array3::from_shape_fn((height, width, 3), |index| level(index) as u8))
}

/// Only the crop acts.
fn crop_only(profile: Profile) -> VisualAugment {
    let mut augment = VisualAugment::new(profile, VisualVector::P18);
    augment.family_mut::<Jitter>().chance = Chance::NEVER;
    augment.family_mut::<Blur>().chance = Chance::NEVER;
    augment.family_mut::<HorizontalFlip>().chance = Chance::NEVER;
    augment.family_mut::<Grayscale>().chance = Chance::NEVER;
    augment
}

/// How far the augmented view is from the part of the plain one that the vector names, in levels.
fn distance_from_its_vector(profile: Profile, source: &Image, seed: u64) -> f64 {
    let output = ImageSize::square(64);
    let mut rng = stream(seed, 0, 0, Purpose::Synthesis);
    let views = crop_only(profile).views(source, source, output, &mut rng);
    let [top, left, height, width] = [1, 2, 3, 4].map(|slot| views.vector.as_slice()[slot]);
    let mut sum = 0.0;
    for ((y, x, c), level) in views.augmented.pixels().indexed_iter() {
        let place = |start: f32, share: f32, index: usize| {
            ((start + share * (index as f32 + 0.5) / 64.0) * 64.0 - 0.5).round().clamp(0.0, 63.0)
        };
        let (from_y, from_x) = (place(top, height, y), place(left, width, x));
        let expected = views.plain.pixels()[[from_y as usize, from_x as usize, c]];
        sum += f64::from(level.abs_diff(expected));
    }
    sum / views.augmented.pixels().len() as f64
}

#[test]
fn the_corrected_crop_is_the_part_of_the_plain_view_that_its_vector_names() {
    let wide = ramps(90, 200);
    for seed in 0..40 {
        // Rounding to the nearest pixel of a ramp of 255 levels on 64 pixels costs about 1.
        let corrected = distance_from_its_vector(Profile::Corrected, &wide, seed);
        assert!(corrected < 2.0, "seed {seed}: {corrected}");
    }
    let published = (0..40).map(|seed| distance_from_its_vector(Profile::Published, &wide, seed));
    assert!(published.fold(0.0, f64::max) > 10.0, "the file's part is another one");
}

#[test]
fn the_published_views_come_from_two_pictures_and_the_corrected_ones_from_one() {
    let black = Image::new(Array3::zeros((40, 50, 3)));
    let white = Image::new(Array3::from_elem((60, 40, 3), 255));
    let brightest = |profile| {
        let mut rng = stream(3, 0, 0, Purpose::Synthesis);
        let views = crop_only(profile).views(&black, &white, ImageSize::square(32), &mut rng);
        [views.plain, views.augmented].map(|view| view.as_slice().iter().copied().max())
    };
    assert_eq!(brightest(Profile::Published), [Some(0), Some(255)]);
    assert_eq!(brightest(Profile::Corrected), [Some(0), Some(0)]);
}

#[test]
fn the_shift_of_the_vector_is_applied_in_the_corrected_profile_alone() {
    let plain = Array2::from_shape_fn((32, 4), |(t, m)| (t * 4 + m) as f32);
    for (profile, applied) in [(Profile::Corrected, true), (Profile::Published, false)] {
        let mut augment = AudioAugment::new(profile, AudioVector::P7);
        augment.family_mut::<CommonRoll>().chance = Some(Chance::NEVER);
        augment.family_mut::<SpecAugment>().chance = Chance::ALWAYS;
        augment.family_mut::<SpecAugment>().max_time = 0.0.try_into().expect("a share");
        augment.family_mut::<SpecAugment>().max_mel = 0.0.try_into().expect("a share");
        let mut rng = stream(1, 0, 0, Purpose::Synthesis);
        let views = augment.views(Spectrogram::new(plain.clone()), &mut rng);
        let vector = views.vector.as_slice();
        assert_eq!(vector[5], 1.0, "a shift is drawn");
        let later = (vector[6] * 32.0).rem_euclid(32.0) as usize;
        let begins = views.augmented.values()[[0, 0]] as usize / 4;
        assert_eq!(begins, if applied { (32 - later) % 32 } else { 0 }, "{profile:?}");
    }
}

#[test]
fn the_flip_reverses_time_or_in_the_published_profile_pitch() {
    let plain = Array2::from_shape_fn((6, 4), |(t, m)| (t * 4 + m) as f32);
    for profile in Profile::ALL {
        let augment = AudioAugment::new(profile, AudioVector::P24);
        let spectrogram = Spectrogram::new(plain.clone());
        let mut drawn = augment.identity(spectrogram.size());
        *drawn.of_mut::<Flip>() = FlipDraw::On;
        let flipped = drawn.apply(&spectrogram).into_values();
        let expected = match profile {
            Profile::Published => plain.slice(s![.., ..;-1]),
            Profile::Corrected => plain.slice(s![..;-1, ..]),
        };
        assert_eq!(flipped, expected, "{profile:?}");
        assert_eq!(drawn.encode().as_slice()[23], 1.0);
    }
}

#[test]
fn the_order_of_the_jitter_is_whole_numbers_or_thirds() {
    let size = ImageSize::square(16);
    for (profile, expected) in [
        (Profile::Published, [0.0, 1.0, 2.0, 3.0]),
        (Profile::Corrected, [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0]),
    ] {
        let augment = VisualAugment::new(profile, VisualVector::P16);
        let off = augment.identity(size, size).encode();
        assert_eq!(off.as_slice()[6..10], expected, "{profile:?} when off");

        let mut rng = stream(0, 0, 0, Purpose::Synthesis);
        let orders: Vec<[f32; 4]> = augment
            .sample(size, 200, &mut rng)
            .rows()
            .into_iter()
            .map(|row| std::array::from_fn(|place| row[6 + place]))
            .collect();
        for order in &orders {
            let mut sorted = *order;
            sorted.sort_by(f32::total_cmp);
            assert_eq!(sorted, expected, "{profile:?}: each operation once");
        }
        assert!(orders.iter().any(|order| order[0] == expected[3]), "{profile:?}: shuffled");
    }
}
