//! Held-out clips measured every so many steps: what is measured, that nothing else changes by it, and that a resumed run
//! measures the same.

#[path = "support/tiny.rs"]
mod tiny;

use std::collections::BTreeSet;
use std::path::Path;

use equiav_train::{Callback, Event, Recipe, StopSignal};
use serde_json::Value;
use tiny::{CrashAt, STEPS, StopAt, assert_same_run, checkpoint, records, run, tiny};

const OFTEN: [&str; 2] = ["evaluation.online_every=2", "evaluation.online_clips=10"];

/// What was measured between evaluations: step and record.
fn measured(run: &Path) -> Vec<(u64, Value)> {
    let is_measured = |record: &Value| {
        record.as_object().expect("an object").keys().any(|key| key.starts_with("online/"))
    };
    let all = records(run).into_iter().filter(is_measured);
    all.map(|record| (record["step"].as_u64().expect("a step"), record)).collect()
}

#[test]
fn weights_and_figures_are_those_of_a_run_without() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| folder.path().join(name);
    for more in ["compute.precision=fp32", "compute.precision=bf16", "optimizer.average=0.9"] {
        let cosines = "run.gradient_cosines_every=3";
        let train = |name: &str, changes: &[&str]| {
            let out = place(&format!("{more}{name}"));
            run(&tiny(folder.path(), &[&[more][..], changes].concat()), &out).expect("a run");
            out
        };
        let without = train("without", &["evaluation.online_every=0"]);
        let with = train("with", &[&OFTEN[..], &[cosines]].concat());
        let (tensors, others) = (checkpoint(&without, 3), checkpoint(&with, 3));
        assert_eq!(tensors.len(), others.len());
        for (name, tensor) in &tensors {
            assert!(tensor.equal(&others[name]), "{more}: {name} differs");
        }
        let bytes = |run: &Path| {
            let file = format!("checkpoints/step-{:09}/model.safetensors", 3 * STEPS);
            std::fs::read(run.join(file)).expect("weights")
        };
        assert!(bytes(&without) == bytes(&with), "{more}");
        assert!(measured(&without).is_empty());
        let steps: Vec<u64> = measured(&with).iter().map(|(step, _)| *step).collect();
        assert_eq!(steps, [2, 4, 6, 8, 10, 12]);
        let plain = |run: &Path| {
            let mut all = records(run);
            for record in &mut all {
                let added =
                    |key: &str| key.starts_with("online/") || key.contains("gradient_cosine");
                record.as_object_mut().expect("an object").retain(|key, _| !added(key));
            }
            all.retain(|record| record.as_object().expect("an object").len() > 2);
            all
        };
        assert_eq!(plain(&with), plain(&without), "{more}");
    }
}

#[test]
fn a_resumed_run_measures_what_a_straight_one_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = tiny(folder.path(), &[&OFTEN[..], &["run.save_every=1"]].concat());
    let place = |name: &str| folder.path().join(name);
    run(&recipe, &place("straight")).expect("a run");
    for step in [1, 2, 3, 7] {
        let stop = StopSignal::never();
        let callback = &mut StopAt(step, &stop);
        tiny::pretrain(&recipe, &place("stopped"), &stop, callback).expect("a run");
    }
    let crash = std::panic::AssertUnwindSafe(|| {
        tiny::pretrain(&recipe, &place("stopped"), &StopSignal::never(), &mut CrashAt(10))
    });
    assert!(std::panic::catch_unwind(crash).is_err(), "the run was ended");
    run(&recipe, &place("stopped")).expect("the end");
    assert_eq!(measured(&place("straight")).len(), 6);
    assert_same_run(&place("straight"), &place("stopped"), 3);
}

/// Keeps what a callback hears of measurements.
#[derive(Default)]
struct Heard(Vec<(u64, BTreeSet<String>)>);

impl Callback for Heard {
    fn on_event(&mut self, event: &Event) {
        if let Event::Measured { step, metrics } = event {
            let names = metrics.iter().map(|metric| metric.name.clone());
            self.0.push((*step, names.collect()));
        }
    }
}

fn heard(recipe: &Recipe, out: &Path) -> Heard {
    let mut heard = Heard::default();
    tiny::pretrain(recipe, out, &StopSignal::never(), &mut heard).expect("a run");
    heard
}

#[test]
fn every_measure_is_in_the_log_and_in_its_range() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let heard = heard(&tiny(folder.path(), &OFTEN), &out);
    let all = measured(&out);
    assert_eq!(heard.0.len(), all.len());
    for ((step, names), (logged, record)) in heard.0.iter().zip(&all) {
        assert_eq!(step, logged);
        let value = |name: &str| {
            assert!(names.contains(name), "{name} of {names:?}");
            record[format!("online/{name}")].as_f64().expect("a number")
        };
        for modality in ["audio", "visual"] {
            let of = |kind: &str| value(&format!("{modality}/{kind}"));
            assert!(
                (1.0..=10.01).contains(&of("rank_me")),
                "10 clips lie in at most 10 directions"
            );
            assert!(
                (0.0..=1.0).contains(&of("knn_top1")) && (0.0..=1.0).contains(&of("linear_top1"))
            );
            let of = |kind: &str| value(&format!("{kind}_{modality}"));
            assert!((-1.0..=1.0).contains(&of("similarity")) && of("uniformity") <= 1e-6);
            assert!((0.0..=1.0).contains(&of("spread")));
        }
        assert!((0.0..=4.0).contains(&value("alignment")));
    }
    let first = |name: &str| all[0].1[format!("online/{name}")].clone();
    let last = |name: &str| all[5].1[format!("online/{name}")].clone();
    assert_ne!(first("alignment"), last("alignment"), "the weights have moved");

    // An invariant twin, whose prediction is the plain view's own, and one without an intra-modal loss.
    let invariant = tiny(folder.path(), &[&OFTEN[..], &["objective.intra=none"]].concat());
    let names = &heard_names(&invariant, &folder.path().join("none"));
    assert!(!names.contains("similarity_audio") && names.contains("uniformity_audio"));
}

fn heard_names(recipe: &Recipe, out: &Path) -> BTreeSet<String> {
    heard(recipe, out).0.remove(0).1
}

#[test]
fn without_a_word_a_measurement_costs_its_share_of_steps() {
    let folder = tempfile::tempdir().expect("a folder");
    // 16 clips among batches of 8: one measurement in 50 steps, of which there are 12, then 52.
    let short = tiny(folder.path(), &[]);
    run(&short, &folder.path().join("short")).expect("a run");
    assert!(measured(&folder.path().join("short")).is_empty());
    let long = tiny(folder.path(), &["run.epochs=13", "evaluation.every=13"]);
    run(&long, &folder.path().join("long")).expect("a run");
    let steps: Vec<u64> =
        measured(&folder.path().join("long")).iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [50]);
}

#[test]
fn settings_that_make_no_sense_are_refused_and_their_absence_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = tiny(folder.path(), &[]).to_toml();
    assert!(!text.contains("online") && !text.contains("gradient_cosines"), "{text}");
    let refused = |change: &str| {
        let change = change.parse().expect("KEY=VALUE");
        format!("{:#}", Recipe::parse(&text, &[change]).expect_err("refused"))
    };
    let error = refused("evaluation.online_clips=1");
    assert!(error.contains("evaluation.online_clips = 1: expected at least 2 (help: "), "{error}");
    let error = refused("run.gradient_cosines_every=0");
    assert!(error.contains("run.gradient_cosines_every = 0: expected at least 1"), "{error}");
    let text = tiny(folder.path(), &OFTEN).to_toml();
    assert!(text.contains("online_every = 2") && text.contains("online_clips = 10"), "{text}");
}
