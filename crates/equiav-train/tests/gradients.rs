//! Ways to need less memory give the gradient of the plain step.

#[path = "support/tiny.rs"]
mod tiny;

use std::collections::BTreeMap;
use std::path::Path;

use equiav_augment::Modality;
use equiav_data::{Batch, Loader};
use equiav_train::clips::HostBatch;
use equiav_train::engine::{Position, step};
use equiav_train::recipe::Sections;
use equiav_train::{NoOp, Recipe, StepReport, World};
use ndarray::s;
use tch::Tensor;

/// A batch of the training clips of `recipe`.
fn batch(recipe: &Recipe) -> Batch {
    let corpus = recipe.data.source.prepare(&mut NoOp).expect("a corpus");
    let dataset = equiav_train::dataset(recipe, corpus.train).expect("clips");
    let order = (0..recipe.run.batch).collect();
    let mut loader = Loader::new(dataset, 0, order, recipe.run.batch, Default::default());
    let batch = loader.as_mut().expect("a loader").next();
    batch.expect("one batch").expect("readable clips")
}

/// The gradient of `batch`, up to a factor, and the report of its step.
fn gradients(recipe: &Recipe, batch: &Batch) -> (BTreeMap<String, Tensor>, StepReport) {
    let mut state = tiny::state(recipe, &World::alone());
    let position = Position { epoch: 0, step: 0, lr: 0.0, data_time: Default::default() };
    let report = step(&mut state, &HostBatch::Unlabeled(batch.clone()), position, recipe.shared())
        .expect("a step");
    let moments = state.optimizer.state();
    // After the first step the mean is (1 - beta) times the gradient.
    let first =
        |(name, tensor): (String, Tensor)| name.ends_with(".exp_avg").then_some((name, tensor));
    (moments.into_iter().filter_map(first).collect(), report)
}

/// The largest distance of two gradients of one variable, relative to the longer one.
fn distance(a: &BTreeMap<String, Tensor>, b: &BTreeMap<String, Tensor>) -> f64 {
    let norm = |tensor: &Tensor| tensor.norm().double_value(&[]);
    let all = |side: &BTreeMap<String, Tensor>| {
        side.values().map(|tensor| norm(tensor).powi(2)).sum::<f64>().sqrt()
    };
    let apart = a.iter().map(|(name, tensor)| norm(&(tensor - &b[name])).powi(2)).sum::<f64>();
    apart.sqrt() / all(a).max(all(b))
}

/// Compares the step under `changes` with the plain one.
fn check(folder: &Path, variant: &[&str], changes: &[&str], tolerance: f64) {
    let base = ["objective.learn_temperature=true", "optimizer.clip_norm=1e9"];
    let base = [&base[..], variant].concat();
    let plain = tiny::tiny(folder, &base);
    let batch = batch(&plain);
    let (expected, report) = gradients(&plain, &batch);
    assert!(expected.values().any(|tensor| tensor.norm().double_value(&[]) > 0.0));
    let changed = tiny::tiny(folder, &[&base[..], changes].concat());
    let (found, other) = gradients(&changed, &batch);
    let apart = distance(&expected, &found);
    assert!(apart < tolerance, "{variant:?} {changes:?}: {apart}");
    let losses = (report.figures.loss - other.figures.loss).abs();
    assert!(losses < tolerance * report.figures.loss, "{variant:?} {changes:?}: {losses}");
    assert_eq!(report.figures.measures.len(), other.figures.measures.len());
}

const VARIANTS: [&[&str]; 7] = [
    &["objective.inter=centroid"],
    &["objective.inter=clean-pair"],
    &["objective.inter=augmented-pair"],
    &["objective.intra=invariant"],
    &["objective.intra=none"],
    &["objective.tokens=max", "objective.silent_negatives=4"],
    &["objective.tokens=log-sum-exp", "objective.token_source=patches"],
];

#[test]
fn a_batch_in_parts_has_the_gradient_of_the_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    for variant in VARIANTS {
        for part in ["run.micro_batch=1", "run.micro_batch=3", "run.micro_batch=8"] {
            check(folder.path(), variant, &[part], 1e-5);
        }
    }
}

#[test]
fn losses_in_blocks_have_the_gradient_of_the_plain_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    for variant in VARIANTS {
        for rows in ["objective.rows=1", "objective.rows=5"] {
            check(folder.path(), variant, &[rows], 1e-5);
        }
    }
    let all = ["objective.rows=5", "run.micro_batch=3"];
    check(folder.path(), VARIANTS[0], &all, 1e-5);
    check(folder.path(), VARIANTS[5], &all, 1e-5);
}

#[test]
fn blocks_that_are_computed_twice_have_the_gradient_of_those_that_are_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    for variant in VARIANTS {
        check(folder.path(), variant, &["compute.recompute_blocks=true"], 1e-6);
    }
    let all = ["compute.recompute_blocks=true", "objective.rows=5", "run.micro_batch=3"];
    check(folder.path(), VARIANTS[0], &all, 1e-5);
}

/// Other numbers in the place of what only tokens without material hold.
fn refilled(mut batch: Batch, patch: usize) -> Batch {
    let part = batch.parts.get_mut(&Modality::AUDIO).expect("sounds");
    let views =
        [(&mut part.plain, &part.material.plain), (&mut part.augmented, &part.material.augmented)];
    let mut changed = 0;
    for (view, material) in views {
        for (mut clip, material) in view.outer_iter_mut().zip(material.outer_iter()) {
            let tokens = material.exact_chunks(patch).into_iter().enumerate();
            let bare = tokens.filter(|(_, columns)| !columns.iter().any(|holds| *holds));
            // A view without any material counts as a whole.
            for (token, _) in bare.filter(|_| material.iter().any(|holds| *holds)) {
                clip.slice_mut(s![.., .., token * patch..(token + 1) * patch]).fill(5.0);
                changed += 1;
            }
        }
    }
    assert!(changed > 10, "{changed} columns of tokens hold padding alone");
    batch
}

#[test]
fn masked_padding_has_one_gradient_whatever_it_holds_and_however_it_is_computed() {
    let folder = tempfile::tempdir().expect("a folder");
    // 98 frames of sound in 160.
    let masked =
        ["front_end.frames=160", "model.encoder.mask_padding=true", "optimizer.clip_norm=1e9"];
    let plain = tiny::tiny(folder.path(), &masked);
    let batch = batch(&plain);
    let (expected, _) = gradients(&plain, &batch);
    for changes in [&["run.micro_batch=3"][..], &["compute.recompute_blocks=true"]] {
        let recipe = tiny::tiny(folder.path(), &[&masked[..], changes].concat());
        let apart = distance(&expected, &gradients(&recipe, &batch).0);
        assert!(apart < 1e-5, "{changes:?}: {apart}");
    }
    let other = refilled(batch.clone(), plain.model.encoder.patch as usize);
    let apart = distance(&expected, &gradients(&plain, &other).0);
    assert!(apart < 1e-5, "{apart}");
    let unmasked = tiny::tiny(folder.path(), &[masked[0], masked[2]]);
    let without = gradients(&unmasked, &batch).0;
    assert!(distance(&expected, &without) > 1e-2, "padding matters without a mask");
    assert!(distance(&without, &gradients(&unmasked, &other).0) > 1e-2);
}

#[test]
fn the_cosine_between_terms_is_that_of_their_gradients() {
    let folder = tempfile::tempdir().expect("a folder");
    let weights = |inter: f64, intra: f64| {
        format!(
            "objective.weights={{ inter = {inter:?}, intra_audio = {intra:?}, intra_visual = {intra:?} }}"
        )
    };
    let of = |changes: &[&str], weights: &str| {
        let free = ["optimizer.clip_norm=1e9", "objective.learn_temperature=true", weights];
        let recipe = tiny::tiny(folder.path(), &[&free[..], changes].concat());
        gradients(&recipe, &batch(&recipe))
    };
    let cosine =
        |report: &StepReport| report.figures.measures.get("gradient_cosine_inter_intra").copied();
    let (inter, _) = of(&[], &weights(0.5, 0.0));
    let (intra, plain) = of(&[], &weights(0.0, 0.25));
    assert_eq!(cosine(&plain), None, "nobody has asked");
    // Norms of augmented views and what tells a position or a modality's own are reached by one term alone, or fixed.
    let is_shared = |name: &str| {
        let encoder = ["blocks_", "patch_embed_", "norm_", "modality_"];
        encoder.iter().any(|part| name.starts_with(part)) && !name.contains("_aug.")
    };
    let dot = |a: &BTreeMap<String, Tensor>, b: &BTreeMap<String, Tensor>| -> f64 {
        let shared = a.iter().filter(|(name, _)| is_shared(name));
        shared.map(|(name, a)| (a * &b[name]).sum(tch::Kind::Double).double_value(&[])).sum()
    };
    let expected = dot(&inter, &intra) / (dot(&inter, &inter) * dot(&intra, &intra)).sqrt();
    assert!(expected.abs() > 1e-3 && expected.abs() < 0.999, "{expected} tells something");
    let both = weights(0.5, 0.25);
    let asked = "run.gradient_cosines_every=1";
    let ways =
        ["run.micro_batch=3", "compute.recompute_blocks=true", "objective.loss_chunk_size=5"];
    for way in [None].into_iter().chain(ways.map(Some)) {
        let changes: Vec<&str> = [asked].into_iter().chain(way).collect();
        let (gradient, report) = of(&changes, &both);
        let found = cosine(&report).expect("it was asked for");
        assert!((found - expected).abs() < 1e-4, "{way:?}: {found}, not {expected}");
        let (unasked, _) = of(&changes[1..], &both);
        let same = gradient.iter().all(|(name, tensor)| tensor.equal(&unasked[name]));
        assert!(same, "{way:?}: the step's own gradient is another");
    }
    let seldom = of(&["run.gradient_cosines_every=2"], &both).1;
    assert_eq!(cosine(&seldom), None, "the first step is not the second");
    let alone = of(&[asked, "objective.intra=none"], &both).1;
    assert_eq!(cosine(&alone), None, "one group has none to be compared with");
}

#[test]
fn narrow_precision_is_close_and_keeps_the_weights_in_fp32() {
    let folder = tempfile::tempdir().expect("a folder");
    // Products of 8 and 11 bits, sharpened by the temperature.
    for (precision, tolerance) in
        [("compute.precision=bf16", 0.1), ("compute.precision=fp16", 0.02)]
    {
        check(folder.path(), VARIANTS[0], &[precision], tolerance);
        let recipe = tiny::tiny(folder.path(), &[precision]);
        let state = tiny::state(&recipe, &World::alone());
        assert_eq!(state.scaler.is_some(), precision.ends_with("fp16"));
        let weights = state.method.network.store.variables();
        assert!(weights.values().all(|weight| weight.kind() == tch::Kind::Float));
    }
}
