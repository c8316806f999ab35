//! What earlier versions wrote is opened: a sample of every format lies in `fixtures/legacy`, see the README there.

use std::fs;
use std::path::{Path, PathBuf};

use equiav_augment::Modality;
use equiav_search::index::IndexContents;
use equiav_train::run_dir::checkpoint;
use equiav_train::{DeviceChoice, FinetuneRecipe, LoadedModel, NoOp};

fn legacy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/legacy").join(name)
}

fn opened(name: &str) -> LoadedModel {
    LoadedModel::open_on(&legacy(name), DeviceChoice::Cpu, &mut NoOp).expect("a model")
}

#[test]
fn a_run_an_export_and_an_index_are_of_one_model() {
    let (run, export) = (opened("run"), opened("export"));
    assert_eq!((run.epoch, run.recipe.objective.centroid_samples), (1, 2));
    let fingerprint = run.fingerprint();
    assert!(fingerprint.is(&export.fingerprint()));
    let index = IndexContents::read(&legacy("index.equiav")).expect("an index");
    assert!(index.about.model.is(&fingerprint), "{:?}, {fingerprint}", index.about);
    assert_eq!(index.rows.len(), 2);
    assert!(index.rows.values().flatten().all(|row| row.modality == Modality::AUDIO));
}

#[test]
fn the_state_of_a_run_keeps_its_metrics() {
    let newest = |run: &str| {
        let checkpoints = fs::read_dir(legacy(run).join("checkpoints")).expect("checkpoints");
        let path = checkpoints.flatten().next().expect("a checkpoint").path();
        checkpoint::verified(&path).expect("a state")
    };
    let state = newest("run");
    assert_eq!((state.epoch, state.step), (1, 2));
    let list = state.metrics.list("held-out").expect("the list");
    assert_eq!((list.found, list.values.len()), (8, 12));
    assert_eq!(state.metrics.score("r1"), state.best.map(|best| best.score));
    let state = newest("finetuned");
    let map = state.metrics.list("validation").expect("the list").value("map");
    assert!(map.is_some_and(|map| (0.0..=1.0).contains(&map)), "{:?}", state.metrics);
    let text = fs::read_to_string(legacy("finetuned/recipe.toml")).expect("a recipe");
    let recipe = FinetuneRecipe::parse(&text, &[]).expect("a recipe");
    assert!(recipe.to_toml().contains("keep_checkpoints = 1"), "old keys are written anew");
}

#[test]
fn a_shard_is_whole() {
    let verified = equiav_data::shard::verify(&legacy("shards/clips-000000.tar"));
    assert!(verified.faults.is_empty(), "{:?}", verified.faults);
    assert_eq!(verified.samples, 8);
}
