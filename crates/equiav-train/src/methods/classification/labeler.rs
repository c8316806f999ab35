//! The classifier with its variables, fresh or started from what was pre-trained.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use equiav_augment::Modality;
use equiav_frontend::FrontEnd;
use equiav_models::{
    Classifier, EncoderConfig, ImportReport, import_weights, is_head, read_export, read_weights,
};
use equiav_torch::checkpoint;
use serde_json::Value;
use tch::{Device, Tensor, nn};

use crate::callback::{Callback, Event};
use crate::clips::{Input, InputView};
use crate::engine::seeded;
use crate::recipe::{Finetune, Recipe};
use crate::run_dir::checkpoint::{self as saved, weights_for_use};
use crate::run_dir::lock;

/// The keys of a front end that describe the data set and not the inputs' shape.
const STATISTICS: [&str; 2] = ["mean", "std"];

/// A classifier and its variables.
#[derive(Debug)]
pub(crate) struct Labeler {
    pub(crate) store: nn::VarStore,
    pub(crate) classifier: Classifier,
}

impl Labeler {
    /// The network of `recipe` for `classes` classes, with fresh weights drawn from its seed.
    pub(crate) fn new(recipe: &Finetune, classes: usize, device: Device) -> Self {
        let store = nn::VarStore::new(device);
        let config = recipe.classifier(classes);
        let mut classifier = seeded(recipe.seed, || config.build(&store.root()));
        if recipe.compute.recompute_blocks {
            classifier.checkpoint_blocks(Some(checkpoint));
        }
        Self { store, classifier }
    }

    /// Starts the encoders from what the recipe names, if it names anything.
    ///
    /// # Errors
    ///
    /// If that cannot be read, was trained with another front end, or does not cover the encoders.
    pub(crate) fn start(
        &self,
        recipe: &Finetune,
        callback: &mut dyn Callback,
    ) -> anyhow::Result<()> {
        let Some(path) = &recipe.model.start else { return Ok(()) };
        let report = self
            .start_from(path, recipe, callback)
            .with_context(|| format!("starting from {}", path.display()))?;
        let missing: Vec<&String> = report.missing.iter().filter(|name| !is_fresh(name)).collect();
        if !missing.is_empty() {
            let message = format!("{} holds no {missing:?}: they start fresh", path.display());
            callback.on_event(&Event::Warning(message));
        }
        Ok(())
    }

    fn start_from(
        &self,
        path: &Path,
        recipe: &Finetune,
        callback: &mut dyn Callback,
    ) -> anyhow::Result<ImportReport> {
        let mut differs = None;
        let weights = if path.join(lock::RECIPE).exists() {
            let text = std::fs::read_to_string(path.join(lock::RECIPE))?;
            differs = ensure_same_inputs(recipe, &toml_value(&text)?)?;
            read_weights(&newest(path, callback)?)?
        } else if path.join("config.json").exists() {
            let exported = read_export(path)?;
            let extra = Value::Object(exported.config.extra.into_iter().collect());
            differs = ensure_same_inputs(recipe, &extra)?;
            exported.weights
        } else {
            read_weights(path)?
        };
        if let Some(differs) = differs {
            callback.on_event(&Event::Warning(format!("{}: {differs}", path.display())));
        }
        import_weights(&self.store, &weights)
    }

    /// The scores of the plain views of `inputs`, `[b, classes]`.
    ///
    /// `frames` says how many pictures each clip has, where it is not one; `factors` what the branches of each
    /// clip are multiplied by, `[depth, 2, b]`, given the view.
    pub(crate) fn scores(
        &self,
        inputs: &BTreeMap<Modality, Input>,
        frames: Option<&[usize]>,
        factors: impl Fn(Modality, &Tensor) -> Option<Tensor>,
    ) -> Tensor {
        let project = |(modality, input): (&Modality, &Input)| {
            let (name, InputView { values, material }) = (modality.to_string(), &input.plain);
            let factors = factors(*modality, values);
            let project =
                |factors| self.classifier.project(&name, values, factors, material.as_ref());
            let projected = project(factors.as_ref());
            // What there is once of each clip goes with all of its pictures.
            let once = |frames: &&[usize]| projected.size()[0] == frames.len() as i64;
            let projected = match frames.filter(once) {
                Some(frames) => repeated(&projected, frames),
                None => projected,
            };
            (name, projected)
        };
        self.classifier.classify(&inputs.iter().map(project).collect())
    }
}

/// Each row of `rows` as often as its clip has frames.
fn repeated(rows: &Tensor, frames: &[usize]) -> Tensor {
    let counts: Vec<i64> = frames.iter().map(|count| *count as i64).collect();
    let counts = Tensor::from_slice(&counts).to_device(rows.device());
    rows.repeat_interleave_self_tensor(&counts, 0, None)
}

/// Whether a parameter starts fresh in every fine-tuning.
fn is_fresh(name: &str) -> bool {
    is_head(name) || name.starts_with("pred_")
}

/// The weights of the newest whole checkpoint of the run at `path`.
fn newest(path: &Path, callback: &mut dyn Callback) -> anyhow::Result<PathBuf> {
    let mut warn = |message| callback.on_event(&Event::Warning(message));
    let newest = saved::latest(&path.join(lock::CHECKPOINTS), &mut warn)?;
    let Some((checkpoint, _)) = newest else {
        bail!("it has no checkpoint yet: let `equiav pretrain` save one");
    };
    Ok(weights_for_use(&checkpoint))
}

/// The front end, and the encoder where it is known, that a recipe asks for.
fn toml_value(text: &str) -> anyhow::Result<Value> {
    // A fine-tuned run can be started from as well; both kinds of recipes hold these sections.
    let value = match Recipe::parse(text, &[]) {
        Ok(recipe) => serde_json::to_value(&*recipe)?,
        Err(error) => match crate::recipe::FinetuneRecipe::parse(text, &[]) {
            Ok(recipe) => serde_json::to_value(&*recipe)?,
            Err(_) => return Err(error).context("in its recipe.toml"),
        },
    };
    Ok(value)
}

/// Refuses weights that were trained on other inputs, or in other shapes, than `recipe` has; says in what the
/// statistics differ, which belong to the data set: each standardises its own.
fn ensure_same_inputs(recipe: &Finetune, trained: &Value) -> anyhow::Result<Option<String>> {
    let mut told = None;
    if let Some(front_end) = trained.get("front_end") {
        let front_end: FrontEnd = serde_json::from_value(front_end.clone())?;
        let mut keys = differing(&front_end, &recipe.front_end)?;
        keys.retain(|key| !STATISTICS.contains(&key.as_str()));
        ensure!(
            keys.is_empty(),
            "it was trained with another front_end (different: {}): put its values into the recipe",
            keys.join(", ")
        );
        let of = |front_end: &FrontEnd| (front_end.mean, front_end.std);
        let ((mean, std), (own_mean, own_std)) = (of(&front_end), of(&recipe.front_end));
        told = ((mean, std) != (own_mean, own_std)).then(|| {
            format!(
                "it was pre-trained on sounds of mean {mean} and std {std}; here sounds are standardised by \
                 front_end.mean = {own_mean} and front_end.std = {own_std}"
            )
        });
    }
    if let Some(encoder) = trained.get("model").and_then(|model| model.get("encoder")) {
        let encoder: EncoderConfig = serde_json::from_value(encoder.clone())?;
        let mut keys = differing(&encoder, &recipe.model.encoder)?;
        // No parameter depends on it.
        keys.retain(|key| key != "mask_padding");
        ensure!(
            keys.is_empty(),
            "it has another model.encoder (different: {}): put its values into the recipe",
            keys.join(", ")
        );
    }
    Ok(told)
}

/// The keys in which two settings of one type differ.
fn differing<S: serde::Serialize>(a: &S, b: &S) -> anyhow::Result<Vec<String>> {
    let (a, b) = (serde_json::to_value(a)?, serde_json::to_value(b)?);
    let keys = |value: &Value| -> Vec<String> {
        value.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default()
    };
    let mut all = [keys(&a), keys(&b)].concat();
    all.sort();
    all.dedup();
    all.retain(|key| a.get(key) != b.get(key));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::FinetuneRecipe;

    const PRETRAINING: [&str; 2] = [
        include_str!("../../../../../recipes/audioset2m.toml"),
        include_str!("../../../../../recipes/vggsound.toml"),
    ];
    const FINETUNING: [&str; 2] = [
        include_str!("../../../../../recipes/finetune-audioset20k.toml"),
        include_str!("../../../../../recipes/finetune-vggsound.toml"),
    ];

    fn recipe(text: &str, changes: &[&str]) -> FinetuneRecipe {
        let changes: Vec<_> = changes.iter().map(|one| one.parse().expect("KEY=VALUE")).collect();
        FinetuneRecipe::parse(text, &changes).expect("a recipe")
    }

    #[test]
    fn the_large_recipes_start_each_other() {
        for (from, trained) in PRETRAINING.iter().enumerate() {
            for (to, text) in FINETUNING.iter().enumerate() {
                let trained = toml_value(trained).expect("a recipe");
                let told =
                    ensure_same_inputs(&recipe(text, &[]), &trained).expect("the same shapes");
                assert_eq!(told.is_some(), from != to, "{told:?}");
                let Some(told) = told else { continue };
                assert!(told.contains("-4.346") && told.contains("-4.956"), "{told}");
                assert!(told.contains("4.332") && told.contains("4.486"), "{told}");
            }
        }
    }

    #[test]
    fn other_shapes_and_rates_are_refused() {
        let trained = toml_value(PRETRAINING[0]).expect("a recipe");
        for (change, key) in [
            ("front_end.frames=512", "frames"),
            ("front_end.mels=64", "mels"),
            ("front_end.image=112", "image"),
            ("front_end.sample_rate=22050", "sample_rate"),
            ("front_end.profile=\"published\"", "profile"),
            ("model.encoder.depth=6", "depth"),
        ] {
            let changed = recipe(FINETUNING[1], &[change]);
            let refused = ensure_same_inputs(&changed, &trained).expect_err(change).to_string();
            assert!(refused.contains(&format!("different: {key})")), "{refused}");
        }
    }
}
