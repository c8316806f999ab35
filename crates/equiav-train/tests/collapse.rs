//! A run whose embeddings become one ends early and says why; what it measures on the way.

#[path = "support/tiny.rs"]
mod tiny;

use equiav_train::clips::{DeviceBatch, EvaluationLists};
use equiav_train::engine::spread;
use equiav_train::methods::equiav::EquiAv;
use equiav_train::{
    Gathered, Method, Metrics, Named, Needs, NoOp, RunOptions, StepContext, StopSignal, Term,
    World, train,
};
use tch::nn;

/// EquiAV's networks under a loss that is least where all embeddings are one: the planted collapse.
struct Collapsing(EquiAv);

impl Method for Collapsing {
    fn needs(&self) -> Needs {
        self.0.needs()
    }

    fn variables(&self) -> &nn::VarStore {
        self.0.variables()
    }

    fn embed(&self, batch: &DeviceBatch) -> anyhow::Result<Named> {
        self.0.embed(batch)
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
        self.0.measures(own)
    }

    fn evaluate(&self, lists: &EvaluationLists<'_>) -> anyhow::Result<Metrics> {
        self.0.evaluate(lists)
    }
}

#[test]
fn a_planted_collapse_ends_within_a_tenth_of_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let steps = 100 * tiny::STEPS;
    let weights = "objective.weights={ spread_audio = 1.0, spread_visual = 1.0 }";
    let changes = ["run.epochs=100", "evaluation.every=100", "optimizer.lr=1e-2", weights];
    let train_with = |name: &str, changes: &[&str]| {
        let recipe = tiny::tiny(folder.path(), changes);
        let (world, stop) = (World::alone(), StopSignal::never());
        let out = folder.path().join(name);
        let options = RunOptions { out: &out, world: &world, stop: &stop };
        let run = train(&recipe, options, &mut NoOp, |device, callback| {
            let clips = recipe.unlabeled().prepare(&world, callback)?;
            Ok((Collapsing(EquiAv::fresh(&recipe, device)?), clips))
        });
        let last = tiny::records(&out).last().expect("a record")["step"].as_u64().expect("steps");
        (run.map(|run| run.progress.step), last)
    };
    let (run, last) = train_with("stopped", &changes);
    let error = format!("{:#}", run.expect_err("it has collapsed"));
    assert!(error.contains("are one for all clips since step"), "{error}");
    assert!(error.contains("run.stop_collapsed = false"), "{error}");
    let since: u64 = error
        .split("since step ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .and_then(|step| step.parse().ok())
        .expect("a step");
    assert!(last - since <= steps / 10, "since {since}, stopped at {last} of {steps}");
    assert!(last < steps / 2, "stopped at {last} of {steps}");

    // On request it goes on; a network that learns is left alone.
    let short = ["run.epochs=30", "evaluation.every=30", "run.stop_collapsed=false"];
    let (run, _) = train_with("goes-on", &[&changes[2..], &short].concat());
    assert_eq!(run.expect("the end"), 30 * tiny::STEPS);
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
