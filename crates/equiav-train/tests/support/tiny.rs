//! A recipe that trains in seconds, and what its runs leave behind.
#![allow(dead_code, reason = "each test program uses its part")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use equiav_train::engine::TrainState;
use equiav_train::methods::equiav::EquiAv;
use equiav_train::recipe::Sections;
use equiav_train::{
    Callback, Event, NoOp, Override, PretrainSummary, Recipe, RunOptions, StopSignal, World,
};
use serde_json::Value;
use tch::{Device, Tensor};

pub(crate) const QUICK: &str = include_str!("../../../../recipes/quick.toml");

/// The quick recipe at a size that trains in seconds, on a corpus under `folder`.
pub(crate) fn tiny(folder: &Path, changes: &[&str]) -> Recipe {
    let corpus = equiav_corpora::Synthetic {
        instances: 32,
        held_out: 16,
        classes: 4,
        image: 48,
        seconds: 1.0,
        frames: 2,
        ..Default::default()
    };
    let lists = corpus.write(&folder.join("corpus"), &mut |_, _| ()).expect("a corpus");
    let lists = format!(
        "data.source={{ kind = \"manifest\", train = {:?}, evaluate = {{ held-out = {:?} }} }}",
        lists.train, lists.valid
    );
    let small = [
        lists.as_str(),
        "front_end.frames=96",
        "front_end.image=48",
        "model.encoder.width=32",
        "model.encoder.depth=1",
        "model.encoder.heads=2",
        "objective.centroid_samples=3",
        "run.batch=8",
        "run.epochs=3",
        "run.keep_checkpoints=3",
        "evaluation.every=1",
        "compute.matmul_precision=highest",
        "compute.threads=1",
    ];
    let overrides: Vec<Override> =
        small.iter().chain(changes).map(|text| text.parse().expect("KEY=VALUE")).collect();
    Recipe::parse(QUICK, &overrides).expect("a recipe")
}

/// Steps of one epoch.
pub(crate) const STEPS: u64 = 4;

/// The tensors of a run's checkpoint after `epoch` epochs.
pub(crate) fn checkpoint(run: &Path, epoch: u64) -> BTreeMap<String, Tensor> {
    let folder = run.join(format!("checkpoints/step-{:09}", STEPS * epoch));
    let files = ["model.safetensors", "optimizer.safetensors"];
    let read = |name: &str| Tensor::read_safetensors(folder.join(name)).expect("tensors");
    files.iter().flat_map(|name| read(name)).collect()
}

/// The records of a run's log without what depends on the clock.
pub(crate) fn records(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).expect("a log");
    let timeless = |line: &str| {
        let mut record: Value = serde_json::from_str(line).expect("one object a line");
        let object = record.as_object_mut().expect("an object");
        let clock = ["time", "per_second", "memory"];
        object.retain(|key, _| !clock.iter().any(|part| key.contains(part)));
        record
    };
    text.lines().map(timeless).collect()
}

pub(crate) fn assert_same_run(a: &Path, b: &Path, epoch: u64) {
    let (a_tensors, b_tensors) = (checkpoint(a, epoch), checkpoint(b, epoch));
    assert!(a_tensors.len() > 50, "weights and both moments are there");
    assert_eq!(a_tensors.keys().collect::<Vec<_>>(), b_tensors.keys().collect::<Vec<_>>());
    for (name, tensor) in &a_tensors {
        assert!(tensor.equal(&b_tensors[name]), "{name} differs");
    }
    let (a, b) = (records(a), records(b));
    assert_eq!(a.len(), b.len());
    a.iter().zip(&b).for_each(|(a, b)| assert_eq!(a, b));
}

/// EquiAV of `recipe` before its first step, trained by all ranks of `world`.
pub(crate) fn state(recipe: &Recipe, world: &World) -> TrainState<EquiAv> {
    let method = EquiAv::fresh(recipe, Device::Cpu).expect("a network");
    TrainState::new(method, recipe.shared(), world).expect("a state")
}

/// Pre-trains on this process alone.
pub(crate) fn pretrain(
    recipe: &Recipe,
    out: &Path,
    stop: &StopSignal,
    callback: &mut dyn Callback,
) -> anyhow::Result<PretrainSummary> {
    let world = &World::alone();
    equiav_train::pretrain(recipe, RunOptions { out, world, stop }, callback)
}

pub(crate) fn run(recipe: &Recipe, out: &Path) -> anyhow::Result<PretrainSummary> {
    pretrain(recipe, out, &StopSignal::never(), &mut NoOp)
}

/// A watcher that ends the run by a panic at its `n`-th update, as a crash would.
pub(crate) struct CrashAt(pub(crate) u64);

impl Callback for CrashAt {
    fn on_event(&mut self, event: &Event) {
        if let Event::Step(report) = event {
            assert!(report.step != self.0, "crash on purpose");
        }
    }
}

/// A watcher that asks the run to stop at its `n`-th step.
pub(crate) struct StopAt<'a>(pub(crate) u64, pub(crate) &'a StopSignal);

impl Callback for StopAt<'_> {
    fn on_event(&mut self, event: &Event) {
        match event {
            Event::Step(report) if report.step == self.0 => self.1.request(15),
            _ => {}
        }
    }
}
