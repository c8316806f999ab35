//! Whole runs of a tiny recipe: what a run must keep however it is interrupted.

#[path = "support/tiny.rs"]
mod tiny;

use std::fs;
use std::path::{Path, PathBuf};

use equiav_train::recipe::{Checked, Sections};
use equiav_train::recipe::{Finetune, Settings};
use equiav_train::{
    Callback, DeviceChoice, Event, ListMetrics, LoadedModel, NoOp, PretrainRecipe, PretrainSummary,
    StopSignal, Warnings,
};
use tiny::{CrashAt, STEPS, StopAt, assert_same_run, checkpoint, records, run, tiny};

#[test]
fn an_interrupted_run_equals_the_straight_one_bit_for_bit() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = tiny(folder.path(), &[]);
    let (straight, crashed) = (folder.path().join("straight"), folder.path().join("crashed"));
    let summary = run(&recipe, &straight).expect("a run");
    assert_eq!((summary.epochs, summary.steps), (3, 12));

    let crash = std::panic::AssertUnwindSafe(|| {
        tiny::pretrain(&recipe, &crashed, &StopSignal::never(), &mut CrashAt(6))
    });
    assert!(std::panic::catch_unwind(crash).is_err(), "the run was ended in its second epoch");
    assert!(!crashed.join("checkpoints/step-000000008").exists());
    run(&recipe, &crashed).expect("the same command goes on");
    assert_same_run(&straight, &crashed, 3);
}

#[test]
fn a_run_goes_on_in_the_middle_of_an_epoch() {
    let folder = tempfile::tempdir().expect("a folder");
    let changes = ["optimizer.average=0.9", "run.save_every=3", "compute.precision=bf16"];
    let recipe = |workers| tiny(folder.path(), &[&changes[..], &[workers]].concat());
    let straight = folder.path().join("straight");
    run(&recipe("data.workers=1"), &straight).expect("a run");
    for workers in ["data.workers=1", "data.workers=3"] {
        let stopped = folder.path().join(workers);
        for step in 1..3 * STEPS {
            let stop = StopSignal::never();
            let callback = &mut StopAt(step, &stop);
            let summary =
                tiny::pretrain(&recipe(workers), &stopped, &stop, callback).expect("a run");
            assert_eq!((summary.stopped, summary.steps), (Some(15), step));
            assert!(summary.checkpoint.ends_with(format!("step-{step:09}")));
        }
        let summary = run(&recipe(workers), &stopped).expect("the last step");
        assert_eq!((summary.stopped, summary.steps), (None, 3 * STEPS));
        assert_same_run(&straight, &stopped, 3);
        let again = run(&recipe(workers), &stopped).expect("nothing is left to do");
        assert_eq!(again.metrics, summary.metrics);
        assert_same_run(&straight, &stopped, 3);
    }
}

#[test]
fn the_best_checkpoint_is_kept_beside_the_newest() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let changes = ["run.keep=1", "run.epochs=6", "optimizer.lr=3e-3"];
    let summary = run(&tiny(folder.path(), &changes), &out).expect("a run");
    let best = summary.best.expect("a measurement");
    let names = fs::read_dir(out.join("checkpoints")).expect("checkpoints").flatten();
    let mut names: Vec<String> =
        names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let mut expected = vec![format!("step-{:09}", best.step), format!("step-{:09}", 6 * STEPS)];
    expected.dedup();
    assert_eq!(names, expected);
    let r1 = |record: &serde_json::Value| {
        let way = |way: &str| record[format!("val/held-out/{way}/r1")].as_f64();
        Some((way("visual_to_audio")? + way("audio_to_visual")?) / 2.0)
    };
    let all: Vec<f64> = records(&out).iter().filter_map(r1).collect();
    assert_eq!((all.len(), best.score), (6, all.iter().copied().fold(0.0, f64::max)));
}

/// A callback that keeps warnings and the steps that were skipped.
#[derive(Default)]
struct Notes {
    warnings: Vec<String>,
    skipped: Vec<u64>,
}

impl Callback for Notes {
    fn on_event(&mut self, event: &Event) {
        match event {
            Event::Warning(message) => self.warnings.push(message.clone()),
            Event::Step(report) if !report.applied => self.skipped.push(report.step),
            _ => {}
        }
    }
}

/// Makes the sound of the training clip `id` so loud that its spectrogram is infinite.
fn make_infinite(folder: &Path, id: &str) {
    let text = fs::read_to_string(folder.join("corpus/train.json")).expect("a manifest");
    let list: serde_json::Value = serde_json::from_str(&text).expect("json");
    let clips = list["data"].as_array().expect("clips");
    let clip = clips.iter().find(|clip| clip["video_id"] == id).expect("the clip");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let path = folder.join("corpus").join(clip["wav"].as_str().expect("a path"));
    let mut writer = hound::WavWriter::create(path, spec).expect("a writer");
    for sample in 0..16_000 {
        writer.write_sample(1e30 * (sample as f32 * 0.3).sin()).expect("a sample");
    }
    writer.finalize().expect("a wav");
}

#[test]
fn a_step_that_is_not_finite_is_skipped_counted_and_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = tiny(folder.path(), &[]);
    make_infinite(folder.path(), "train-000007");
    let out = folder.path().join("run");
    let mut notes = Notes::default();
    let summary = tiny::pretrain(&recipe, &out, &StopSignal::never(), &mut notes).expect("a run");
    assert_eq!((summary.skipped, notes.skipped.len()), (3, 3), "once in each epoch");
    for (step, warning) in notes.skipped.iter().zip(&notes.warnings) {
        assert!(warning.starts_with(&format!("step {step} is skipped: the loss is ")), "{warning}");
        assert!(warning.contains("train-000007"), "{warning}");
    }
    let weights = checkpoint(&out, 3);
    assert!(weights.values().all(|tensor| tensor.isfinite().all().int64_value(&[]) == 1));
    let marked = records(&out).iter().filter(|record| record["train/skipped"] == 1.0).count();
    assert_eq!(marked, 3);
}

#[test]
fn too_many_steps_that_are_not_finite_end_the_run_with_the_state_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe =
        tiny(folder.path(), &["run.max_skipped=2", "optimizer.lr=1e30", "evaluation.every=3"]);
    let out = folder.path().join("run");
    let error =
        tiny::pretrain(&recipe, &out, &StopSignal::never(), &mut NoOp).expect_err("it diverges");
    let message = format!("{error:#}");
    assert!(message.contains("number 3 in a row, run.max_skipped = 2"), "{message}");
    let newest = fs::read_dir(out.join("checkpoints")).expect("checkpoints").flatten();
    let newest = newest.map(|entry| entry.path()).max().expect("a checkpoint");
    let state = fs::read_to_string(newest.join("state.json")).expect("a state");
    let state: serde_json::Value = serde_json::from_str(&state).expect("json");
    assert_eq!(state["skipped_in_a_row"], 0, "{message}");
    assert!(message.contains(&*newest.to_string_lossy()), "{message}");
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
    let figures = |summary: &PretrainSummary| {
        let held_out = &summary.metrics.lists[0];
        format!("{} {:?}", held_out.list, held_out.values)
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

    let mut warnings = Warnings::default();
    tiny::pretrain(&recipe, &damaged, &StopSignal::never(), &mut warnings)
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
fn a_third_modality_trains_resumes_and_is_exported() {
    let folder = tempfile::tempdir().expect("a folder");
    let weights = "objective.weights={ inter_audio_context = 0.5, inter_audio_visual = 1.0, \
                   inter_context_visual = 0.5, intra_audio = 1.0, intra_context = 1.0, intra_visual = 1.0 }";
    let changes = [
        "modality.context={ input = \"image\" }",
        "augment.context={ vector = 18 }",
        weights,
        "run.epochs=2",
    ];
    let recipe = tiny(folder.path(), &changes);
    let [straight, stopped] = ["straight", "stopped"].map(|name| folder.path().join(name));
    run(&recipe, &straight).expect("a run");
    let stop = StopSignal::never();
    tiny::pretrain(&recipe, &stopped, &stop, &mut StopAt(STEPS + 1, &stop)).expect("a part");
    run(&recipe, &stopped).expect("the rest");
    assert_same_run(&straight, &stopped, 2);
    let steps = records(&straight);
    for term in ["inter_audio_context", "inter_audio_visual", "intra_context"] {
        assert!(steps[0][format!("train/loss_{term}")].as_f64().expect(term) > 0.0);
    }

    let trained = LoadedModel::open_on(&straight, DeviceChoice::Cpu, &mut NoOp).expect("a run");
    let figures = trained.retrieve_all(&mut NoOp).expect("sound and picture are compared");
    let model = folder.path().join("model");
    trained.export(&model).expect("a model folder");
    equiav_models::Pretrained::open(&model, tch::Device::Cpu).expect("an export");
    let again = LoadedModel::open_on(&model, DeviceChoice::Cpu, &mut NoOp).expect("an export");
    assert_eq!(again.recipe.branches(), trained.recipe.branches());
    assert_eq!(figures[0].coverage.found, 16);
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

/// Checks the recipe at `path` as one of the kind `S`, with its name.
fn check<S: Sections>(path: &Path) {
    let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
    let recipe = Checked::<S>::load(path, &[]).expect("a recipe");
    assert!(S::BUILT_IN.iter().any(|(known, _)| *known == name), "{name} is built in");
    assert!(recipe.to_toml().contains(&format!("name = \"{name}\"")), "{name}");
    let again = Checked::<S>::parse(&recipe.to_toml(), &[]).expect("what was written can be read");
    assert_eq!(again.to_toml(), recipe.to_toml());
}

#[test]
fn every_recipe_of_the_repository_is_built_in_and_sound() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    for entry in fs::read_dir(folder).expect("recipes").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let text = fs::read_to_string(entry.path()).expect("a recipe");
        match name.strip_suffix(".toml").expect("a recipe") {
            name if name.starts_with("finetune-") => check::<Finetune>(&entry.path()),
            name if text.contains("[method]") => {
                let [of_file, built_in] = [entry.path(), name.into()]
                    .map(|path| PretrainRecipe::load(&path, &[]).expect("a recipe"));
                assert_eq!((of_file.name(), built_in.name()), (name, name));
            }
            _ => check::<Settings>(&entry.path()),
        }
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
    let trained = LoadedModel::open_on(&out, DeviceChoice::Cpu, &mut NoOp).expect("a run folder");
    let again = trained.retrieve_all(&mut NoOp).expect("figures");
    assert_eq!(again.len(), 1);
    let again_values = ListMetrics::from(&again[0]).values;
    // What is measured while training alone comes after.
    assert_eq!(again_values, summary.metrics.lists[0].values[..again_values.len()]);
    let coverage = &again[0].coverage;
    assert_eq!((coverage.found, coverage.listed), (16, 16));

    let model: PathBuf = folder.path().join("model");
    trained.export(&model).expect("a model folder");
    let exported = equiav_models::read_export(&model).expect("the same folder");
    let saved = checkpoint(&out, 1);
    for (name, tensor) in exported.weights.tensors() {
        assert!(tensor.equal(&saved[name]), "{name} differs");
    }
}
