//! The tables of `docs/` say what the vectors hold, because they are written here.

use std::fmt::Write;

use equiav_augment::{
    AudioAugment, AudioVector, Profile, Slot, SpectrogramSize, VisualAugment, VisualVector,
};
use expect_test::expect_file;

/// The families of a vector with their slots, as the crate lists them.
type Families = Vec<(&'static str, Vec<Slot>)>;

/// One table: number, key, name, and range and meaning in either profile.
fn table(corrected: Families, published: Families) -> String {
    let mut text =
        String::from("| slot | key | content | corrected | published |\n|--:|---|---|---|---|\n");
    let mut number = 0;
    for ((key, corrected), (_, published)) in corrected.iter().zip(&published) {
        for (ours, theirs) in corrected.iter().zip(published) {
            let [ours_says, theirs_says] = [ours, theirs].map(range);
            let theirs_says = if ours == theirs { "the same".to_owned() } else { theirs_says };
            writeln!(text, "| {number} | `{key}` | {} | {ours_says} | {theirs_says} |", ours.name)
                .expect("a string takes any text");
            number += 1;
        }
    }
    text
}

fn range(slot: &Slot) -> String {
    let limits = match (slot.min, slot.max) {
        (min, max) if min == max => format!("always {min}"),
        (min, max) => format!("{min} to {max}"),
    };
    format!("{limits}: {}", slot.meaning)
}

fn lengths(lengths: impl Iterator<Item = usize>) -> String {
    let words: Vec<String> = lengths.map(|length| length.to_string()).collect();
    let (last, others) = words.split_last().expect("there is a length");
    format!("{} or {last}", others.join(", "))
}

#[test]
fn the_audio_table_is_the_chain() {
    let size = SpectrogramSize { frames: 1024, mels: 128 };
    let families = |profile| AudioAugment::new(profile, AudioVector::P26).families(size);
    let text = format!(
        "\
# The audio parameter vector

Written by a test of `equiav-augment`; set `UPDATE_EXPECT=1` to write it anew.

What the augmentation of a spectrogram is to the model, number by number. The key is that of the
settings that decide the draw, in the `augment.audio` table of a recipe. A vector may be
{lengths} long: it then holds as many of the first slots, and what lies beyond is
not drawn. The families act in the order of their slots. Ranges are those of the specification's
settings for 1024 frames of 128 mel bins.

{table}
Besides, `common_roll` rolls the plain and the augmented view alike and has no slot: always in the
published profile, never in the corrected one, unless its chance is set.
",
        lengths = lengths(AudioVector::ALL.iter().map(|length| length.length())),
        table = table(families(Profile::Corrected), families(Profile::Published)),
    );
    expect_file!["../../../docs/audio-parameters.md"].assert_eq(&text);
}

#[test]
fn the_visual_table_is_the_chain() {
    let families = |profile| VisualAugment::new(profile, VisualVector::P21).families();
    let text = format!(
        "\
# The visual parameter vector

Written by a test of `equiav-augment`; set `UPDATE_EXPECT=1` to write it anew.

What the augmentation of a picture is to the model, number by number. The key is that of the
settings that decide the draw, in the `augment.visual` table of a recipe. A vector may be
{lengths} long: it then holds as many of the first slots, and what lies beyond is not drawn. The families act
in the order of their slots.

{table}",
        lengths = lengths(VisualVector::ALL.iter().map(|length| length.length())),
        table = table(families(Profile::Corrected), families(Profile::Published)),
    );
    expect_file!["../../../docs/visual-parameters.md"].assert_eq(&text);
}
