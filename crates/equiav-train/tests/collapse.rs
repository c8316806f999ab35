//! A run whose embeddings become one ends early and says why; what it measures on the way.

#[path = "support/tiny.rs"]
mod tiny;

use std::path::Path;

use equiav_train::clips::{DeviceBatch, EvaluationLists, HeldOut};
use equiav_train::engine::spread;
use equiav_train::methods::equiav::EquiAv;
use equiav_train::{
    Gathered, Method, Metric, Metrics, Named, Needs, NoOp, RunOptions, StepContext, StopSignal,
    Term, World, train,
};
use tch::nn;

/// EquiAV's networks under a loss that is least where all embeddings are one: the planted collapse.
struct Collapsing {
    method: EquiAv,
    /// Whether batches are measured; else a collapse shows on held-out clips alone.
    batches_are_measured: bool,
}

impl Method for Collapsing {
    fn needs(&self) -> Needs {
        self.method.needs()
    }

    fn variables(&self) -> &nn::VarStore {
        self.method.variables()
    }

    fn embed(&self, batch: &DeviceBatch) -> anyhow::Result<Named> {
        self.method.embed(batch)
    }

    fn terms(
        &mut self,
        own: &Named,
        _: &Gathered,
        _: &StepContext<'_>,
    ) -> anyhow::Result<Vec<Term>> {
        let term = |modality: &str| {
            let rows = &own[&format!("inter_{modality}")];
            let mean = rows.mean_dim([0i64].as_slice(), true, None);
            let loss = (rows - mean).square().mean(None);
            Term { name: format!("spread_{modality}"), loss, accuracy: None }
        };
        Ok(["audio", "visual"].map(term).into())
    }

    fn measures(&self, own: &Named) -> Named {
        if self.batches_are_measured { self.method.measures(own) } else { Named::new() }
    }

    fn online_cost(&self) -> Option<f64> {
        self.method.online_cost()
    }

    fn evaluate_online(&self, held_out: &HeldOut<'_>) -> anyhow::Result<Vec<Metric>> {
        self.method.evaluate_online(held_out)
    }

    fn evaluate(&self, lists: &EvaluationLists<'_>) -> anyhow::Result<Metrics> {
        self.method.evaluate(lists)
    }
}

/// A run of many steps in which no evaluation comes in time.
const LONG: [&str; 4] = [
    "run.epochs=100",
    "evaluation.every=100",
    "optimizer.lr=1e-2",
    "objective.weights={ spread_audio = 1.0, spread_visual = 1.0 }",
];
const STEPS: u64 = 100 * tiny::STEPS;

/// Trains the planted collapse; how many steps that were, or why it ended, and the last step of the log.
fn collapsing(
    out: &Path,
    batches_are_measured: bool,
    changes: &[&str],
) -> (anyhow::Result<u64>, u64) {
    let recipe = tiny::tiny(out.parent().expect("a folder"), changes);
    let (world, stop) = (World::alone(), StopSignal::never());
    let options = RunOptions { out, world: &world, stop: &stop };
    let run = train(&recipe, options, &mut NoOp, |device, callback| {
        let clips = recipe.unlabeled().prepare(&world, callback)?;
        let method = EquiAv::fresh(&recipe, device)?;
        Ok((Collapsing { method, batches_are_measured }, clips))
    });
    let last = tiny::records(out).last().expect("a record")["step"].as_u64().expect("steps");
    (run.map(|run| run.progress.step), last)
}

/// The step since which the run has collapsed, by the words of its end.
fn since(error: &str) -> u64 {
    let rest = error.split("since step ").nth(1).and_then(|rest| rest.split(' ').next());
    rest.and_then(|step| step.parse().ok()).expect("a step")
}

#[test]
fn a_planted_collapse_ends_within_a_tenth_of_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let (run, last) = collapsing(&folder.path().join("stopped"), true, &LONG);
    let error = format!("{:#}", run.expect_err("it has collapsed"));
    assert!(error.contains("are one for all clips since step"), "{error}");
    assert!(error.contains("run.stop_collapsed = false"), "{error}");
    let since = since(&error);
    assert!(last - since <= STEPS / 10, "since {since}, stopped at {last} of {STEPS}");
    assert!(last < STEPS / 2, "stopped at {last} of {STEPS}");

    // On request it goes on; a network that learns is left alone.
    let short = ["run.epochs=30", "evaluation.every=30", "run.stop_collapsed=false"];
    let changes = [&LONG[2..], &short].concat();
    let (run, _) = collapsing(&folder.path().join("goes-on"), true, &changes);
    assert_eq!(run.expect("the end"), 30 * tiny::STEPS);
}

#[test]
fn a_collapse_that_held_out_clips_alone_show_ends_within_a_tenth_of_the_run_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let every = 8;
    let often = format!("evaluation.online_every={every}");
    let changes = [&LONG[..], &[often.as_str()]].concat();
    let (run, last) = collapsing(&folder.path().join("stopped"), false, &changes);
    let error = format!("{:#}", run.expect_err("it has collapsed"));
    assert!(error.contains("are one for all held-out clips since step"), "{error}");
    assert!(error.contains("run.stop_collapsed = false"), "{error}");
    // It may have collapsed right after the measurement before.
    let begun = since(&error) - every;
    assert!(last - begun <= STEPS / 10, "since {begun}, stopped at {last} of {STEPS}");
    assert!(last < STEPS / 2, "stopped at {last} of {STEPS}");

    // Without these measurements nobody sees it before its evaluation, and on request it goes on.
    for (name, change) in
        [("unseen", "evaluation.online_every=0"), ("asked", "run.stop_collapsed=false")]
    {
        let short = ["run.epochs=30", "evaluation.every=30", "evaluation.online_every=8", change];
        let changes = [&LONG[2..], &short].concat();
        let (run, _) = collapsing(&folder.path().join(name), false, &changes);
        assert_eq!(run.expect("the end"), 30 * tiny::STEPS, "{name}");
    }
}

#[test]
fn held_out_embeddings_are_measured_on_the_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = tiny::tiny(folder.path(), &[]);
    let out = folder.path().join("run");
    let summary = tiny::run(&recipe, &out).expect("a run");
    let list = &summary.metrics.lists[0];
    for modality in ["audio", "visual"] {
        let value = |name: &str| list.value(&format!("{modality}/{name}")).expect("a metric");
        // 16 clips lie in at most 16 directions.
        assert!((1.0..=16.0).contains(&value("rank_me")), "{}", value("rank_me"));
        assert!(
            (0.0..=1.0).contains(&value("knn_top1")) && (0.0..=1.0).contains(&value("linear_top1"))
        );
    }
    let first = &tiny::records(&out)[0];
    for modality in ["audio", "visual"] {
        let spread = first[format!("train/spread_{modality}")].as_f64().expect("a measure");
        assert!((0.0..=1.0).contains(&spread), "{spread}");
    }
    let ones = tch::Tensor::ones([4, 3], (tch::Kind::Float, tch::Device::Cpu));
    assert!(spread(&ones).double_value(&[]) < 1e-9);
}
