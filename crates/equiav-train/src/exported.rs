//! What an exported model's `config.json` says beside the shape of the networks: its recipe, without the
//! places of one machine, and how the recipe is read back.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use equiav_models::ModelConfig;
use serde_json::{Map, Value};

use crate::recipe::Recipe;
use crate::settings::Settings;

/// Finished epochs, beside the sections of the recipe.
const EPOCH: &str = "epoch";
/// What the networks cannot be used without; an export that is older than this program lacks some.
const NEEDED: [&str; 12] = [
    "name",
    "seed",
    "profile",
    "compute",
    "data",
    "front_end",
    "augment",
    "model",
    "objective",
    "optimizer",
    "run",
    "evaluation",
];

/// The sections of `recipe`, and the `epoch` whose weights they are.
///
/// # Errors
///
/// Never: every setting has a JSON form.
pub(crate) fn extra(recipe: &Settings, epoch: u64) -> anyhow::Result<BTreeMap<String, Value>> {
    let mut recipe = recipe.clone();
    recipe.data.source = recipe.data.source.without_places();
    recipe.model.start = None;
    let Value::Object(sections) = serde_json::to_value(&recipe)? else {
        bail!("a recipe is no table");
    };
    let mut extra: BTreeMap<String, Value> = sections.into_iter().collect();
    extra.insert(EPOCH.to_owned(), epoch.into());
    Ok(extra)
}

/// The recipe and the finished epochs that `config` holds.
///
/// # Errors
///
/// If it is of an older export, which lacks them, or its networks are not those of the recipe.
pub(crate) fn recipe(config: &ModelConfig) -> anyhow::Result<(Recipe, u64)> {
    let mut sections: Map<String, Value> = config.extra.clone().into_iter().collect();
    if let Some(key) = NEEDED.iter().find(|key| !sections.contains_key(**key)) {
        bail!(
            "`{key}` is missing, as in exports of older versions: export the run again with \
             `equiav export`, or import the weights again with `equiav import`"
        );
    }
    let epoch = sections.remove(EPOCH).and_then(|epoch| epoch.as_u64()).unwrap_or(0);
    // Others may add notes of their own to the file.
    sections.retain(|key, _| NEEDED.contains(&key.as_str()));
    let settings: Settings = serde_path_to_error::deserialize(Value::Object(sections))
        .map_err(|error| anyhow::anyhow!("`{}`: {}", error.path(), error.inner()))?;
    let recipe = Recipe::from_settings(settings)?;
    for (modality, branch) in recipe.branches() {
        let shape = config.branches.get(modality.name());
        let shape = shape.with_context(|| format!("`branches` has no {modality}"))?;
        ensure!(*shape == branch, "`branches.{modality}` is not what the other settings make");
    }
    Ok((recipe, epoch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Override;

    fn config(changes: &[&str]) -> ModelConfig {
        let changes: Vec<Override> =
            changes.iter().map(|change| change.parse().expect("KEY=VALUE")).collect();
        let text = include_str!("../../../recipes/quick.toml");
        let recipe = Recipe::parse(text, &changes).expect("a recipe");
        let branches = recipe.branches().into_iter();
        let mut config =
            ModelConfig::new(branches.map(|(key, value)| (key.to_string(), value)).collect());
        config.extra = extra(&recipe, 7).expect("sections");
        config
    }

    #[test]
    fn a_recipe_comes_back_without_the_places_of_this_machine() {
        let lists = "data.source={ kind = \"manifest\", train = \"secret/train.json\" }";
        let text = serde_json::to_string(&config(&[lists, "front_end.std=3.9"])).expect("JSON");
        assert!(!text.contains("secret"), "{text}");
        let back: ModelConfig = serde_json::from_str(&text).expect("a configuration");
        let (recipe, epoch) = recipe(&back).expect("a recipe");
        assert_eq!((epoch, recipe.front_end.std), (7, 3.9_f32));
        let branch = &recipe.branches()[&equiav_augment::Modality::Visual];
        assert_eq!(*branch, back.branches["visual"]);
    }

    #[test]
    fn an_older_export_and_a_changed_one_are_refused() {
        let mut older = config(&[]);
        older.extra.remove("evaluation");
        let message = format!("{:#}", recipe(&older).expect_err("an older export"));
        assert!(message.contains("`evaluation` is missing") && message.contains("equiav export"));
        let mut changed = config(&[]);
        changed.extra.insert(
            "front_end".to_owned(),
            config(&["front_end.mels=32"]).extra["front_end"].clone(),
        );
        let message = format!("{:#}", recipe(&changed).expect_err("another front end"));
        assert!(message.contains("`branches.audio` is not what"), "{message}");
        let mut broken = config(&[]);
        broken.extra.insert("seed".to_owned(), Value::Null);
        let message = format!("{:#}", recipe(&broken).expect_err("no seed"));
        assert!(message.starts_with("`seed`: "), "{message}");
    }
}
