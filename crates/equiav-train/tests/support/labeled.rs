//! A fine-tuning recipe that trains in seconds.
#![allow(dead_code, reason = "each test program uses its part")]

use std::path::Path;

use equiav_train::{FinetuneRecipe, Override};

pub(crate) const QUICK: &str = include_str!("../../../../recipes/finetune-quick.toml");

/// The recipe `finetune-quick` at the size of `tiny`, on the corpus that `tiny` makes under `folder`.
pub(crate) fn labeled(folder: &Path, changes: &[&str]) -> FinetuneRecipe {
    let corpus = folder.join("corpus");
    let (train, test) = (corpus.join("train.json"), corpus.join("valid.json"));
    let lists = format!(
        "data.source={{ kind = \"manifest\", train = {train:?}, evaluate = {{ held-out = {test:?} }} }}"
    );
    let table = format!("data.labels={}", corpus.join("class_labels_indices.csv").display());
    let small = [
        lists.as_str(),
        table.as_str(),
        "data.validation=0.25",
        "data.per_class=4",
        "front_end.frames=96",
        "front_end.image=48",
        "model.encoder.width=32",
        "model.encoder.depth=1",
        "model.encoder.heads=2",
        "model.projection=16",
        "run.batch=4",
        "run.epochs=3",
        "run.keep=3",
        "evaluation.every=1",
        "compute.threads=1",
    ];
    let overrides: Vec<Override> =
        small.iter().chain(changes).map(|text| text.parse().expect("KEY=VALUE")).collect();
    FinetuneRecipe::parse(QUICK, &overrides).expect("a recipe")
}
