//! The classifier with its variables, fresh or started from what was pre-trained.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use equiav_augment::Modality;
use equiav_data::FrontEnd;
use equiav_models::{
    Classifier, EncoderConfig, ImportReport, import_weights, is_head, read_export, read_weights,
};
use equiav_torch::checkpoint;
use serde_json::Value;
use tch::{Device, Tensor, nn};

use crate::checkpoint as saved;
use crate::folder;
use crate::learner::weights_for_use;
use crate::network::{Stored, seeded};
use crate::recipe::Recipe;
use crate::settings::Finetune;
use crate::watch::{Event, Watch};

/// A classifier and its variables.
#[derive(Debug)]
pub(crate) struct Labeler {
    pub(crate) store: nn::VarStore,
    pub(crate) classifier: Classifier,
}

impl Stored for Labeler {
    fn store(&self) -> &nn::VarStore {
        &self.store
    }
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
    pub(crate) fn start(&self, recipe: &Finetune, watch: &mut dyn Watch) -> anyhow::Result<()> {
        let Some(path) = &recipe.model.start else { return Ok(()) };
        let report = self
            .start_from(path, recipe, watch)
            .with_context(|| format!("starting from {}", path.display()))?;
        let missing: Vec<&String> = report.missing.iter().filter(|name| !is_fresh(name)).collect();
        if !missing.is_empty() {
            let message = format!("{} holds no {missing:?}: they start fresh", path.display());
            watch.note(&Event::Warning(message));
        }
        Ok(())
    }

    fn start_from(
        &self,
        path: &Path,
        recipe: &Finetune,
        watch: &mut dyn Watch,
    ) -> anyhow::Result<ImportReport> {
        let weights = if path.join(folder::RECIPE).exists() {
            let text = std::fs::read_to_string(path.join(folder::RECIPE))?;
            ensure_same_inputs(recipe, &toml_value(&text)?)?;
            read_weights(&newest(path, watch)?)?
        } else if path.join("config.json").exists() {
            let exported = read_export(path)?;
            let extra = Value::Object(exported.config.extra.into_iter().collect());
            ensure_same_inputs(recipe, &extra)?;
            exported.weights
        } else {
            read_weights(path)?
        };
        import_weights(&self.store, &weights)
    }

    /// The scores of views, `[b, classes]`.
    ///
    /// `frames` says how many pictures each clip has, where it is not one.
    pub(crate) fn scores(
        &self,
        views: &BTreeMap<Modality, Tensor>,
        factors: &BTreeMap<Modality, Tensor>,
        frames: Option<&[usize]>,
    ) -> Tensor {
        let project = |(modality, view): (&Modality, &Tensor)| {
            let name = modality.to_string();
            let projected = self.classifier.project(&name, view, factors.get(modality));
            let projected = match (modality, frames) {
                (Modality::Audio, Some(frames)) => repeated(&projected, frames),
                _ => projected,
            };
            (name, projected)
        };
        self.classifier.classify(&views.iter().map(project).collect())
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
fn newest(path: &Path, watch: &mut dyn Watch) -> anyhow::Result<PathBuf> {
    let mut warn = |message| watch.note(&Event::Warning(message));
    let newest = saved::latest(&path.join(folder::CHECKPOINTS), &mut warn)?;
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

/// Refuses weights that were trained on other inputs, or in other shapes, than `recipe` has.
fn ensure_same_inputs(recipe: &Finetune, trained: &Value) -> anyhow::Result<()> {
    if let Some(front_end) = trained.get("front_end") {
        let front_end: FrontEnd = serde_json::from_value(front_end.clone())?;
        let keys = differing(&front_end, &recipe.front_end)?;
        ensure!(
            keys.is_empty(),
            "it was trained with another front_end (different: {}): put its values into the recipe",
            keys.join(", ")
        );
    }
    if let Some(encoder) = trained.get("model").and_then(|model| model.get("encoder")) {
        let encoder: EncoderConfig = serde_json::from_value(encoder.clone())?;
        let keys = differing(&encoder, &recipe.model.encoder)?;
        ensure!(
            keys.is_empty(),
            "it has another model.encoder (different: {}): put its values into the recipe",
            keys.join(", ")
        );
    }
    Ok(())
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
