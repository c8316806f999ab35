//! Whole runs of a tiny recipe: what a run must keep however it is interrupted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use equiav_train::{Event, Override, Recipe, Silent, Stop, Summary, Trained, Watch, pretrain};
use serde_json::Value;
use tch::Tensor;

const QUICK: &str = include_str!("../../../recipes/quick.toml");

/// The quick recipe at a size that trains in seconds, on a corpus under `folder`.
fn tiny(folder: &Path, changes: &[&str]) -> Recipe {
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
        "objective.centroid=3",
        "run.batch=8",
        "run.epochs=3",
        "run.keep=3",
        "evaluation.every=1",
        "compute.matmul_precision=highest",
    ];
    let overrides: Vec<Override> =
        small.iter().chain(changes).map(|text| text.parse().expect("KEY=VALUE")).collect();
    Recipe::parse(QUICK, &overrides).expect("a recipe")
}

/// Steps of one epoch.
const STEPS: u64 = 4;

/// The tensors of a run's checkpoint after `epoch` epochs.
fn checkpoint(run: &Path, epoch: u64) -> BTreeMap<String, Tensor> {
    let folder = run.join(format!("checkpoints/step-{:09}", STEPS * epoch));
    let files = ["model.safetensors", "optimizer.safetensors"];
    let read = |name: &str| Tensor::read_safetensors(folder.join(name)).expect("tensors");
    files.iter().flat_map(|name| read(name)).collect()
}

/// The records of a run's log without what depends on the clock.
fn records(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).expect("a log");
    let timeless = |line: &str| {
        let mut record: Value = serde_json::from_str(line).expect("one object a line");
        let object = record.as_object_mut().expect("an object");
        object.retain(|key, _| !key.contains("time") && !key.contains("per_second"));
        record
    };
    text.lines().map(timeless).collect()
}

fn assert_same_run(a: &Path, b: &Path, epoch: u64) {
    let (a_tensors, b_tensors) = (checkpoint(a, epoch), checkpoint(b, epoch));
    assert!(a_tensors.len() > 50, "weights and both moments are there");
    assert_eq!(a_tensors.keys().collect::<Vec<_>>(), b_tensors.keys().collect::<Vec<_>>());
    for (name, tensor) in &a_tensors {
        assert!(tensor.equal(&b_tensors[name]), "{name} differs");
    }
    assert_eq!(records(a), records(b));
}

/// A watcher that ends the run by a panic at its `n`-th update, as a crash would.
struct CrashAt(u64);

impl Watch for CrashAt {
    fn note(&mut self, event: &Event) {
        if let Event::Step(report) = event {
            assert!(report.step != self.0, "crash on purpose");
        }
    }
}

fn run(recipe: &Recipe, out: &Path) -> anyhow::Result<Summary> {
    pretrain(recipe, out, &Stop::never(), &mut Silent)
}

#[test]
fn an_interrupted_run_equals_the_straight_one_bit_for_bit() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = tiny(folder.path(), &[]);
    let (straight, crashed) = (folder.path().join("straight"), folder.path().join("crashed"));
    let summary = run(&recipe, &straight).expect("a run");
    assert_eq!((summary.epochs, summary.steps), (3, 12));

    let crash = std::panic::AssertUnwindSafe(|| {
        pretrain(&recipe, &crashed, &Stop::never(), &mut CrashAt(6))
    });
    assert!(std::panic::catch_unwind(crash).is_err(), "the run was ended in its second epoch");
    assert!(!crashed.join("checkpoints/step-000000008").exists());
    run(&recipe, &crashed).expect("the same command goes on");
    assert_same_run(&straight, &crashed, 3);
}

#[test]
fn the_number_of_workers_and_the_cache_change_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, three) = (folder.path().join("one"), folder.path().join("three"));
    run(&tiny(folder.path(), &["data.workers=1", "run.epochs=2"]), &one).expect("a run");
    let other = ["data.workers=3", "data.cache_mb=0", "data.queue=1", "run.epochs=2"];
    run(&tiny(folder.path(), &other), &three).expect("a run");
    assert_same_run(&one, &three, 2);
}

#[test]
fn shards_train_as_their_files_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, shards) = (folder.path().join("files"), folder.path().join("from-shards"));
    let recipe = tiny(folder.path(), &["run.epochs=1"]);
    let from_files = run(&recipe, &files).expect("a run");
    let ten = std::num::NonZeroUsize::new(10).expect("not zero");
    for list in ["train", "valid"] {
        let manifest = folder.path().join(format!("corpus/{list}.json"));
        let manifest = equiav_data::Manifest::read(&manifest).expect("a manifest");
        let out = folder.path().join(list);
        equiav_data::shard::pack(&manifest, &out, ten, &mut |_, _| ()).expect("shards");
    }
    let source = |more: &str| {
        format!(
            "data.source={{ kind = \"shards\", train = [\"{0}/train/clips-{{000000..000003}}.tar\"], \
             evaluate = {{ held-out = \"{0}/valid\" }}{more} }}",
            folder.path().display()
        )
    };
    let recipe = tiny(folder.path(), &[&source(""), "run.epochs=1"]);
    let from_shards = run(&recipe, &shards).expect("a run");
    let (a, b) = (checkpoint(&files, 1), checkpoint(&shards, 1));
    assert!(a.iter().all(|(name, tensor)| tensor.equal(&b[name])), "the same weights");
    let figures = |summary: &Summary| {
        let held_out = &summary.retrieved[0];
        format!("{} {:?} {:?}", held_out.list, held_out.visual_to_audio, held_out.audio_to_visual)
    };
    assert_eq!(figures(&from_files), figures(&from_shards));

    let recipe = tiny(folder.path(), &[&source(", buffer = 6"), "run.epochs=1"]);
    let streamed = folder.path().join("streamed");
    assert_eq!(run(&recipe, &streamed).expect("a run").steps, 4);
    assert!(a.iter().any(|(name, tensor)| !tensor.equal(&checkpoint(&streamed, 1)[name])));
    let recipe = tiny(folder.path(), &[&source(", buffer = 0"), "run.epochs=1"]);
    let error = format!("{:#}", run(&recipe, &folder.path().join("none")).unwrap_err());
    assert!(error.contains("data.source.buffer = 0: expected at least 1 clip"), "{error}");
}

#[test]
fn a_damaged_checkpoint_gives_way_to_the_one_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = tiny(folder.path(), &[]);
    let (straight, damaged) = (folder.path().join("straight"), folder.path().join("damaged"));
    run(&recipe, &straight).expect("a run");
    run(&recipe, &damaged).expect("a run");
    let file = damaged.join("checkpoints/step-000000012/model.safetensors");
    let mut bytes = fs::read(&file).expect("weights");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).expect("a flipped bit");

    struct Warnings(Vec<String>);
    impl Watch for Warnings {
        fn note(&mut self, event: &Event) {
            if let Event::Warning(message) = event {
                self.0.push(message.clone());
            }
        }
    }
    let mut warnings = Warnings(Vec::new());
    pretrain(&recipe, &damaged, &Stop::never(), &mut warnings)
        .expect("the run goes on from epoch 2");
    assert!(
        warnings.0.iter().any(|text| text.contains("step-000000012/model.safetensors is damaged"))
    );
    assert_same_run(&straight, &damaged, 3);
}

#[test]
fn every_variant_of_the_ablation_trains() {
    let folder = tempfile::tempdir().expect("a folder");
    for intra in ["equivariant", "invariant", "none"] {
        for inter in ["clean-pair", "augmented-pair", "single-prediction", "centroid"] {
            let changes = [
                format!("objective.intra={intra}"),
                format!("objective.inter={inter}"),
                "objective.learn_temperature=true".to_owned(),
                "run.epochs=1".to_owned(),
            ];
            let changes: Vec<&str> = changes.iter().map(String::as_str).collect();
            let out = folder.path().join(format!("{intra}-{inter}"));
            run(&tiny(folder.path(), &changes), &out).expect("a run");
            let last = records(&out).into_iter().rev().find(|record| record["train/loss"].is_f64());
            let last = last.expect("a record of a step");
            assert_eq!(last.get("train/loss_intra_audio").is_some(), intra != "none");
            assert!(last["train/loss_inter"].as_f64().expect("a loss") > 0.0);
        }
    }
}

#[test]
fn the_loss_falls_and_the_published_profile_trains_too() {
    let folder = tempfile::tempdir().expect("a folder");
    for profile in ["corrected", "published"] {
        let profile_key = format!("profile={profile}");
        let changes = [profile_key.as_str(), "run.epochs=12", "evaluation.every=12"];
        let out = folder.path().join(profile);
        run(&tiny(folder.path(), &changes), &out).expect("a run");
        let losses: Vec<f64> =
            records(&out).iter().filter_map(|record| record["train/loss"].as_f64()).collect();
        let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
        let (first, last) = (mean(&losses[..4]), mean(&losses[losses.len() - 4..]));
        assert!(last < 0.9 * first, "{profile}: {first} to {last}");
    }
}

#[test]
fn every_recipe_of_the_repository_is_built_in_and_sound() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    for entry in fs::read_dir(folder).expect("recipes").flatten() {
        let path = entry.path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let recipe = Recipe::load(&path, &[]).expect("a recipe");
        assert_eq!(recipe.name, name);
        assert!(equiav_train::recipe::BUILT_IN.iter().any(|(known, _)| *known == name));
        let again = Recipe::parse(&recipe.to_toml(), &[]).expect("what was written can be read");
        assert_eq!(again.to_toml(), recipe.to_toml());
    }
}

#[test]
fn a_folder_belongs_to_one_recipe() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    run(&tiny(folder.path(), &["run.epochs=1"]), &out).expect("a run");
    let error = run(&tiny(folder.path(), &["run.epochs=1", "optimizer.lr=0.5"]), &out).unwrap_err();
    let message = format!("{error:#}");
    assert!(message.contains("different: optimizer.lr"), "{message}");
}

#[test]
fn what_was_trained_can_be_opened_measured_and_exported() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let summary = run(&tiny(folder.path(), &["run.epochs=1"]), &out).expect("a run");
    let trained = Trained::open(&out, &mut Silent).expect("a run folder");
    let again = trained.retrieve_all(&mut Silent).expect("figures");
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].audio_to_visual, summary.retrieved[0].audio_to_visual);
    assert_eq!((again[0].found, again[0].listed), (16, 16));

    let model: PathBuf = folder.path().join("model");
    trained.export(&model).expect("a model folder");
    let exported = equiav_models::read_export(&model).expect("the same folder");
    let saved = checkpoint(&out, 1);
    for (name, tensor) in exported.weights.tensors() {
        assert!(tensor.equal(&saved[name]), "{name} differs");
    }
}
