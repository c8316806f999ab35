//! Several processes against one: gradients, steps, runs, and what they refuse to do together.

#[path = "support/labeled.rs"]
mod labeled;
#[path = "../../equiav-torch/tests/group/launch.rs"]
#[allow(dead_code, reason = "each test program uses its part")]
mod launch;
#[path = "together/published.rs"]
mod published;
#[path = "support/tiny.rs"]
mod tiny;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use equiav_data::{Batch, Loader, Sampler};
use equiav_torch::Timeouts;
use equiav_train::bench::throughput::{self, step_rate};
use equiav_train::clips::HostBatch;
use equiav_train::engine::{Position, TrainState, step};
use equiav_train::methods::equiav::EquiAv;
use equiav_train::recipe::Sections;
use equiav_train::{
    Callback, Event, NoOp, Recipe, RunOptions, StopSignal, World, finetune, pretrain,
};
use labeled::labeled;
use launch::{FAILED, Failure, LIMIT, Launch, Outcome, PATIENT, Running, free_port, say};
use tch::{Kind, Tensor};
use tiny::{STEPS, assert_same_run, checkpoint, tiny};

/// The folder in which the processes of a test work.
const FOLDER: &str = "EQUIAV_TEST_FOLDER";
/// What a process changes in the recipe, one change a line.
const CHANGES: &str = "EQUIAV_TEST_CHANGES";

/// What the fine-tuning runs change in their recipe.
const TUNED: [&str; 5] = [
    "evaluation.batch=3",
    "evaluation.frames=all",
    "model.drop_path=0.1",
    SMOOTH[0],
    "optimizer.lr=0.01",
];

/// The body of a started process; of no meaning when the tests start it.
#[test]
fn child() {
    launch::child(|scenario| match scenario {
        "steps" => steps(),
        "published" => published(),
        "run" => run(None),
        "stop" => run(Some(6)),
        "elsewhere" => elsewhere(),
        "leader" => leader(),
        "finetune" => tuned(),
        other => panic!("no scenario {other}"),
    });
}

fn folder() -> PathBuf {
    std::env::var_os(FOLDER).expect("a folder").into()
}

fn processes() -> Result<World, Failure> {
    tch::set_num_threads(1);
    Ok(World::from_environment(Timeouts { rendezvous: PATIENT, collective: PATIENT })?)
}

/// Starts the processes of a scenario in `folder`; each changes the recipe by its `changes`.
fn start(scenario: &str, folder: &Path, changes: &[&[&str]]) -> Vec<Running> {
    let (port, world) = (free_port(), changes.len());
    let one = |(rank, changes): (usize, &&[&str])| {
        let launch = Launch::new(scenario, rank, world).with(CHANGES, &changes.join("\n"));
        launch.with(FOLDER, folder.to_str().expect("a path in Unicode")).start(port)
    };
    changes.iter().enumerate().map(one).collect()
}

fn finish(running: Vec<Running>) -> Vec<Outcome> {
    running.into_iter().map(Running::finish).collect()
}

#[track_caller]
fn all_well(outcomes: &[Outcome]) {
    for outcome in outcomes {
        assert_eq!(outcome.code, Some(0), "{}", outcome.text);
    }
}

/// The batch that rank `rank` of `world` makes its first step with.
fn batch(recipe: &Recipe, rank: usize, world: usize) -> Batch {
    let corpus = recipe.data.source.prepare(&mut NoOp).expect("a corpus");
    let dataset = equiav_train::dataset(recipe, corpus.train).expect("clips");
    let size = recipe.run.batch / world;
    let sampler = Sampler::new(recipe.seed, dataset.len(), size).split(rank, world);
    let loader = Loader::new(dataset, 0, sampler.order(0), size, Default::default());
    loader.expect("a loader").next().expect("a batch").expect("readable clips")
}

/// What makes AdamW a momentum's descent, whose weights are as far apart as their gradients are. With its
/// usual eps a gradient near 0 becomes a whole step in one direction or the other, by its rounding.
const SMOOTH: [&str; 2] = ["optimizer.eps=1.0", "optimizer.lr=0.3"];

/// How far weights may lie apart, relative to the way they have come: sums of 32-bit numbers in another order.
const ROUNDING: f64 = 1e-4;

/// How far gradients at the same weights may lie apart, relative to the first.
const GRADIENT: f64 = 1e-5;

/// What a learner does in ten steps on a batch: the gradient of each, and the weights before each and after all.
struct Learned {
    gradients: Vec<BTreeMap<String, Tensor>>,
    weights: Vec<BTreeMap<String, Tensor>>,
}

/// Makes ten steps on `batch`, each from the weights that another learner had before it, where there is one: weights of their own
/// would part where rounding moves a single value across the kink of a ReLU, and go apart from there on.
fn learned(
    recipe: &Recipe,
    world: &World,
    batch: &Batch,
    other: Option<&Learned>,
) -> Result<Learned, Failure> {
    let mut state = tiny::state(recipe, world);
    let weights = |state: &TrainState<EquiAv>| -> BTreeMap<String, Tensor> {
        let all = state.method.network.store.variables().into_iter();
        all.map(|(name, weight)| (name, weight.detach().copy())).collect()
    };
    let mut learned = Learned { gradients: Vec::new(), weights: vec![weights(&state)] };
    let batch = HostBatch::Unlabeled(batch.clone());
    for number in 0..10 {
        if let Some(other) = other {
            let variables = state.method.network.store.variables().into_iter();
            tch::no_grad(|| {
                variables.for_each(|(name, mut weight)| weight.copy_(&other.weights[number][&name]))
            });
        }
        let lr = recipe.optimizer.lr;
        let position = Position { epoch: 0, step: number as u64, lr, data_time: Duration::ZERO };
        let report = step(&mut state, &batch, position, recipe.shared())?;
        assert!(report.applied && report.batch == recipe.run.batch);
        let copied = |(name, tensor): (String, Tensor)| {
            name.ends_with(".exp_avg").then(|| (name, tensor.copy()))
        };
        learned.gradients.push(state.optimizer.state().into_iter().filter_map(copied).collect());
        learned.weights.push(weights(&state));
    }
    Ok(learned)
}

/// The distance of two sets of tensors, relative to the first.
fn distance(a: &BTreeMap<String, Tensor>, b: &BTreeMap<String, Tensor>) -> f64 {
    assert!(a.len() > 20 && a.keys().eq(b.keys()));
    let apart = a.iter().map(|(name, tensor)| (name.clone(), tensor - &b[name])).collect();
    norm(&apart) / norm(a)
}

/// The length of a set of tensors.
fn norm(all: &BTreeMap<String, Tensor>) -> f64 {
    let square = |tensor: &Tensor| tensor.square().sum(Kind::Double).double_value(&[]);
    all.values().map(square).sum::<f64>().sqrt()
}

/// What processes learn from their parts of a batch, against one that has the whole.
fn steps() -> Result<(), Failure> {
    let world = processes()?;
    let (rank, size) = (world.group.rank(), world.size());
    let variants: [&[&str]; 11] = [
        &["objective.inter=centroid", "objective.learn_temperature=true"],
        &["objective.inter=clean-pair", "objective.vector_dropout=0.5"],
        &["objective.inter=augmented-pair"],
        &["objective.inter=single-prediction"],
        &["objective.intra=invariant"],
        &["objective.intra=none"],
        &["run.micro_batch=1", "objective.learn_temperature=true", "objective.vector_dropout=0.5"],
        &["compute.recompute_blocks=true"],
        &["objective.rows=1", "objective.intra=invariant", "objective.inter=clean-pair"],
        &["objective.tokens=max", "objective.silent_negatives=4"],
        &[
            "objective.tokens=log-sum-exp",
            "objective.token_source=patches",
            "objective.silent_negatives=4",
            "run.micro_batch=1",
        ],
    ];
    for changes in variants {
        // Without a momentum the first moments are the gradient itself.
        let recipe = [&SMOOTH[..], &["optimizer.betas=[0.0, 0.95]"], changes].concat();
        let recipe = tiny(&folder().join(rank.to_string()), &recipe);
        let whole = learned(&recipe, &World::alone(), &batch(&recipe, 0, 1), None)?;
        let ours = learned(&recipe, &world, &batch(&recipe, rank, size), Some(&whole))?;
        let pairs = whole.gradients.iter().zip(&ours.gradients);
        let mut apart: Vec<f64> = pairs.map(|(whole, ours)| distance(whole, ours)).collect();
        say(&format!("{changes:?}: {apart:?}"));
        assert!(apart[0] < GRADIENT, "{changes:?}: {apart:?}");
        // Of ten steps two may have a value at a kink.
        apart.sort_by(f64::total_cmp);
        assert!(apart[7] < GRADIENT && apart[9] < 1e-2, "{changes:?}: {apart:?}");
        let [start, end] = [&whole.weights[0], &whole.weights[10]];
        let come = distance(start, end);
        assert!(come > 5e-3, "{changes:?}: the weights have hardly moved: {come}");
        let sum = |tensor: &Tensor| tensor.sum(Kind::Double).double_value(&[]).to_bits();
        let sums: Vec<u64> = ours.weights[10].values().map(sum).collect();
        let all = world.group.gather_text(&format!("{sums:?}"), "comparison")?;
        assert!(all.iter().all(|other| *other == all[0]), "{changes:?}: the ranks differ");
    }
    // The step that is timed is this one too.
    let recipe = tiny(&folder().join(rank.to_string()), &[]);
    let losses = |world: &World| -> Result<Vec<f64>, Failure> {
        let rate = step_rate(&mut throughput::start(&recipe, 3, world)?, &recipe)?;
        Ok(rate.steps.iter().map(|step| step.report.figures.loss).collect())
    };
    let (ours, expected) = (losses(&world)?, losses(&World::alone())?);
    let near = ours.iter().zip(&expected).all(|(ours, one)| (ours - one).abs() < 1e-5);
    assert!(near && expected[0] != expected[2], "{ours:?}, {expected:?}");
    // Where keys have no gradient, parts have that of the whole as well.
    let gradient = |more: &[&str]| -> Result<BTreeMap<String, Tensor>, Failure> {
        let changes = [&SMOOTH[..], &["profile=published"], more].concat();
        let recipe = tiny(&folder().join(rank.to_string()), &changes);
        Ok(learned(&recipe, &world, &batch(&recipe, rank, size), None)?.gradients.remove(0))
    };
    let apart = distance(&gradient(&[])?, &gradient(&["run.micro_batch=1"])?);
    assert!(apart < GRADIENT, "published, in parts: {apart}");
    Ok(())
}

/// The gradient of the published profile in two processes.
fn published() -> Result<(), Failure> {
    let world = processes()?;
    let own = folder().join(world.group.rank().to_string());
    published::published(&world, &own)
}

/// A watcher that asks one process to stop after a step.
struct StopAt<'a>(Option<u64>, &'a StopSignal);

impl Callback for StopAt<'_> {
    fn on_event(&mut self, event: &Event) {
        if let Event::Step(report) = event {
            say(&format!("step {}", report.step));
            if Some(report.step) == self.0 {
                self.1.request(15);
            }
        }
    }
}

/// A run; rank 1 is asked to stop after the step `stop_at`.
fn run(stop_at: Option<u64>) -> Result<(), Failure> {
    let world = processes()?;
    let folder = folder();
    let changes = std::env::var(CHANGES).unwrap_or_default();
    let changes: Vec<&str> = changes.lines().collect();
    let recipe = tiny(&folder, &changes);
    let stop = StopSignal::never();
    let stop_at = stop_at.filter(|_| world.group.rank() == 1);
    // Only the leader's folder exists.
    let out = folder.join(if world.is_main() { "out" } else { "out/no/such/folder" });
    let callback = &mut StopAt(stop_at, &stop);
    let summary =
        pretrain(&recipe, RunOptions { out: &out, world: &world, stop: &stop }, callback)?;
    say(&format!("stopped {:?} after {}", summary.stopped, summary.steps));
    Ok(())
}

/// What the leader of a run does while the others wait for its first checkpoint.
struct Saving(String, PathBuf);

impl Callback for Saving {
    fn on_event(&mut self, event: &Event) {
        match (event, self.0.as_str()) {
            (Event::Saved(_), "takes its time") => {
                std::thread::sleep(LIMIT + Duration::from_secs(4))
            }
            (Event::Saved(_), "dies") => std::process::abort(),
            (Event::Saved(_), "panics") => panic!("as it may happen"),
            // Where checkpoints are to be is a file from now on.
            (Event::Step(report), "fails") if report.step == 1 => {
                let folder = self.1.join("checkpoints");
                let _ = std::fs::remove_dir_all(&folder);
                std::fs::write(&folder, "no folder").expect("written");
            }
            _ => (),
        }
    }
}

/// A run of one epoch whose leader does as it was told where it saves; others wait for a step up to [`LIMIT`].
fn leader() -> Result<(), Failure> {
    tch::set_num_threads(1);
    let world = World::from_environment(Timeouts { rendezvous: PATIENT, collective: LIMIT })?;
    let deed = std::env::var(CHANGES)?;
    let recipe = tiny(&folder(), &["run.epochs=1"]);
    let out = folder().join("out");
    let deed = if world.is_main() { deed } else { String::new() };
    let callback = &mut Saving(deed, out.clone());
    let stop = &StopSignal::never();
    pretrain(&recipe, RunOptions { out: &out, world: &world, stop }, callback)?;
    Ok(())
}

/// A fine-tuning run on the corpus of the run before.
fn tuned() -> Result<(), Failure> {
    let (world, folder) = (processes()?, folder());
    let recipe = labeled(&folder, &TUNED);
    let out = folder.join("tuned");
    let stop = &StopSignal::never();
    finetune(&recipe, RunOptions { out: &out, world: &world, stop }, &mut NoOp)?;
    Ok(())
}

/// A run of processes that each have files of their own; the last lacks a clip.
fn elsewhere() -> Result<(), Failure> {
    let world = processes()?;
    let own = folder().join(world.group.rank().to_string());
    std::fs::create_dir_all(&own)?;
    std::env::set_current_dir(own)?;
    let recipe = tiny(Path::new(""), &[]);
    if world.group.rank() + 1 == world.size() {
        let mut manifest: serde_json::Value =
            serde_json::from_slice(&std::fs::read("corpus/train.json")?)?;
        manifest["data"].as_array_mut().expect("clips").pop();
        std::fs::write("corpus/train.json", manifest.to_string())?;
    }
    let (out, stop) = (Path::new("out"), &StopSignal::never());
    pretrain(&recipe, RunOptions { out, world: &world, stop }, &mut NoOp)?;
    Ok(())
}

#[test]
fn two_and_four_processes_learn_what_one_learns() {
    for world in [2, 4] {
        let folder = tempfile::tempdir().expect("a folder");
        all_well(&finish(start("steps", folder.path(), &vec![&[][..]; world])));
    }
}

#[test]
fn processes_of_one_clip_each_train() {
    let folder = tempfile::tempdir().expect("a folder");
    let single = ["run.batch=2", "run.epochs=1", "compute.recompute_blocks=true"];
    all_well(&finish(start("run", folder.path(), &[&single[..]; 2])));
    let text = std::fs::read_to_string(folder.path().join("out/metrics.jsonl")).expect("a log");
    let steps: Vec<&str> = text.lines().filter(|line| line.contains("train/loss\"")).collect();
    assert_eq!(steps.len(), 16);
    for step in steps {
        assert!(step.contains("train/alignment\"") && step.contains("train/similarity_audio\""));
        assert!(!step.contains("train/uniformity"), "one clip makes no pair: {step}");
    }
    assert!(text.contains("val/held-out/visual_to_audio/r1\""));
}

#[test]
fn two_processes_have_the_published_gradient() {
    let folder = tempfile::tempdir().expect("a folder");
    all_well(&finish(start("published", folder.path(), &[&[][..]; 2])));
}

/// The weights after `epoch` epochs of the run in `folder`, and its figures without what is rounded.
fn outcome(folder: &Path) -> (BTreeMap<String, Tensor>, String) {
    let text = std::fs::read_to_string(folder.join("metrics.jsonl")).expect("a log");
    let exact = |line: &str| {
        let mut record: serde_json::Value = serde_json::from_str(line).expect("a record");
        let rounded = ["rank_me", "knn_top1", "linear_top1"];
        let record = record.as_object_mut().expect("an object");
        record.retain(|key, _| !rounded.iter().any(|name| key.ends_with(name)));
        serde_json::to_string(record).expect("text")
    };
    let measured = text.lines().filter(|line| line.contains("val/")).map(exact);
    (checkpoint(folder, 3), measured.collect::<Vec<_>>().join("\n"))
}

#[test]
fn a_run_of_several_processes_is_that_of_one_and_its_figures_too() {
    let folder = tempfile::tempdir().expect("a folder");
    // Not a whole number of batches for training, nor for measuring.
    let uneven = ["evaluation.batch=3", SMOOTH[0], SMOOTH[1]];
    let alone = folder.path().join("alone");
    tiny::run(&tiny(folder.path(), &uneven), &alone).expect("a run");
    let (weights, figures) = outcome(&alone);
    for world in [2, 4] {
        let out = folder.path().join("out");
        all_well(&finish(start("run", folder.path(), &vec![&uneven[..]; world])));
        let (theirs, measured) = outcome(&out);
        let apart = distance(&weights, &theirs);
        assert!(apart < ROUNDING, "{world} processes: {apart}");
        assert_eq!(measured, figures, "{world} processes");
        std::fs::remove_dir_all(out).expect("removed");
    }
}

#[test]
fn fine_tuning_by_several_processes_is_that_of_one_and_its_figures_too() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(tiny(folder.path(), &[]));
    let (alone, out) = (folder.path().join("alone"), folder.path().join("tuned"));
    let recipe = labeled(folder.path(), &TUNED);
    let (world, stop) = (&World::alone(), &StopSignal::never());
    let options = RunOptions { out: &alone, world, stop };
    finetune(&recipe, options, &mut NoOp).expect("a run");
    let weights = |run: &Path| {
        let entries = std::fs::read_dir(run.join("checkpoints")).expect("checkpoints").flatten();
        let newest = entries.map(|entry| entry.path()).max().expect("a checkpoint");
        let read = Tensor::read_safetensors(newest.join("model.safetensors")).expect("weights");
        read.into_iter().collect::<BTreeMap<_, _>>()
    };
    let figures = |run: &Path| std::fs::read_to_string(run.join("test.json")).expect("figures");
    for world in [2, 4] {
        all_well(&finish(start("finetune", folder.path(), &vec![&[][..]; world])));
        let apart = distance(&weights(&alone), &weights(&out));
        assert!(apart < ROUNDING, "{world} processes: {apart}");
        assert_eq!(figures(&out), figures(&alone), "{world} processes");
        std::fs::remove_dir_all(&out).expect("removed");
    }
}

#[test]
fn one_is_asked_to_stop_and_all_do_and_another_number_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let alone = folder.path().join("alone");
    tiny::run(&tiny(folder.path(), &SMOOTH), &alone).expect("a run");
    let outcomes = finish(start("stop", folder.path(), &[&SMOOTH[..]; 2]));
    all_well(&outcomes);
    for outcome in &outcomes {
        assert!(outcome.text.contains("stopped Some(15) after 6"), "{}", outcome.text);
    }
    let outcomes = finish(start("run", folder.path(), &[&SMOOTH[..]; 4]));
    all_well(&outcomes);
    assert!(!outcomes[0].text.contains("step 6\n"), "it goes on: {}", outcomes[0].text);
    let (weights, figures) = outcome(&alone);
    let (theirs, measured) = outcome(&folder.path().join("out"));
    assert!(distance(&weights, &theirs) < ROUNDING);
    assert_eq!(measured, figures);
}

#[test]
fn a_process_that_is_killed_at_any_moment_changes_nothing_but_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let often = [
        "run.save_every=1",
        "run.keep=9",
        "evaluation.online_every=2",
        "evaluation.online_clips=10",
        "run.gradient_cosines_every=3",
    ];
    all_well(&finish(start("run", folder.path(), &[&often[..]; 2])));
    let straight = folder.path().join("straight");
    std::fs::rename(folder.path().join("out"), &straight).expect("renamed");
    for (victim, moment) in [(1, 2), (0, 5), (1, 9)] {
        let mut running = start("run", folder.path(), &[&often[..]; 2]);
        running[victim].await_line(&format!("step {moment}"));
        running.remove(victim).kill();
        let other = running.remove(0).finish();
        assert_eq!(other.code, Some(FAILED), "{}", other.text);
        let expected = format!("rank {victim}");
        assert!(other.error().contains(&expected), "{}", other.text);
    }
    all_well(&finish(start("run", folder.path(), &[&often[..]; 2])));
    assert_same_run(&straight, &folder.path().join("out"), 3);
    let text = std::fs::read_to_string(straight.join("metrics.jsonl")).expect("a log");
    let count = |key: &str| text.lines().filter(|line| line.contains(key)).count();
    assert_eq!((count("online/alignment"), count("gradient_cosine_inter_intra")), (6, 4));
    assert_eq!(STEPS, 4, "the moments lie in three epochs");
}

#[test]
fn a_leader_may_take_its_time_and_its_failure_ends_all_with_its_words() {
    let cases = [
        ("takes its time", Some(0), ""),
        ("fails", Some(FAILED), "rank 0 has failed: "),
        ("panics", Some(FAILED), "rank 0 has failed: a panic, see its own output"),
        ("dies", Some(FAILED), "rank 0, which hosts the store, is gone"),
    ];
    for (deed, code, words) in cases {
        let folder = tempfile::tempdir().expect("a folder");
        let [leader, other] = &finish(start("leader", folder.path(), &[&[deed][..]; 2]))[..] else {
            panic!("two")
        };
        assert_eq!(other.code, code, "{deed}: {}", other.text);
        assert_eq!(leader.code == Some(0), code == Some(0), "{deed}: {}", leader.text);
        if code != Some(0) {
            let error = other.error();
            assert!(error.contains(words), "{deed}: {error}");
            assert!(error.starts_with("rank 1 of 2: "), "{deed}: {error}");
        }
        if deed == "fails" {
            let (own, told) = (leader.error(), other.error());
            let reason = "os error 17";
            assert!(told.contains(own) && told.contains(reason), "its own words: {own} / {told}");
        }
    }
}

#[test]
fn what_processes_cannot_do_together_is_an_error_that_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |changes: [&[&str]; 2], expected: &str| {
        for outcome in finish(start("run", folder.path(), &changes)) {
            assert_eq!(outcome.code, Some(FAILED), "{}", outcome.text);
            let error = outcome.error();
            assert!(error.contains(expected) && error.lines().count() == 1, "{error}");
        }
    };
    refused(
        [&[], &["optimizer.lr=1e-4"]],
        "were given different recipes (different: optimizer.lr)",
    );
    refused([&["run.batch=7"][..]; 2], "cannot be dealt out to 2 (help: --set run.batch=8)");
    for outcome in finish(start("elsewhere", folder.path(), &[&[][..]; 2])) {
        assert_eq!(outcome.code, Some(FAILED), "{}", outcome.text);
        let error = outcome.error();
        assert!(
            error.starts_with("ranks 0 and 1") || error.starts_with("ranks 1 and 0"),
            "{error}"
        );
        assert!(error.contains("have different clips: train: "), "{error}");
    }
}
