//! What every family of every chain satisfies, in both profiles, at any size.
//!
//! For the tests of families, here and in other crates: call the functions with many seeds, sizes
//! and settings, in both profiles. The first law that is broken panics and names the family.

use std::fmt::Debug;

use crate::chain::AnyDraw;
use crate::{
    Context, Link, Modality, Profile, Purpose, Spectrogram, SpectrogramSize, View, stream,
};

/// Checks a family against all laws but that of material, on the draw of one seed.
///
/// The draw that changes nothing changes nothing; equal streams give equal draws; a vector fills
/// its slots and stays within their limits; a view keeps its size; applied to a borrowed view a
/// draw does what it does to an owned one; in the corrected profile what claims to act, acts;
/// settings survive being written and read, and a recipe that leaves all keys out means the
/// specification.
///
/// `view` has the size of the context's `source` and `output`, and no two equal values.
///
/// # Panics
///
/// If a law is broken.
#[track_caller]
pub fn check<X>(link: &Link<X>, context: &Context<X::Size>, view: &X, seed: u64)
where
    X: View + PartialEq + Debug,
{
    let name = link.key();
    let identity = link.identity();
    assert_eq!(identity.apply(context, view.clone()), *view, "{name}: default is the identity");
    assert_eq!(identity.apply_to(context, view), *view, "{name}: default is the identity");

    let drawn = link.draw(context, &mut rng(seed));
    let again = link.draw(context, &mut rng(seed));
    assert_eq!(drawn, again, "{name}: equal streams give equal draws");

    check_slots(link, context, [&identity, &drawn]);
    check_settings(link);

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

/// A vector fills its slots and stays within their limits.
#[track_caller]
fn check_slots<X: View>(link: &Link<X>, context: &Context<X::Size>, draws: [&AnyDraw<X>; 2]) {
    let (name, slots) = (link.key(), link.slots(context));
    assert_eq!(slots.len(), link.n_slots(), "{name}: as many slots as it says");
    for draw in draws {
        let mut vector = Vec::new();
        draw.encode(context, &mut vector);
        assert_eq!(vector.len(), link.n_slots(), "{name}: the vector fills its slots");
        for (value, slot) in vector.iter().zip(&slots) {
            let within = slot.min <= *value && *value <= slot.max;
            assert!(within, "{name}: {value} of {draw:?} is outside {slot:?}");
        }
    }
}

/// Settings survive being written and read; no keys are the specification's.
#[track_caller]
fn check_settings<X: View>(link: &Link<X>) {
    let name = link.key();
    let read = |text: &str| {
        let mut link = link.clone();
        let mut parser = serde_json::Deserializer::from_str(text);
        let read = link.read(&mut <dyn erased_serde::Deserializer>::erase(&mut parser));
        read.unwrap_or_else(|error| panic!("{name}: cannot read {text}: {error}"));
        link
    };
    let written = serde_json::to_string(link.settings())
        .unwrap_or_else(|error| panic!("{name}: cannot be written: {error}"));
    assert_eq!(read(&written), *link, "{name}: settings survive being written and read");
    assert_eq!(read("{}"), link.spec(), "{name}: a key that is left out is the specification's");
}

/// Checks that a family of spectrograms carries marks with what they mark, on the draw of one seed:
/// a frame of the view depends on the first `valid` frames only if [`carry`](crate::Draw::carry)
/// says so.
///
/// Does not hold for a family that weighs all frames for each, as contrast does with their mean;
/// that is no reason to mark all of them.
///
/// # Panics
///
/// If the law is broken, or there are not `valid` frames.
#[track_caller]
pub fn check_material(
    link: &Link<Spectrogram>,
    context: &Context<SpectrogramSize>,
    valid: usize,
    seed: u64,
) {
    let SpectrogramSize { frames, mels } = context.source;
    assert!(valid <= frames, "check_material: {valid} of {frames} frames are valid");
    let drawn = link.draw(context, &mut rng(seed));
    let applied = |add: f32| {
        let value = |at: usize| if at / mels < valid { (at as f32).sin() + add } else { -2.0 };
        let sound = (0..frames * mels).map(value).collect();
        drawn.apply(context, Spectrogram::from_frames(context.source, sound))
    };
    let size = SpectrogramSize { frames, mels: 1 };
    let marks = (0..frames).map(|frame| f32::from(u8::from(frame < valid))).collect();
    let of_marks = Context { profile: context.profile, source: size, output: size };
    let marks = drawn.carry(&of_marks, Spectrogram::from_frames(size, marks));
    let (one, other) = (applied(0.0), applied(3.0));
    let both = one.as_slice().chunks(mels).zip(other.as_slice().chunks(mels));
    for (frame, ((one, other), mark)) in both.zip(marks.as_slice()).enumerate() {
        let name = link.key();
        assert!(one == other || *mark > 0.0, "{name}: frame {frame} of {drawn:?} has no mark");
    }
}

/// The stream of one test case.
fn rng(seed: u64) -> rand::rngs::ChaCha8Rng {
    stream(seed, 0, 0, Purpose::Augmentation(Modality::AUDIO))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Array3, Axis, concatenate};
    use proptest::prelude::*;

    use super::*;
    use crate::audio::common_roll::{CommonRoll, CommonRollDraw};
    use crate::{
        AudioAugment, AudioVector, Chance, Image, ImageSize, VisualAugment, VisualVector, random,
    };

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
        (16_usize..40, 16_usize..40, any::<bool>()).prop_map(|(height, width, square)| match square
        {
            true => ImageSize::square(height),
            false => ImageSize { height, width },
        })
    }

    fn profile() -> impl Strategy<Value = Profile> {
        prop::sample::select(&Profile::ALL[..])
    }

    proptest! {
        #[test]
        fn every_audio_family_keeps_the_laws(size in audio_size(), profile in profile(), seed: u64) {
            let augment = AudioAugment::new(profile, AudioVector::P26);
            let context = Context { profile, source: size, output: size };
            for link in augment.links() {
                check(link, &context, &noise(size, seed), seed);
            }
        }

        #[test]
        fn audio_families_carry_their_marks(
            size in audio_size(), profile in profile(), valid in 1_usize..6, seed: u64,
        ) {
            let augment = AudioAugment::new(profile, AudioVector::P26);
            let context = Context { profile, source: size, output: size };
            // The jitter's contrast turns about the mean of all frames.
            for link in augment.links().filter(|link| link.key() != "jitter") {
                check_material(link, &context, valid, seed);
            }
        }

        #[test]
        fn every_visual_family_keeps_the_laws(size in image_size(), profile in profile(), seed: u64) {
            let augment = VisualAugment::new(profile, VisualVector::P21);
            let context = Context { profile, source: size, output: size };
            for link in augment.links() {
                check(link, &context, &colors(size, seed), seed);
            }
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
            augment.family_mut::<CommonRoll>().chance = Some(Chance::ALWAYS);
            let plain = noise(size, seed);
            let views = augment.views(plain.clone(), &mut rng(seed));

            let drawn = augment.draw(size, &mut rng(seed));
            let CommonRollDraw::By(shift) = *drawn.of::<CommonRoll>() else {
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
}
