//! A method with clips of its own: three modalities in memory, one of whole numbers, labels, lengths, and every hook.

#[path = "support/tiny.rs"]
mod tiny;

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use equiav_augment::Modality;
use equiav_loss::cross_entropy;
use equiav_train::clips::{ArrayClips, DeviceBatch, EvaluationLists, RunClips, Values, hash_noise};
use equiav_train::engine::{Epoch, ParamGroup, StepContext, seeded};
use equiav_train::recipe::{ArraySettings, Checked};
use equiav_train::{
    Callback, Gather, Gathered, ListMetrics, Method, Metric, Metrics, Named, Needs, NoOp, Override,
    RunOptions, StopSignal, Term, TrainedRun, World, train,
};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor, nn};
use tiny::{CrashAt, StopAt, records};

/// Clips, sizes of both float modalities, places and ids of the words, classes.
const CLIPS: usize = 20;
const WIDTHS: [usize; 2] = [5, 3];
const PLACES: usize = 7;
const IDS: i64 = 11;
const CLASSES: usize = 4;
/// Steps of an epoch in batches of 4.
const STEPS: u64 = 5;

const RECIPE: &str = r#"
name = "own clips"
seed = 7
[compute]
device = "cpu"
threads = 1
matmul_precision = "highest"
precision = "fp32"
[method]
momentum = 0.75
[optimizer]
lr = 1e-2
start_lr = 1e-3
final_lr = 1e-4
warmup_epochs = 0.5
betas = [0.9, 0.95]
eps = 1e-8
weight_decay = 1e-5
[run]
epochs = 3
batch = 4
keep_checkpoints = 9
save_every = 2
max_skipped = 10
[evaluation]
every = 1
best = "top1"
"#;

/// The section `[method]` of the recipe.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Own {
    /// How much of the running mean is kept at each step.
    momentum: f64,
}

type OwnRecipe = Checked<ArraySettings<Own>>;

fn modality(name: &str) -> Modality {
    Modality::new(name).expect("a name")
}

fn names() -> [Modality; 3] {
    ["left", "right", "words"].map(modality)
}

/// How many words a clip has.
fn length(clip: usize) -> usize {
    1 + clip % PLACES
}

fn clips() -> ArrayClips {
    clips_padded_with(0)
}

/// The clips, with that id in the places behind a row's end.
fn clips_padded_with(padding: i64) -> ArrayClips {
    let floats = |seed: u64, width: usize| {
        let values = hash_noise(seed, CLIPS * width);
        Array2::from_shape_vec((CLIPS, width), values).expect("a matrix")
    };
    let [left, right, words] = names();
    let ids = Array2::from_shape_fn((CLIPS, PLACES), |(clip, place)| {
        if place < length(clip) { ((clip * 5 + place * 3) as i64) % IDS } else { padding }
    });
    let labels = Array2::from_shape_fn((CLIPS, CLASSES), |(clip, class)| {
        f32::from(u8::from(clip % CLASSES == class))
    });
    let modalities = BTreeMap::from([
        (left, Values::from(floats(1, WIDTHS[0]))),
        (right, Values::from(floats(2, WIDTHS[1]))),
        (words, Values::from(ids)),
    ]);
    let lengths = (0..CLIPS).map(length).collect();
    let clips = ArrayClips::new(modalities).and_then(|clips| clips.with_labels(labels));
    clips.and_then(|clips| clips.with_valid(words, lengths)).expect("clips")
}

/// Sums what three modalities become, less the running mean of that, and sorts it into classes.
struct Sorter {
    store: nn::VarStore,
    /// Of the left, of the right, and of the teacher, which is not trained.
    linear: [nn::Linear; 3],
    words: nn::Embedding,
    head: nn::Linear,
    momentum: f64,
    /// The mean of what batches became, of late, `[8]`.
    mean: Tensor,
    /// Epochs that were begun, and updates that were made, each `[]`.
    counts: [Tensor; 2],
    clips: Arc<ArrayClips>,
}

impl Sorter {
    fn new(recipe: &OwnRecipe, device: Device, clips: Arc<ArrayClips>) -> Self {
        let store = nn::VarStore::new(device);
        let linear = |name: &str, from: usize, to: usize| {
            nn::linear(store.root() / name, from as i64, to as i64, Default::default())
        };
        let layers = || {
            let linear = [
                linear("left", WIDTHS[0], 8),
                linear("right", WIDTHS[1], 8),
                linear("teacher", 8, 8),
            ];
            (linear, nn::linear(store.root() / "head", 8, CLASSES as i64, Default::default()))
        };
        let ((linear, head), words) = seeded(recipe.seed, || {
            (layers(), nn::embedding(store.root() / "words", IDS, 8, Default::default()))
        });
        let zero = || Tensor::from(0i64).to_device(device);
        Self {
            linear,
            words,
            head,
            momentum: recipe.method.momentum,
            mean: Tensor::zeros([8], (Kind::Float, device)),
            counts: [zero(), zero()],
            clips,
            store,
        }
    }

    /// What `batch` becomes, `[b, 8]`.
    fn sum(&self, batch: &DeviceBatch) -> Tensor {
        let [left, right, words] = names().map(|name| &batch.inputs[&name].plain);
        let tokens = words.values.apply(&self.words);
        // Places behind a row's end count for nothing.
        let counted = match &words.material {
            Some(holds) => holds.to_kind(Kind::Float),
            None => words.values.ones_like().to_kind(Kind::Float),
        };
        let total = counted.sum_dim_intlist([1i64].as_slice(), true, Kind::Float);
        let read =
            (tokens * counted.unsqueeze(2)).sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
        let sum = left.values.apply(&self.linear[0]) + right.values.apply(&self.linear[1]);
        (sum + read / total).tanh()
    }

    fn scores(&self, sum: &Tensor) -> Tensor {
        (sum - &self.mean).apply(&self.head)
    }
}

impl Method for Sorter {
    fn needs(&self) -> Needs {
        Needs { modalities: names().to_vec(), augmented: false, labels: true }
    }

    fn variables(&self) -> &nn::VarStore {
        &self.store
    }

    fn groups(&self) -> Vec<ParamGroup> {
        let matches = |name: &str| name.starts_with("teacher");
        vec![ParamGroup {
            matches: Box::new(matches),
            lr_factor: 1.0,
            weight_decay: None,
            frozen: true,
        }]
    }

    fn gather(&self, _: &str) -> Gather {
        Gather::Own
    }

    fn embed(&self, batch: &DeviceBatch) -> anyhow::Result<Named> {
        let sum = self.sum(batch);
        let taught = sum.apply(&self.linear[2]);
        Ok([("scores", self.scores(&sum)), ("taught", taught)]
            .map(|(name, rows)| (name.to_owned(), rows))
            .into())
    }

    fn terms(
        &mut self,
        own: &Named,
        _: &Gathered,
        step: &StepContext<'_>,
    ) -> anyhow::Result<Vec<Term>> {
        let labels = step.batch.labels.as_ref().context("labels")?;
        let found = cross_entropy(&own["scores"], labels);
        let taught = own["taught"].square().mean(Kind::Float);
        let loss = found.loss.to_kind(Kind::Float);
        Ok(vec![
            Term { name: "class".to_owned(), loss, accuracy: Some(found.top1) },
            Term { name: "taught".to_owned(), loss: taught, accuracy: None },
        ])
    }

    fn state(&self) -> Named {
        let [epochs, updates] = &self.counts;
        [("mean", &self.mean), ("epochs", epochs), ("updates", updates)]
            .map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()))
            .into()
    }

    fn load(&mut self, mut state: Named) -> anyhow::Result<()> {
        let mut take = |name: &str| state.remove(name).with_context(|| format!("no {name}"));
        self.mean = take("mean")?;
        self.counts = [take("epochs")?, take("updates")?];
        Ok(())
    }

    fn epoch_start(&mut self, epoch: &mut Epoch<'_>) -> anyhow::Result<()> {
        if epoch.used == 0 {
            self.counts[0] += 1;
        }
        assert_eq!(self.counts[0].int64_value(&[]), epoch.number as i64 + 1);
        assert_eq!(epoch.lists.train.len(), CLIPS);
        Ok(())
    }

    fn step_end(&mut self, step: &StepContext<'_>) -> anyhow::Result<()> {
        let sum = tch::no_grad(|| self.sum(step.batch));
        let now = sum.mean_dim([0i64].as_slice(), false, Kind::Float);
        self.mean = &self.mean * self.momentum + now * (1.0 - self.momentum);
        self.counts[1] += 1;
        Ok(())
    }

    fn evaluate(&self, _: &EvaluationLists<'_>) -> anyhow::Result<Metrics> {
        let all: Vec<usize> = (0..CLIPS).collect();
        let batch = self.clips.rows(&all).to_device(self.store.device());
        let scores = tch::no_grad(|| self.scores(&self.sum(&batch)));
        let found = cross_entropy(&scores, batch.labels.as_ref().context("labels")?);
        let (found, listed) = (found.top1.double_value(&[]), CLIPS);
        Ok(Metrics {
            lists: vec![ListMetrics {
                list: "all".to_owned(),
                found: CLIPS,
                listed,
                digest: self.clips.digest(),
                values: vec![Metric::new("top1", found)],
                ..ListMetrics::default()
            }],
        })
    }
}

fn recipe(changes: &[&str]) -> OwnRecipe {
    let changes: Vec<Override> =
        changes.iter().map(|change| change.parse().expect("KEY=VALUE")).collect();
    OwnRecipe::parse(RECIPE, &changes).expect("a recipe")
}

fn run(
    recipe: &OwnRecipe,
    out: &Path,
    stop: &StopSignal,
    callback: &mut dyn Callback,
) -> anyhow::Result<TrainedRun<Sorter>> {
    run_on(clips(), recipe, (out, stop), callback)
}

fn run_on(
    clips: ArrayClips,
    recipe: &OwnRecipe,
    (out, stop): (&Path, &StopSignal),
    callback: &mut dyn Callback,
) -> anyhow::Result<TrainedRun<Sorter>> {
    let world = &World::alone();
    train(recipe, RunOptions { out, world, stop }, callback, |device, _| {
        let clips = Arc::new(clips);
        Ok((Sorter::new(recipe, device, clips.clone()), RunClips::of_arrays(clips)))
    })
}

fn straight(recipe: &OwnRecipe, out: &Path) -> TrainedRun<Sorter> {
    run(recipe, out, &StopSignal::never(), &mut NoOp).expect("a run")
}

/// What the files of tensors in a run's last checkpoint hold, to the byte.
fn bytes(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let folder = out.join(format!("checkpoints/step-{:09}", 3 * STEPS));
    let files = ["model", "optimizer", "method"].map(|name| format!("{name}.safetensors"));
    files.map(|name| (name.clone(), fs::read(folder.join(&name)).expect(&name))).into()
}

#[test]
fn a_run_that_was_stopped_and_crashed_equals_the_straight_one_to_the_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name));
    let recipe = recipe(&[]);
    straight(&recipe, &whole);
    // In the middle of the first epoch, and a step behind a checkpoint in the second.
    let stop = StopSignal::never();
    let stopped = run(&recipe, &parts, &stop, &mut StopAt(3, &stop)).expect("a part");
    assert_eq!((stopped.stopped, stopped.progress.step), (Some(15), 3));
    drop(stopped);
    let crash = AssertUnwindSafe(|| run(&recipe, &parts, &StopSignal::never(), &mut CrashAt(7)));
    assert!(catch_unwind(crash).is_err(), "the run was ended");
    let rest = straight(&recipe, &parts);
    assert_eq!((rest.stopped, rest.progress.step), (None, 3 * STEPS));
    let (whole_bytes, parts_bytes) = (bytes(&whole), bytes(&parts));
    for (name, bytes) in &whole_bytes {
        assert!(*bytes == parts_bytes[name], "{name} differs");
    }
    assert_eq!(records(&whole), records(&parts));
    let state = rest.state.method.state();
    assert_eq!(state["epochs"].int64_value(&[]), 3);
    assert_eq!(state["updates"].int64_value(&[]), 3 * STEPS as i64);
    assert!(state["mean"].abs().max().double_value(&[]) > 0.0);
    assert!(rest.progress.metrics.score("top1").is_some());
}

#[test]
fn the_state_of_a_method_decides_what_comes_after_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let [whole, other] = ["whole", "other"].map(|name| folder.path().join(name));
    straight(&recipe(&[]), &whole);
    straight(&recipe(&["method.momentum=0.5"]), &other);
    assert_ne!(bytes(&whole)["model.safetensors"], bytes(&other)["model.safetensors"]);
}

#[test]
fn what_is_frozen_stays_and_has_no_moments() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = recipe(&["optimizer.weight_decay=0.1"]);
    let trained = straight(&recipe, folder.path());
    let fresh = Sorter::new(&recipe, Device::Cpu, Arc::new(clips()));
    let (before, after) = (fresh.store.variables(), trained.state.method.store.variables());
    for (name, tensor) in &before {
        assert_eq!(tensor.equal(&after[name]), name.starts_with("teacher"), "{name}");
    }
    let file = trained.checkpoint.join("optimizer.safetensors");
    let moments = Tensor::read_safetensors(file).expect("moments");
    let of = |part: &str| moments.iter().any(|(name, _)| name.contains(part));
    assert!(of("head") && of("words") && !of("teacher"));
}

#[test]
fn a_batch_in_parts_has_the_loss_of_the_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let losses = |name: &str, changes: &[&str]| -> Vec<f64> {
        let out = folder.path().join(name);
        straight(&recipe(changes), &out);
        records(&out).iter().filter_map(|record| record.get("train/loss")?.as_f64()).collect()
    };
    let (whole, parts) = (losses("whole", &[]), losses("parts", &["run.micro_batch=2"]));
    assert_eq!(whole.len(), 3 * STEPS as usize);
    for (whole, parts) in whole.iter().zip(&parts) {
        assert!((whole - parts).abs() < 1e-5 * whole, "{whole} {parts}");
    }
}

#[test]
fn what_lies_behind_the_end_of_a_row_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = recipe(&["run.epochs=1"]);
    let [own, other] = ["own", "other"].map(|name| folder.path().join(name));
    straight(&recipe, &own);
    let stop = StopSignal::never();
    run_on(clips_padded_with(9), &recipe, (&other, &stop), &mut NoOp).expect("a run");
    let model = |out: &Path| {
        fs::read(out.join(format!("checkpoints/step-{STEPS:09}/model.safetensors"))).expect("bytes")
    };
    assert!(model(&own) == model(&other), "the ids of padding have reached the weights");
}

#[test]
fn clips_that_lack_what_the_method_needs_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let [left, right, words] = names();
    let matrix = || Values::from(Array2::<f32>::zeros((CLIPS, 5)));
    let two = ArrayClips::new([(left, matrix()), (right, matrix())].into()).expect("clips");
    let three = ArrayClips::new([(left, matrix()), (right, matrix()), (words, matrix())].into());
    for (clips, expected) in
        [(two, "the method needs words views"), (three.expect("clips"), "the method needs labels")]
    {
        let stop = StopSignal::never();
        let refused = run_on(clips, &recipe(&[]), (folder.path(), &stop), &mut NoOp);
        let message = format!("{:#}", refused.err().expect("refused"));
        assert!(message.contains(expected), "{message}");
    }
}
