//! What was trained is opened, and goes on, without what its training needed once: the GPU, the file that
//! it started from.

#[path = "support/tiny.rs"]
mod tiny;

use std::fs;
use std::path::{Path, PathBuf};

use equiav_train::model::Network;
use equiav_train::{Callback, DeviceChoice, Event, LoadedModel, NoOp, StopSignal, Warnings};
use tch::{Device, Tensor};
use tiny::{assert_same_run, checkpoint, run, tiny};

/// A masked autoencoder's file for the encoders of the tiny recipe, with weights of another seed.
fn start_weights(folder: &Path) -> PathBuf {
    let network = Network::new(&tiny(folder, &["seed=77"]), Device::Cpu).expect("a network");
    let variables = network.store.variables().into_iter();
    let of_audio = |(name, tensor): (String, Tensor)| {
        let (part, rest) = name.split_once("_a.")?;
        let known = ["blocks", "patch_embed", "norm"].contains(&part);
        known.then(|| (format!("{part}.{rest}"), tensor))
    };
    let named: Vec<(String, Tensor)> = variables.filter_map(of_audio).collect();
    let path = folder.join("start.safetensors");
    Tensor::write_safetensors(&named, &path).expect("a file");
    path
}

/// Asks for a stop after the second step.
struct StopAtTwo<'a>(&'a StopSignal);

impl Callback for StopAtTwo<'_> {
    fn on_event(&mut self, event: &Event) {
        if matches!(event, Event::Step(report) if report.step == 2) {
            self.0.request(15);
        }
    }
}

#[test]
fn start_weights_are_read_before_the_first_step_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = start_weights(folder.path());
    let named = format!("model.start={}", start.display());
    let recipe = tiny(folder.path(), &["run.epochs=1", "optimizer.average=0.9", &named]);
    let [fresh, straight, stopped] =
        ["fresh", "straight", "stopped"].map(|name| folder.path().join(name));
    run(&tiny(folder.path(), &["run.epochs=1", "optimizer.average=0.9"]), &fresh).expect("a run");
    run(&recipe, &straight).expect("a run");
    let [with, without] = [&straight, &fresh].map(|out| checkpoint(out, 1));
    let differ = |name: &str| !with[name].allclose(&without[name], 1e-2, 1e-2, false);
    assert!(differ("blocks_a.0.mlp.fc1.weight"), "the start weights count");

    let stop = StopSignal::never();
    tiny::pretrain(&recipe, &stopped, &stop, &mut StopAtTwo(&stop)).expect("a run that stops");
    fs::remove_file(&start).expect("the file");
    run(&recipe, &stopped).expect("the run goes on without what it started from");
    assert_same_run(&straight, &stopped, 1);

    let trained = LoadedModel::open_on(&stopped, DeviceChoice::Cpu, &mut NoOp).expect("a run");
    assert_eq!(trained.epoch, 1);
    let message = run(&recipe, &folder.path().join("another")).expect_err("nothing to start from");
    assert!(format!("{message:#}").contains("start.safetensors"), "{message:#}");
}

#[test]
fn what_a_gpu_has_trained_is_opened_anywhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    run(&tiny(folder.path(), &["run.epochs=1", "compute.precision=bf16"]), &out).expect("a run");
    let cpu = |path: &Path| {
        LoadedModel::open_on(path, DeviceChoice::Cpu, &mut NoOp).expect("what was trained")
    };
    let (before, figures) = (cpu(&out), cpu(&out).retrieve_all(&mut NoOp).expect("figures"));

    let file = out.join("recipe.toml");
    let recipe = fs::read_to_string(&file).expect("a recipe");
    let on_gpu = recipe.replace("device = \"cpu\"", "device = \"cuda\"");
    assert_ne!(on_gpu, recipe);
    fs::write(&file, on_gpu).expect("a recipe");
    let trained = cpu(&out);
    assert_eq!(trained.fingerprint(), before.fingerprint());
    assert_eq!(trained.retrieve_all(&mut NoOp).expect("figures"), figures);

    let mut warnings = Warnings::default();
    let device = LoadedModel::open_on(&out, DeviceChoice::Auto, &mut warnings).expect("somewhere");
    let told = warnings.0.iter().any(|message| message.contains("trained on a GPU"));
    assert_eq!(told, device.network.store.device() == Device::Cpu, "{:?}", warnings.0);

    let exported = folder.path().join("model");
    trained.export(&exported).expect("an export");
    let config = exported.join("config.json");
    let text = fs::read_to_string(&config).expect("a configuration");
    assert!(!text.contains("cuda") && !text.contains("\"compute\""), "{text}");
    assert_eq!(cpu(&exported).fingerprint(), before.fingerprint());

    // Exports of earlier versions hold the whole section.
    let mut older: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let sections = older.as_object_mut().expect("a table");
    let precision = sections.remove("precision").expect("a precision");
    let matmul_precision = sections.remove("matmul_precision").expect("a precision");
    sections.insert(
        "compute".to_owned(),
        serde_json::json!({
            "device": "cuda", "threads": 3, "precision": precision,
            "matmul_precision": matmul_precision,
        }),
    );
    fs::write(&config, older.to_string()).expect("a configuration");
    assert_eq!(cpu(&exported).fingerprint(), before.fingerprint());
}

#[test]
fn training_that_is_asked_for_a_gpu_fails_where_there_is_none() {
    if equiav_torch::cuda_device(0).is_ok() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let asked = tiny(folder.path(), &["compute.device=cuda"]);
    let error = run(&asked, &folder.path().join("run")).expect_err("there is no GPU");
    let message = format!("{error:#}");
    assert!(message.contains("compute.device = \"cuda\"") && message.contains(": "), "{message}");
}
