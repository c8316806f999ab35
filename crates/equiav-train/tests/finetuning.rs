//! Whole fine-tuning runs of a tiny recipe: modes, losses, the head's rate, the choice of the epoch, and
//! what a run keeps however it is interrupted.

#[path = "support/labeled.rs"]
mod labeled;
#[path = "support/tiny.rs"]
mod tiny;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use equiav_train::{
    Callback, DeviceChoice, Event, FinetuneRecipe, FinetuneSummary, LoadedModel, NoOp, RunOptions,
    StopSignal, World,
};
use labeled::labeled;
use tch::Tensor;
use tiny::records;

fn finetune(
    recipe: &FinetuneRecipe,
    out: &Path,
    stop: &StopSignal,
    callback: &mut dyn Callback,
) -> anyhow::Result<FinetuneSummary> {
    let world = &World::alone();
    equiav_train::finetune(recipe, RunOptions { out, world, stop }, callback)
}

fn run(recipe: &FinetuneRecipe, out: &Path) -> anyhow::Result<FinetuneSummary> {
    finetune(recipe, out, &StopSignal::never(), &mut NoOp)
}

/// A folder with the corpus of every test, and a pre-trained run.
fn prepared() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("pre-trained");
    tiny::run(&tiny::tiny(folder.path(), &["run.epochs=1"]), &out).expect("a run");
    (folder, out)
}

/// Every tensor of a run's newest checkpoint, and its state.
fn newest(out: &Path) -> (BTreeMap<String, Tensor>, String) {
    let folder = fs::read_dir(out.join("checkpoints")).expect("checkpoints").flatten();
    let newest = folder.map(|entry| entry.path()).max().expect("a checkpoint");
    let files = ["model.safetensors", "optimizer.safetensors"];
    let read = |name: &str| Tensor::read_safetensors(newest.join(name)).expect("tensors");
    let tensors = files.iter().flat_map(|name| read(name)).collect();
    (tensors, fs::read_to_string(newest.join("state.json")).expect("a state"))
}

fn assert_same(a: &Path, b: &Path) {
    let ((a_tensors, a_state), (b_tensors, b_state)) = (newest(a), newest(b));
    assert!(a_tensors.len() > 50 && a_tensors.keys().eq(b_tensors.keys()));
    for (name, tensor) in &a_tensors {
        assert!(tensor.equal(&b_tensors[name]), "{name} differs");
    }
    assert_eq!(a_state, b_state);
    assert_eq!(records(a), records(b));
    let test = |out: &Path| fs::read_to_string(out.join("test.json")).expect("figures");
    assert_eq!(test(a), test(b));
}

#[test]
fn every_mode_and_loss_trains_and_is_tested_once() {
    let (folder, pretrained) = prepared();
    let start = format!("model.start={}", pretrained.display());
    for mode in ["multimodal", "audio", "visual"] {
        for (loss, metric) in [("ce", "top1"), ("bce", "map")] {
            let changes = [
                format!("model.mode={mode}"),
                format!("objective.loss={loss}"),
                format!("evaluation.choose_by={metric}"),
                "evaluation.frames=all".to_owned(),
                start.clone(),
            ];
            let changes: Vec<&str> = changes.iter().map(String::as_str).collect();
            let out = folder.path().join(format!("{mode}-{loss}"));
            let recipe = labeled(folder.path(), &changes);
            let tuned = run(&recipe, &out).expect("a run");
            assert_eq!((tuned.epochs, tuned.test.len(), tuned.tested.len()), (3, 1, 1));
            let test = &tuned.test[0];
            assert_eq!(
                (&*test.list, test.found, test.listed, test.classes),
                ("held-out", 16, 16, 4)
            );
            assert_eq!(tuned.validation.lists[0].found, 8);
            let best = tuned.best.expect("a choice");
            assert!(tuned.tested[0].ends_with(format!("step-{:09}", best.step)));

            let log = records(&out);
            let key = format!("val/validation/{metric}");
            let all: Vec<f64> = log.iter().filter_map(|record| record[&key].as_f64()).collect();
            assert_eq!((all.len(), best.score), (3, all.iter().copied().fold(0.0, f64::max)));
            assert!(log.iter().any(|record| record["train/loss_class"].is_f64()));
            let again = run(&recipe, &out).expect("nothing is left to do");
            assert_eq!(again.test, tuned.test);
        }
    }
}

#[test]
fn the_test_lists_are_measured_once_and_never_chosen_by() {
    let (folder, _) = prepared();
    let out = folder.path().join("run");
    let recipe = labeled(folder.path(), &[]);
    run(&recipe, &out).expect("a run");
    // Figures that are there are not made again.
    let path = out.join("test.json");
    let marked =
        fs::read_to_string(&path).expect("figures").replace("\"listed\": 16", "\"listed\": 99");
    fs::write(&path, marked).expect("a mark");
    assert_eq!(run(&recipe, &out).expect("the same").test[0].listed, 99);
    assert!(records(&out).iter().all(|record| {
        record.as_object().expect("an object").keys().all(|key| !key.contains("held-out"))
    }));
}

/// A watcher that asks the run to stop at its `n`-th step.
struct StopAt<'a>(u64, &'a StopSignal);

/// A watcher that asks to stop after the first step and keeps warnings.
struct Told<'a>(&'a StopSignal, Vec<String>);

impl Callback for Told<'_> {
    fn on_event(&mut self, event: &Event) {
        match event {
            Event::Step(_) => self.0.request(15),
            Event::Warning(line) => self.1.push(line.clone()),
            _ => {}
        }
    }
}

impl Callback for StopAt<'_> {
    fn on_event(&mut self, event: &Event) {
        match event {
            Event::Step(report) if report.step == self.0 => self.1.request(15),
            _ => {}
        }
    }
}

#[test]
fn a_run_that_is_stopped_after_every_step_equals_the_straight_one_whatever_the_workers() {
    let (folder, pretrained) = prepared();
    let start = format!("model.start={}", pretrained.display());
    let weights = folder.path().join("weights.csv");
    let lines: String = (0..32).map(|clip| format!("{}\n", 1 + clip % 3)).collect();
    fs::write(&weights, lines).expect("weights");
    let weights = format!("data.weights={}", weights.display());
    let changes = [
        start.as_str(),
        weights.as_str(),
        "optimizer.average=0.9",
        "model.drop_path=0.3",
        "augment.roll=true",
        "run.micro_batch=3",
    ];
    let recipe = |more: &[&str]| labeled(folder.path(), &[&changes[..], more].concat());
    let straight = folder.path().join("straight");
    let tuned = run(&recipe(&["data.workers=1"]), &straight).expect("a run");
    let other = ["data.workers=3", "data.cache_mb=0", "data.queue=1"];
    let stopped = folder.path().join("stopped");
    for step in 1..tuned.steps {
        let stop = StopSignal::never();
        let ended =
            finetune(&recipe(&other), &stopped, &stop, &mut StopAt(step, &stop)).expect("a run");
        assert_eq!((ended.stopped, ended.steps, ended.test.len()), (Some(15), step, 0));
    }
    run(&recipe(&other), &stopped).expect("the last step");
    assert_same(&straight, &stopped);
}

/// How far each variable moved in the first step, from the mean gradient that it saw.
fn moves(folder: &Path, name: &str, changes: &[&str]) -> BTreeMap<String, f64> {
    let base =
        ["run.epochs=1", "optimizer.start_lr=1e-4", "augment.mix={ chance = 0.0, alpha = 1.0 }"];
    let recipe = labeled(folder, &[&base[..], changes].concat());
    let out = folder.join(name);
    let stop = StopSignal::never();
    finetune(&recipe, &out, &stop, &mut StopAt(1, &stop)).expect("a step");
    let (after, _) = newest(&out);
    let zero = labeled(folder, &[&base[..], changes, &["optimizer.start_lr=0"]].concat());
    let still = folder.join(format!("{name}-still"));
    let stop = StopSignal::never();
    finetune(&zero, &still, &stop, &mut StopAt(1, &stop)).expect("a step");
    let (before, _) = newest(&still);
    let moved = |(name, tensor): (&String, &Tensor)| {
        let weight =
            !name.ends_with("exp_avg") && !name.ends_with("exp_avg_sq") && !name.ends_with(".step");
        weight.then(|| (name.clone(), (tensor - &before[name]).abs().max().double_value(&[])))
    };
    after.iter().filter_map(moved).collect()
}

#[test]
fn the_heads_factor_acts_on_the_head_and_on_nothing_else() {
    let (folder, _) = prepared();
    let plain = moves(folder.path(), "plain", &["objective.head_factor=1"]);
    let fast = moves(folder.path(), "fast", &["objective.head_factor=50"]);
    let mut heads = 0;
    for (name, moved) in &plain {
        if name.starts_with("mlp_head.") {
            heads += 1;
            // AdamW's first step is the learning rate wherever there is a gradient.
            assert!((moved / 1e-4 - 1.0).abs() < 0.01, "{name}: {moved}");
            assert!((fast[name] / 5e-3 - 1.0).abs() < 0.01, "{name}: {}", fast[name]);
        } else {
            assert_eq!(*moved, fast[name], "{name}");
        }
    }
    assert_eq!(heads, 2);
    assert!(plain["pred_a_inter.weight"] > 9e-5, "projections learn at the base rate");
}

#[test]
fn a_batch_in_parts_and_blocks_computed_twice_give_the_whole_batchs_gradient() {
    let (folder, _) = prepared();
    let gradient = |name: &str, changes: &[&str]| {
        let base = ["run.epochs=1", "optimizer.start_lr=0", "model.drop_path=0.4"];
        let recipe = labeled(folder.path(), &[&base[..], changes].concat());
        let (out, stop) = (folder.path().join(name), StopSignal::never());
        finetune(&recipe, &out, &stop, &mut StopAt(1, &stop)).expect("a step");
        newest(&out).0
    };
    let whole = gradient("whole", &[]);
    for (name, changes) in [
        ("parts", &["run.micro_batch=3"][..]),
        ("twice", &["compute.recompute_blocks=true"]),
        ("both", &["compute.recompute_blocks=true", "run.micro_batch=1"]),
    ] {
        let other = gradient(name, changes);
        for (variable, mean) in whole.iter().filter(|(name, _)| name.ends_with(".exp_avg")) {
            let apart = (mean - &other[variable]).norm().double_value(&[]);
            let size = mean.norm().double_value(&[]);
            assert!(apart <= 1e-4 * size + 1e-9, "{name}, {variable}: {apart} of {size}");
        }
    }
}

#[test]
fn the_start_is_taken_from_runs_exports_and_files_and_other_inputs_are_refused() {
    let (folder, pretrained) = prepared();
    let export = folder.path().join("export");
    let trained = LoadedModel::open_on(&pretrained, DeviceChoice::Cpu, &mut NoOp).expect("a run");
    trained.export(&export).expect("an export");
    let (tensors, _) = newest(&pretrained);
    let starts = [pretrained.clone(), export.clone(), export.join("model.safetensors")];
    for (number, start) in starts.iter().enumerate() {
        let start = format!("model.start={}", start.display());
        let changes = [start.as_str(), "run.epochs=1", "optimizer.start_lr=0"];
        let (out, stop) = (folder.path().join(format!("from-{number}")), StopSignal::never());
        let recipe = labeled(folder.path(), &changes);
        finetune(&recipe, &out, &stop, &mut StopAt(1, &stop)).expect("a step");
        let (own, _) = newest(&out);
        for name in
            ["blocks_a.0.attn.qkv.weight", "patch_embed_v.proj.weight", "modality_a", "norm_v.bias"]
        {
            assert!(own[name].equal(&tensors[name]), "{name} of {start}");
        }
        // Statistics belong to the data set: they may differ, and one line says so.
        let (out, stop) = (folder.path().join(format!("other-{number}")), StopSignal::never());
        let mut told = Told(&stop, Vec::new());
        let recipe = labeled(folder.path(), &[start.as_str(), "front_end.mean=1.5"]);
        finetune(&recipe, &out, &stop, &mut told).expect("a step");
        let lines = told.1.iter().filter(|line| line.contains("front_end.mean = 1.5"));
        assert_eq!(lines.count(), usize::from(number < 2), "{start}: {:?}", told.1);
        let error = run(
            &labeled(folder.path(), &[start.as_str(), "front_end.window=0.5"]),
            &folder.path().join("no"),
        );
        let message = format!(
            "{:#}",
            error.map(|_| ()).err().map_or(String::new(), |error| format!("{error:#}"))
        );
        // A bare file says nothing of its inputs.
        assert_eq!(
            message.contains("another front_end (different: window)"),
            number < 2,
            "{message}"
        );
    }
    let start = format!("model.start={}", pretrained.display());
    let error = run(
        &labeled(folder.path(), &[&start, "model.encoder.depth=2"]),
        &folder.path().join("deep"),
    );
    let message = format!("{:#}", error.expect_err("another depth"));
    assert!(message.contains("another model.encoder (different: depth)"), "{message}");
}

#[test]
fn the_mean_of_the_last_epochs_is_tested_where_it_is_asked_for() {
    let (folder, _) = prepared();
    let out = folder.path().join("mean");
    let tuned = run(&labeled(folder.path(), &["evaluation.average_last=2"]), &out).expect("a run");
    let steps: Vec<u64> = vec![tuned.steps, tuned.steps * 2 / 3];
    let names: Vec<String> = steps.iter().map(|step| format!("step-{step:09}")).collect();
    assert!(tuned.tested.iter().zip(&names).all(|(path, name)| path.ends_with(name)));
    assert_eq!(tuned.tested.len(), 2);
    let text = ["evaluation.average_last=4"].map(|text| text.parse().expect("KEY=VALUE"));
    let error = FinetuneRecipe::parse(labeled::QUICK, &text).expect_err("run.keep_checkpoints = 1");
    assert!(error.to_string().contains("evaluation.average_last = 4: expected 1 to 1"), "{error}");
}

#[test]
fn what_does_not_fit_is_told_with_the_way_out() {
    let (folder, _) = prepared();
    let fails = |changes: &[&str]| {
        let out = folder.path().join("fails");
        format!("{:#}", run(&labeled(folder.path(), changes), &out).expect_err("no run"))
    };
    let weights = folder.path().join("few.csv");
    fs::write(&weights, "1\n2\n").expect("weights");
    let message = fails(&[&format!("data.weights={}", weights.display())]);
    assert!(message.contains("few.csv: 2 weights for 32 clips: expected one a clip"), "{message}");
    let table = folder.path().join("table.csv");
    fs::write(&table, "index,mid,display_name\n0,/m/a,A\n").expect("a table");
    let message = fails(&[&format!("data.labels={}", table.display())]);
    assert!(message.contains("is not in the label table"), "{message}");
    let message = fails(&["run.batch=64"]);
    assert!(message.contains("do not fill one batch of run.batch = 64"), "{message}");
}
