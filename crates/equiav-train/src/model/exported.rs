//! What an exported model's `config.json` says beside the shape of the networks: its recipe, without what
//! is one machine's, and how the recipe is read back.
//!
//! Of the recipe's `compute` only the precisions are kept, as keys of their own: they decide an embedding.
//! Device and threads are those of whoever uses the model.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use equiav_models::ModelConfig;
use serde_json::{Map, Value, json};

use crate::recipe::Recipe;
use crate::recipe::Settings;

/// Finished epochs, beside the sections of the recipe.
const EPOCH: &str = "epoch";
/// What the networks cannot be used without; an export that is older than this program lacks some.
const NEEDED: [&str; 11] = [
    "name",
    "seed",
    "profile",
    "data",
    "front_end",
    "augment",
    "model",
    "objective",
    "optimizer",
    "run",
    "evaluation",
];

/// What a recipe may do without, and an export then lacks.
const OPTIONAL: &str = "modality";
/// The section of a recipe that says on what and how it computes; older exports have it.
const COMPUTE: &str = "compute";
/// What of it decides an embedding, with the values of exports that do not say.
const PRECISIONS: [(&str, &str); 2] = [("precision", "fp32"), ("matmul_precision", "highest")];

/// The sections of `recipe`, and the `epoch` whose weights they are.
///
/// # Errors
///
/// Never: every setting has a JSON form.
pub(crate) fn extra(recipe: &Settings, epoch: u64) -> anyhow::Result<BTreeMap<String, Value>> {
    let mut recipe = recipe.clone();
    recipe.data.source = recipe.data.source.without_places();
    recipe.model.start = None;
    let Value::Object(mut sections) = serde_json::to_value(&recipe)? else {
        bail!("a recipe is no table");
    };
    let compute = sections.remove(COMPUTE).unwrap_or_default();
    let mut extra: BTreeMap<String, Value> = sections.into_iter().collect();
    extra.extend(PRECISIONS.map(|(key, _)| (key.to_owned(), compute[key].clone())));
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
    sections.retain(|key, _| NEEDED.contains(&key.as_str()) || key == OPTIONAL);
    sections.insert(COMPUTE.to_owned(), compute(&config.extra));
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

/// How a model computes whose `config.json` has the keys of `extra`: in its precisions, on the threads and
/// the device of this machine.
fn compute(extra: &BTreeMap<String, Value>) -> Value {
    let older = extra.get(COMPUTE).unwrap_or(&Value::Null);
    let mut compute = json!({"device": "cpu", "threads": 0});
    for (key, usual) in PRECISIONS {
        let said = extra.get(key).or_else(|| older.get(key)).cloned();
        compute[key] = said.unwrap_or_else(|| usual.into());
    }
    compute
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Override;
    use crate::recipe::{DeviceName, Precision};

    fn config(changes: &[&str]) -> ModelConfig {
        let changes: Vec<Override> =
            changes.iter().map(|change| change.parse().expect("KEY=VALUE")).collect();
        let text = include_str!("../../../../recipes/quick.toml");
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
        let branch = &recipe.branches()[&equiav_augment::Modality::VISUAL];
        assert_eq!(*branch, back.branches["visual"]);
    }

    #[test]
    fn what_computes_is_not_exported_and_in_which_precision_is() {
        let changes = ["compute.device=cuda", "compute.threads=7", "compute.precision=bf16"];
        let new = config(&changes);
        assert!(!new.extra.contains_key("compute"), "{:?}", new.extra);
        let mut older = new.clone();
        let section = json!({
            "device": "cuda", "threads": 7, "matmul_precision": new.extra["matmul_precision"],
            "precision": "bf16", "recompute_blocks": true,
        });
        older.extra.insert("compute".to_owned(), section);
        PRECISIONS.iter().for_each(|(key, _)| drop(older.extra.remove(*key)));
        let [new, older] = [&new, &older].map(|config| recipe(config).expect("a recipe").0);
        assert_eq!(new.to_toml(), older.to_toml());
        let compute = &new.compute;
        assert_eq!((compute.device, compute.threads), (DeviceName::Cpu, 0));
        assert_eq!(compute.precision, Precision::Bf16);

        let mut silent = config(&[]);
        PRECISIONS.iter().for_each(|(key, _)| drop(silent.extra.remove(*key)));
        assert_eq!(recipe(&silent).expect("a recipe").0.compute.precision, Precision::Fp32);
        silent.extra.insert("precision".to_owned(), "fp8".into());
        let message = format!("{:#}", recipe(&silent).expect_err("no such precision"));
        assert!(message.starts_with("`compute.precision`: unknown variant `fp8`"), "{message}");
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
