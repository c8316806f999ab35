//! What the bench measures is the step that a run makes.

#[path = "support/tiny.rs"]
mod tiny;

use std::path::Path;
use std::time::Duration;

use equiav_train::bench::dump;
use equiav_train::bench::throughput::{centroid_cost, start, step_rate};
use equiav_train::engine::profiler::Phase;
use equiav_train::engine::{Position, step};
use equiav_train::recipe::Sections;
use equiav_train::{Recipe, World};
use tch::{Device, Tensor};

const STEPS: u64 = 4;

fn recipe(folder: &Path, changes: &[&str]) -> Recipe {
    let base = ["optimizer.warmup_epochs=1.5", "run.epochs=3"];
    tiny::tiny(folder, &[&base[..], changes].concat())
}

#[test]
fn losses_are_those_of_ordinary_steps() {
    let folder = tempfile::tempdir().expect("a folder");
    for changes in [&[][..], &["run.micro_batch=3"]] {
        let recipe = recipe(folder.path(), changes);
        let mut timed = start(&recipe, STEPS, &World::alone()).expect("a start");
        let rate = step_rate(&mut timed, &recipe).expect("steps");
        let mut plain = start(&recipe, STEPS, &World::alone()).expect("the same start");
        let lrs = plain.learning_rates.clone();
        assert_eq!(lrs[0], recipe.optimizer.start_lr);
        assert_eq!(lrs[2], recipe.optimizer.lr, "half of the epochs warm up, so half of the steps");
        for (number, (lr, timed)) in lrs.into_iter().zip(&rate.steps).enumerate() {
            let data_time = Default::default();
            let position = Position { epoch: 0, step: number as u64, lr, data_time };
            let report =
                step(&mut plain.state, &plain.batch, position, recipe.shared()).expect("a step");
            assert_eq!(report.figures, timed.report.figures, "step {number}");
            assert_eq!(report.grad_norm, timed.report.grad_norm, "step {number}");
        }
        let losses: Vec<f64> = rate.steps.iter().map(|step| step.report.figures.loss).collect();
        assert!(losses.windows(2).all(|pair| pair[0] != pair[1]), "weights moved: {losses:?}");
    }
}

#[test]
fn phases_are_nearly_the_whole_step() {
    let folder = tempfile::tempdir().expect("a folder");
    for changes in [&["run.batch=16"][..], &["run.batch=16", "run.micro_batch=4"]] {
        let recipe = recipe(folder.path(), changes);
        let rate =
            step_rate(&mut start(&recipe, STEPS, &World::alone()).expect("a start"), &recipe)
                .expect("steps");
        for step in &rate.steps {
            for phase in Phase::ALL {
                assert!(!step.phases.of(phase).is_zero(), "{phase:?} is not booked");
            }
            let parts: Duration = Phase::ALL.map(|phase| step.phases.of(phase)).iter().sum();
            let (parts, whole) = (parts.as_secs_f64(), step.time.as_secs_f64());
            assert!(parts <= whole && parts > 0.5 * whole, "{parts} s of {whole} s");
        }
        assert!(rate.phase(Phase::Backward) > rate.phase(Phase::Feed));
        assert!(rate.per_second() > 0.0 && rate.parameters > 0);
    }
}

#[test]
fn the_centroid_is_compared_in_turn() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = recipe(folder.path(), &[]);
    let mut start = start(&recipe, 3, &World::alone()).expect("a start");
    let mut cost = centroid_cost(&mut start, &recipe).expect("steps");
    assert_eq!((cost.centroid.len(), cost.clean_pair.len()), (3, 3), "three cannot settle");
    assert!(cost.share().is_finite() && cost.interval().is_none() && !cost.is_settled());
    // What is made of the times, on times of a machine with one slow turn.
    let times = |ms: [u64; 7]| ms.map(Duration::from_millis).to_vec();
    cost.clean_pair = times([100, 200, 100, 100, 1000, 100, 100]);
    cost.centroid = times([104, 208, 104, 105, 104, 103, 104]);
    assert!((cost.share() - 0.04).abs() < 1e-12, "{}", cost.share());
    let (low, high) = cost.interval().expect("enough pairs");
    assert!(low < -0.89 && (high - 0.05).abs() < 1e-12 && !cost.is_settled(), "{low} {high}");
    cost.clean_pair[4] = Duration::from_millis(100);
    assert!(cost.is_settled(), "{:?}", cost.interval());
}

#[test]
fn another_program_finds_weights_batch_and_learning_rates() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = recipe(folder.path(), &[]);
    let start = start(&recipe, STEPS, &World::alone()).expect("a start");
    let out = folder.path().join("dump");
    dump(&start, &recipe, &out).expect("written");
    let read = |name: &str| Tensor::read_safetensors(out.join(name)).expect("tensors");
    let weights = read("weights.safetensors");
    let variables = start.state.method.network.store.variables();
    assert_eq!(weights.len(), variables.len());
    assert!(weights.iter().all(|(name, tensor)| tensor.equal(&variables[name])));
    let batch = read("batch.safetensors");
    assert_eq!(batch.len(), 8);
    for (modality, input) in &start.batch.to_device(0, Device::Cpu).inputs {
        let of = |name: &str| {
            let wanted = format!("{modality}.{name}");
            &batch.iter().find(|(name, _)| *name == wanted).expect("a tensor").1
        };
        let augmented = &input.augmented.as_ref().expect("an augmented view").values;
        let [vectors, centroid] =
            [&input.vectors, &input.centroid].map(|all| all.as_ref().expect("vectors"));
        let plain = &input.plain.values;
        assert!(of("plain").equal(plain) && of("augmented").equal(augmented));
        assert!(of("vectors").equal(vectors) && of("centroid").equal(centroid));
        assert!(!plain.equal(augmented));
    }
    let text = std::fs::read_to_string(out.join("steps.json")).expect("a file");
    let steps: serde_json::Value = serde_json::from_str(&text).expect("json");
    assert_eq!(steps["learning_rates"], serde_json::json!(start.learning_rates));
    assert_eq!(steps["recipe"]["objective"]["inter"], "centroid");
}
