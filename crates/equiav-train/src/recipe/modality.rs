//! The modalities of a recipe: what each is made of, and where its network differs from the others'.

use std::collections::BTreeMap;

use anyhow::{bail, ensure};
use equiav_augment::Modality;
use equiav_frontend::InputKind;
use equiav_models::{EncoderConfig, PredictorConfig};
use serde::{Deserialize, Serialize};

/// What a recipe says of its modalities, by name. `audio` and `visual` are there without a table.
pub type Modalities = BTreeMap<Modality, ModalitySettings>;

/// What a recipe says of one modality.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModalitySettings {
    /// What is made of a clip; of `audio` a spectrogram and of `visual` an image without saying. An image of
    /// another name shows a frame that is drawn anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<InputKind>,
    /// The ending of its parameter names; absent, `a` of `audio`, `v` of `visual`, else the whole name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// Its encoder in the place of the one that all have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<EncoderConfig>,
    /// Its predictor in the place of `model.predictor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictor: Option<PredictorConfig>,
}

/// What a modality of that name is made of where the recipe does not say.
fn usual(modality: Modality) -> Option<InputKind> {
    match modality {
        Modality::AUDIO => Some(InputKind::Spectrogram),
        Modality::VISUAL => Some(InputKind::Image),
        _ => None,
    }
}

/// What each modality is made of: `audio`, `visual`, and those of `tables`.
pub fn inputs(tables: &Modalities) -> BTreeMap<Modality, InputKind> {
    let named = Modality::AUDIO_VISUAL.into_iter().chain(tables.keys().copied());
    let kind = |modality: Modality| {
        let said = tables.get(&modality).and_then(|table| table.input);
        Some((modality, said.or(usual(modality))?))
    };
    named.filter_map(kind).collect()
}

/// The ending of the parameter names of `modality`.
pub fn suffix(tables: &Modalities, modality: Modality) -> &str {
    let said = tables.get(&modality).and_then(|table| table.suffix.as_deref());
    said.unwrap_or(match modality {
        Modality::AUDIO => "a",
        Modality::VISUAL => "v",
        other => other.name(),
    })
}

/// Checks what no single key of `tables` can know.
///
/// # Errors
///
/// If a modality has no input or another than its name promises, or two have one suffix.
pub(super) fn check(tables: &Modalities) -> anyhow::Result<()> {
    for (modality, table) in tables {
        match (table.input, usual(*modality)) {
            (None, None) => {
                bail!("modality.{modality}.input is missing: expected `spectrogram` or `image`")
            }
            (Some(said), Some(usual)) if said != usual => bail!(
                "modality.{modality}.input is another than the {usual:?} that `{modality}` stands for \
                 (help: give the view another name)"
            ),
            _ => {}
        }
    }
    let mut seen = BTreeMap::new();
    for modality in inputs(tables).into_keys() {
        let suffix = suffix(tables, modality);
        let fine = Modality::new(suffix).is_ok();
        ensure!(
            fine,
            "modality.{modality}.suffix = {suffix:?}: expected lower-case letters, digits, `-` and `_`"
        );
        if let Some(other) = seen.insert(suffix, modality) {
            bail!("modality.{modality}.suffix = {suffix:?}: {other} has the same");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{Override, Recipe};

    const QUICK: &str = include_str!("../../../../recipes/quick.toml");
    /// What makes the quick recipe one of three modalities.
    const CONTEXT: [&str; 3] = [
        "modality.context={ input = \"image\" }",
        "augment.context={ vector = 18 }",
        "objective.weights={ inter_audio_context = 0.5, inter_audio_visual = 1.0, \
         inter_context_visual = 0.5, intra_audio = 1.0, intra_context = 1.0, intra_visual = 1.0 }",
    ];

    fn parsed(changes: &[&str]) -> Result<Recipe, String> {
        let changes: Vec<Override> =
            changes.iter().map(|change| change.parse().expect("KEY=VALUE")).collect();
        Recipe::parse(QUICK, &changes).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn without_tables_sound_and_picture_are_there_and_nothing_is_written() {
        let recipe = parsed(&[]).expect("a recipe");
        assert!(!recipe.to_toml().contains("modality"), "{}", recipe.to_toml());
        let suffixes = recipe.branches().into_values().map(|branch| branch.suffix);
        assert_eq!(suffixes.collect::<Vec<_>>(), ["a", "v"]);
        let kinds = [InputKind::Spectrogram, InputKind::Image];
        assert_eq!(inputs(&recipe.modality).into_values().collect::<Vec<_>>(), kinds);
    }

    #[test]
    fn a_third_modality_has_a_network_of_its_own_and_comes_back_from_text() {
        let own = "modality.context.encoder={ width = 64, depth = 2, heads = 4, patch = 16, \
                   mlp = { kind = \"gelu\", ratio = 4 } }";
        let recipe = parsed(&[&CONTEXT[..], &[own, "profile=\"published\""]].concat());
        let recipe = recipe.expect("a recipe");
        let text = recipe.to_toml();
        let again = Recipe::parse(&text, &[]).expect("its own text");
        assert_eq!(again.to_toml(), text);
        let context = Modality::new("context").expect("a name");
        let branches = again.branches();
        assert_eq!(branches.len(), 3);
        let (own, visual) = (&branches[&context], &branches[&Modality::VISUAL]);
        assert_eq!((own.suffix.as_str(), own.encoder.width), ("context", 64));
        assert_eq!((own.input, own.vector), (visual.input, visual.vector));
        assert_eq!(visual.encoder.width, recipe.model.encoder.width);
        let augment = &again.augment.views()[&context];
        let equiav_frontend::InputAugment::Image(augment) = augment else { panic!("an image") };
        assert_eq!(augment.profile, equiav_augment::Profile::Published, "the recipe's own");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let weights = CONTEXT[2];
        for (changes, expected) in [
            (
                &["modality.context={}", CONTEXT[1], weights][..],
                "modality.context.input is missing",
            ),
            (&[CONTEXT[0], weights], "augment.context is missing"),
            (
                &[CONTEXT[0], "augment.context={ vector = 18, tint = {} }", weights],
                "`augment.context` has no key `tint`",
            ),
            (&[CONTEXT[0], "augment.context={ vector = 17 }", weights], "augment.context.vector"),
            (
                &["augment.vidual={ vector = 18 }"],
                "`augment` has no key `vidual`, did you mean `visual`?",
            ),
            (&["modality.audio={ input = \"image\" }"], "modality.audio.input is another than"),
            (&["modality.Left={ input = \"image\" }"], "`Left` is no name of a modality"),
            (&["modality.audio={ input = \"sound\" }"], "no value `sound`"),
            (
                &["modality.audio={ suffix = \"v\" }"],
                "modality.visual.suffix = \"v\": audio has the same",
            ),
            (&["modality.audio={ suffix = \"a.b\" }"], "modality.audio.suffix"),
        ] {
            let message = parsed(changes).expect_err(expected);
            assert!(message.contains(expected), "{message}");
        }
    }
}
