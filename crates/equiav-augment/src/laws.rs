//! What every family of every chain satisfies, in both profiles, at any size.

use std::fmt::Debug;

use ndarray::{Array2, Array3, Axis, concatenate};
use proptest::prelude::*;

use crate::*;

/// Checks one family on one seed; `name` says which in a failure.
pub(crate) fn check<X, F>(name: &str, family: &F, context: &Context<X::Size>, view: &X, seed: u64)
where
    X: View + PartialEq + Debug,
    F: Family<X>,
{
    let identity = F::Draw::default();
    assert_eq!(identity.apply(context, view.clone()), *view, "{name}: default is the identity");
    assert_eq!(identity.apply_to(context, view), *view, "{name}: default is the identity");

    let drawn = family.draw(context, &mut rng(seed));
    assert_eq!(
        drawn,
        family.draw(context, &mut rng(seed)),
        "{name}: equal streams give equal draws"
    );

    let slots = family.slots(context);
    assert_eq!(slots.len(), F::SLOTS, "{name}: as many slots as it says");
    for draw in [&identity, &drawn] {
        let mut vector = Vec::new();
        draw.encode(context, &mut vector);
        assert_eq!(vector.len(), F::SLOTS, "{name}: the vector fills its slots");
        for (value, slot) in vector.iter().zip(&slots) {
            let within = slot.min <= *value && *value <= slot.max;
            assert!(within, "{name}: {value} of {draw:?} is outside {slot:?}");
        }
    }

    let applied = drawn.apply(context, view.clone());
    assert_eq!(applied.size(), view.size(), "{name}: {drawn:?} keeps the size");
    assert_eq!(drawn.apply_to(context, view), applied, "{name}: borrowed as owned");
    if context.profile == Profile::Corrected {
        let acted = applied != *view;
        assert_eq!(acted, drawn != identity, "{name}: what claims to act, acts: {drawn:?}");
    } else if drawn == identity {
        assert_eq!(applied, *view, "{name}: what claims nothing does nothing");
    }
}

/// A spectrogram without two equal values.
fn noise(size: SpectrogramSize, seed: u64) -> Spectrogram {
    let mut rng = stream(seed, 0, 0, Purpose::Synthesis);
    let value = |_| 4.0 * random::unit(&mut rng) as f32 - 2.0;
    Spectrogram::new(Array2::from_shape_fn((size.frames, size.mels), value))
}

/// A picture of random colors.
fn colors(size: ImageSize, seed: u64) -> Image {
    let mut rng = stream(seed, 0, 0, Purpose::Synthesis);
    let level = |_| random::below(256, &mut rng) as u8;
    Image::new(Array3::from_shape_fn((size.height, size.width, 3), level))
}

fn audio_size() -> impl Strategy<Value = SpectrogramSize> {
    (6_usize..50, 6_usize..30).prop_map(|(frames, mels)| SpectrogramSize { frames, mels })
}

fn image_size() -> impl Strategy<Value = ImageSize> {
    (16_usize..40, 16_usize..40, any::<bool>()).prop_map(|(height, width, square)| match square {
        true => ImageSize::square(height),
        false => ImageSize { height, width },
    })
}

fn profile() -> impl Strategy<Value = Profile> {
    prop::sample::select(&Profile::ALL[..])
}

/// The stream of one test case.
fn rng(seed: u64) -> rand::rngs::ChaCha8Rng {
    stream(seed, 0, 0, Purpose::Augmentation(Modality::Audio))
}

proptest! {
    #[test]
    fn every_audio_family_keeps_the_laws(size in audio_size(), profile in profile(), seed: u64) {
        let augment = AudioAugment::new(profile, AudioVector::P26);
        let context = Context { profile, source: size, output: size };
        augment.check_laws(&context, &noise(size, seed), seed);
    }

    #[test]
    fn every_visual_family_keeps_the_laws(size in image_size(), profile in profile(), seed: u64) {
        let augment = VisualAugment::new(profile, VisualVector::P21);
        let context = Context { profile, source: size, output: size };
        augment.check_laws(&context, &colors(size, seed), seed);
    }

    #[test]
    fn a_shorter_audio_vector_is_a_prefix(size in audio_size(), profile in profile(), seed: u64) {
        let vector = |length| AudioAugment::new(profile, length).draw(size, &mut rng(seed)).encode();
        let longest = vector(AudioVector::P26);
        for length in AudioVector::ALL {
            let vector = vector(*length);
            prop_assert_eq!(vector.len(), length.length());
            prop_assert_eq!(vector.as_slice(), &longest.as_slice()[..length.length()]);
        }
    }

    #[test]
    fn a_shorter_visual_vector_is_a_prefix(size in image_size(), profile in profile(), seed: u64) {
        let vector =
            |length| VisualAugment::new(profile, length).draw(size, size, &mut rng(seed)).encode();
        let longest = vector(VisualVector::P21);
        for length in VisualVector::ALL {
            let vector = vector(*length);
            prop_assert_eq!(vector.len(), length.length());
            prop_assert_eq!(vector.as_slice(), &longest.as_slice()[..length.length()]);
        }
    }

    #[test]
    fn sampling_equals_drawing(
        audio in audio_size(), image in image_size(), profile in profile(), seed: u64,
    ) {
        let augment = AudioAugment::new(profile, AudioVector::P26);
        let sampled = augment.sample(audio, 5, &mut rng(seed));
        let mut one_by_one = rng(seed);
        for row in sampled.rows() {
            let drawn = augment.draw(audio, &mut one_by_one).encode();
            prop_assert_eq!(row.to_vec(), drawn.into_vec());
        }

        let augment = VisualAugment::new(profile, VisualVector::P21);
        let sampled = augment.sample(image, 5, &mut rng(seed));
        let mut one_by_one = rng(seed);
        for row in sampled.rows() {
            let drawn = augment.draw(image, image, &mut one_by_one).encode();
            prop_assert_eq!(row.to_vec(), drawn.into_vec());
        }
    }

    #[test]
    fn a_common_roll_equals_rolling_both_views(size in audio_size(), profile in profile(), seed: u64) {
        let mut augment = AudioAugment::new(profile, AudioVector::P24);
        augment.common_roll.chance = Some(Chance::ALWAYS);
        let plain = noise(size, seed);
        let views = augment.views(plain.clone(), &mut rng(seed));

        let drawn = augment.draw(size, &mut rng(seed));
        let audio::common_roll::CommonRollDraw::By(shift) = drawn.common_roll else {
            prop_assert_eq!(views.plain, plain);
            return Ok(());
        };
        let shift = shift.rem_euclid(size.frames as isize) as usize;
        let values = plain.values();
        let (early, late) = values.split_at(Axis(0), size.frames - shift);
        let rolled = Spectrogram::new(concatenate![Axis(0), late, early]);
        prop_assert_eq!(&views.augmented, &drawn.apply(&rolled));
        prop_assert_eq!(views.plain, rolled);
        prop_assert_eq!(views.vector, drawn.encode());
    }

    #[test]
    fn the_identity_leaves_both_views_alike(
        audio in audio_size(), source in image_size(), output in image_size(),
        profile in profile(), seed: u64,
    ) {
        let plain = noise(audio, seed);
        let augment = AudioAugment::new(profile, AudioVector::P26);
        prop_assert_eq!(augment.identity(audio).apply(&plain), plain);

        let picture = colors(source, seed);
        let augment = VisualAugment::new(profile, VisualVector::P21);
        let augmented = augment.identity(source, output).apply(&picture);
        prop_assert_eq!(augmented.size(), output);
        prop_assert_eq!(augmented, augment.plain(&picture, output));
    }

    #[test]
    fn both_visual_views_have_the_output_size(
        plain in image_size(), other in image_size(), output in image_size(),
        profile in profile(), seed: u64,
    ) {
        let (plain, other) = (colors(plain, seed), colors(other, seed + 1));
        let augment = VisualAugment::new(profile, VisualVector::P21);
        let views = augment.views(&plain, &other, output, &mut rng(seed));
        prop_assert_eq!(views.plain.size(), output);
        prop_assert_eq!(views.augmented.size(), output);
    }
}
