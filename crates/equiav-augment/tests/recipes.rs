//! What a recipe may say about augmentations, and what it is told when it may not.

use equiav_augment::audio::common_roll::CommonRoll;
use equiav_augment::audio::spec_augment::SpecAugment;
use equiav_augment::jitter::Jitter;
use equiav_augment::{
    AudioAugment, AudioVector, Chance, Interval, Profile, VisualAugment, VisualVector,
};

#[test]
fn what_a_recipe_leaves_out_is_the_specification() {
    let audio: AudioAugment = toml::from_str("").expect("an empty table");
    assert_eq!(audio, AudioAugment::corrected(AudioVector::P24));
    let visual: VisualAugment = toml::from_str("profile = \"published\"").expect("a profile");
    assert_eq!(visual, VisualAugment::published());

    let audio: AudioAugment = toml::from_str(
        "vector = 12\njitter.brightness = [0.5, 2]\nspec_augment = { chance = 0, max_mel = 0.1 }",
    )
    .expect("a few settings");
    let mut expected = AudioAugment::corrected(AudioVector::P12);
    expected.family_mut::<Jitter>().brightness = Interval::of(0.5, 2.0);
    expected.family_mut::<SpecAugment>().chance = Chance::NEVER;
    expected.family_mut::<SpecAugment>().max_mel = 0.1.try_into().expect("a share");
    assert_eq!(audio, expected);
}

#[test]
fn settings_survive_being_written_and_read() {
    let mut audio = AudioAugment::published();
    audio.family_mut::<CommonRoll>().chance = Some(Chance::of(0.25));
    for settings in [audio, AudioAugment::corrected(AudioVector::P26)] {
        let text = toml::to_string(&settings).expect("settings are plain tables");
        assert_eq!(toml::from_str::<AudioAugment>(&text).expect("its own text"), settings);
    }
    for length in VisualVector::ALL {
        let settings = VisualAugment::corrected(*length);
        let text = toml::to_string(&settings).expect("settings are plain tables");
        assert_eq!(toml::from_str::<VisualAugment>(&text).expect("its own text"), settings);
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let refusal = |text: &str| match toml::from_str::<AudioAugment>(text) {
        Ok(settings) => settings.check().expect_err(text).message,
        Err(error) => error.message().to_owned(),
    };
    let expected = [
        ("vector = 13", "13 is no length of the audio parameter vector: expected one of 7, 12, 21"),
        ("vector = 28", "28 is no length of the audio parameter vector: expected one of 7, 12, 21"),
        ("jitter.chance = 1.5", "1.5 is no chance: expected a number from 0 to 1"),
        ("spec_augment.max_time = -1.0", "-1 is no share: expected a number from 0 to 1"),
        ("blur.sigma = [2.0, 0.1]", "[2, 0.1] is no interval: expected two positive numbers"),
        ("volume.deviation = 0.0", "0 is not positive: expected a number above 0"),
        ("jitter.chanse = 0.5", "unknown field `chanse`, expected one of `chance`, `brightness`"),
        ("rotation.chance = 0.5", "unknown field `rotation`, expected one of `profile`, `vector`"),
        ("profile = \"fixed\"", "unknown variant `fixed`, expected `published` or `corrected`"),
    ];
    for (text, message) in expected {
        assert!(refusal(text).starts_with(message), "{text}: {}", refusal(text));
    }
}

#[test]
fn a_chain_ends_with_its_vector() {
    for profile in Profile::ALL {
        for length in AudioVector::ALL {
            let settings = AudioAugment::new(profile, *length);
            assert_eq!(settings.slots().len(), settings.len(), "{settings:?}");
        }
        for length in VisualVector::ALL {
            let settings = VisualAugment::new(profile, *length);
            assert_eq!(settings.slots().len(), settings.len(), "{settings:?}");
        }
    }
}

/// The section of a recipe that holds both chains, as far as a chain's errors are concerned.
#[derive(Debug, serde::Deserialize)]
struct Recipe {
    #[allow(dead_code, reason = "only what is said of it counts")]
    audio: AudioAugment,
}

#[test]
fn what_is_refused_is_named_by_its_key() {
    let expected = [
        ("vector = 13", "audio.vector", "13 is no length of the audio parameter vector"),
        ("jitter.chance = 1.5", "audio.jitter.chance", "1.5 is no chance"),
        ("jitter.chanse = 0.5", "audio.jitter.chanse", "unknown field `chanse`, expected one of"),
        ("blur = 3", "audio.blur", "invalid type: integer `3`, expected struct Blur"),
        ("profile = \"fixed\"", "audio.profile", "unknown variant `fixed`"),
    ];
    for (text, path, message) in expected {
        let table: toml::Table = toml::from_str(&format!("[audio]\n{text}")).expect("a table");
        let error = serde_path_to_error::deserialize::<_, Recipe>(table).expect_err(text);
        assert_eq!(error.path().to_string(), path, "{text}");
        assert!(error.inner().to_string().starts_with(message), "{text}: {}", error.inner());
    }
}
