//! Masked autoencoding as a run: resumed to the same bytes, exported without decoders, and taken up as start weights.

#[path = "support/tiny.rs"]
mod tiny;

use std::fs;
use std::path::Path;

use equiav_train::{
    Callback, Event, LoadedModel, NoOp, Override, PretrainRecipe, PretrainSummary, RunOptions,
    StopSignal, World,
};
use tch::Tensor;

/// The recipe `mae-quick` at the size of the tiny one, on the corpus under `folder`.
fn recipe(folder: &Path, changes: &[&str]) -> PretrainRecipe {
    let list = |name: &str| folder.join("corpus").join(name);
    let source = format!(
        "data.source={{ kind = \"manifest\", train = {:?}, evaluate = {{ held-out = {:?} }} }}",
        list("train.json"),
        list("valid.json")
    );
    let small = [
        source.as_str(),
        "front_end.frames=96",
        "front_end.image=48",
        "method.encoder.width=32",
        "method.encoder.depth=1",
        "method.encoder.heads=2",
        "method.decoder.width=16",
        "method.decoder.depth=1",
        "run.batch=8",
        "run.epochs=3",
        "compute.threads=1",
    ];
    let overrides: Vec<Override> =
        small.iter().chain(changes).map(|text| text.parse().expect("KEY=VALUE")).collect();
    PretrainRecipe::load("mae-quick".as_ref(), &overrides).expect("a recipe")
}

fn train(
    recipe: &PretrainRecipe,
    out: &Path,
    stop: &StopSignal,
    callback: &mut dyn Callback,
) -> PretrainSummary {
    let world = &World::alone();
    recipe.pretrain(RunOptions { out, world, stop }, callback).expect("a run")
}

/// A watcher that asks the run to stop at its `n`-th step.
struct StopAt<'a>(u64, &'a StopSignal);

impl Callback for StopAt<'_> {
    fn on_event(&mut self, event: &Event) {
        match event {
            Event::Step(report) if report.step == self.0 => self.1.request(15),
            _ => {}
        }
    }
}

#[test]
fn a_run_resumes_and_its_encoders_start_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| folder.path().join(name);
    let finer = tiny::tiny(folder.path(), &[]);
    let recipe = recipe(folder.path(), &["run.micro_batch=4", "evaluation.online_every=3"]);
    let straight = train(&recipe, &place("straight"), &StopSignal::never(), &mut NoOp);
    let value = |name: &str| straight.metrics.lists[0].value(name).expect("a metric");
    for modality in ["audio", "visual"] {
        let [loss, constant, explained] = ["reconstruction", "constant", "explained"]
            .map(|kind| value(&format!("{modality}/{kind}")));
        assert!((explained - (1.0 - loss / constant)).abs() < 1e-9 && constant > 0.1);
    }
    let stop = StopSignal::never();
    let stopped = train(&recipe, &place("stopped"), &stop, &mut StopAt(5, &stop));
    assert_eq!((stopped.stopped, stopped.steps), (Some(15), 5));
    let resumed = train(&recipe, &place("stopped"), &StopSignal::never(), &mut NoOp);
    let bytes = |summary: &PretrainSummary| {
        fs::read(summary.checkpoint.join("model.safetensors")).expect("weights")
    };
    assert!(bytes(&straight) == bytes(&resumed), "the resumed run has other bytes");
    assert_eq!(straight.metrics, resumed.metrics);
    let records = tiny::records(&place("straight"));
    assert_eq!(records, tiny::records(&place("stopped")));
    let measured: Vec<_> =
        records.iter().filter(|record| record.get("online/audio/rank_me").is_some()).collect();
    assert_eq!(measured.len(), 4, "after steps 3, 6, 9 and 12");
    for record in measured {
        assert!(record["online/visual/knn_top1"].is_number());
        assert!(record.get("online/alignment").is_none(), "modalities lie in spaces of their own");
    }

    let PretrainRecipe::Method(of_run) = &recipe else { panic!("another method") };
    let exported = of_run.export_start(&place("straight"), &place("export"));
    assert_eq!(exported.expect("a folder"), Some(3));
    let exported = Tensor::read_safetensors(place("export/model.safetensors")).expect("tensors");
    assert!(exported.iter().all(|(name, _)| !name.contains("decoder")));
    let trained = Tensor::read_safetensors(straight.checkpoint.join("model.safetensors"));
    let trained: std::collections::BTreeMap<_, _> = trained.expect("tensors").into_iter().collect();
    assert!(exported.iter().all(|(name, tensor)| tensor.equal(&trained[name])));

    for start in ["straight", "export"] {
        let network =
            equiav_train::model::Network::new(&finer, tch::Device::Cpu).expect("networks");
        let mut settings = (*finer).clone();
        settings.model.start = Some(place(start));
        network.start(&settings).expect("the encoders are covered");
        let variables = network.store.variables();
        let taken: Vec<_> = exported
            .iter()
            .filter(|(name, _)| name.starts_with("blocks_") || name.starts_with("patch_embed_"))
            .collect();
        assert!(taken.len() > 20, "{start}");
        assert!(taken.iter().all(|(name, tensor)| tensor.equal(&variables[name])));
    }
    let error = LoadedModel::open(&place("straight"), &mut NoOp).expect_err("it embeds nothing");
    assert!(format!("{error:#}").contains("model.start="), "{error:#}");
}

#[test]
fn a_mask_is_a_matter_of_seed_epoch_and_clip() {
    let folder = tempfile::tempdir().expect("a folder");
    tiny::tiny(folder.path(), &[]);
    let losses = |workers: &str, out: &str| {
        let recipe = recipe(folder.path(), &[workers, "run.epochs=2"]);
        train(&recipe, &folder.path().join(out), &StopSignal::never(), &mut NoOp);
        tiny::records(&folder.path().join(out))
    };
    let one = losses("data.workers=1", "one");
    assert_eq!(one, losses("data.workers=3", "three"));
}
