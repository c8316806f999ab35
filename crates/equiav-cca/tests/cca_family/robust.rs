//! Gross errors: what plain analysis makes of them, and what the robust forms do.

use equiav_augment::random::unit;
use equiav_augment::{Purpose, stream};
use equiav_cca::{
    CoupledPursuit, LinearCca, Pursuit, RobustForm, coupled_pursuit, principal_component_pursuit,
    shrink_singular_values,
};
use tch::{Kind, Tensor};

use crate::{largest_difference, normal};

const FITTED: i64 = 600;
const HELD: i64 = 300;

/// Two sides of width 30 and 25 with 2 shared and 2 private sources each; the first 600 rows are for fitting.
struct World {
    shared: Tensor,
    clean: [Tensor; 2],
    wrong: [Tensor; 2],
}

impl World {
    /// `share` of the entries are wrong by 20 either way.
    fn new(share: f64, seed: u64) -> Self {
        let rows = FITTED + HELD;
        let key = seed * 100;
        let shared = normal(rows, 2, key);
        let side = |k: u64, width| {
            let sources = Tensor::cat(&[&shared, &normal(rows, 2, key + k)], 1);
            sources.matmul(&normal(4, width, key + k + 1))
        };
        let clean = [side(1, 30), side(3, 25)];
        let mut rng = stream(seed, 1, 0, Purpose::Synthesis);
        let wrong = clean.each_ref().map(|rows| {
            let error = |_| match unit(&mut rng) {
                drawn if drawn < share / 2.0 => 20.0,
                drawn if drawn < share => -20.0,
                _ => 0.0,
            };
            let errors: Vec<f64> = (0..rows.numel()).map(error).collect();
            rows + Tensor::from_slice(&errors).view_as(rows)
        });
        Self { shared, clean, wrong }
    }

    fn fitted(rows: &[Tensor; 2]) -> [Tensor; 2] {
        rows.each_ref().map(|rows| rows.narrow(0, 0, FITTED))
    }

    /// How much of the shared sources two outputs of the first side explain, over the wrong rows that were fitted and
    /// over those that were not.
    fn explained(&self, model: &LinearCca) -> [f64; 2] {
        let outputs = model.transform_a(&self.wrong[0]).narrow(1, 0, 2);
        [(0, FITTED), (FITTED, HELD)].map(|(first, rows)| {
            r2(&outputs.narrow(0, first, rows), &self.shared.narrow(0, first, rows))
        })
    }
}

/// The share of the variance of `targets` that a linear map of `features` explains.
fn r2(features: &Tensor, targets: &Tensor) -> f64 {
    let features = Tensor::cat(&[features, &features.narrow(1, 0, 1).ones_like()], 1);
    let gram = features.tr().matmul(&features);
    let map = Tensor::linalg_solve(&gram, &features.tr().matmul(targets), true);
    let rest = (targets - features.matmul(&map)).square().sum(Kind::Double).double_value(&[]);
    let mean = targets.mean_dim([0i64].as_slice(), true, Kind::Double);
    1.0 - rest / (targets - mean).square().sum(Kind::Double).double_value(&[])
}

fn stacked() -> RobustForm {
    RobustForm::Stacked(Pursuit::usual())
}

#[test]
fn a_tenth_of_gross_errors_is_survived() {
    for seed in 0..5 {
        let world = World::new(0.1, seed);
        let [a, b] = World::fitted(&world.wrong);
        let plain = LinearCca::fit(&a, &b, 0.0).expect("a model");
        let robust = LinearCca::fit_robust(&a, &b, 0.0, &stacked()).expect("a model");
        let (plain, found) = (world.explained(&plain), world.explained(&robust));
        println!("seed {seed}: plain {plain:.4?}, stacked {found:.4?}");
        assert!(plain.iter().all(|share| *share <= 0.75), "{plain:?}");
        assert!(found.iter().all(|share| *share >= 0.98), "{found:?}");
    }
}

#[test]
fn the_coupled_form_takes_rows_apart_and_softens_errors_at_most() {
    let world = World::new(0.1, 0);
    let [a, b] = World::fitted(&world.wrong);
    let parts = coupled_pursuit(&a, &b, &CoupledPursuit::usual()).expect("parts");
    for (rows, part) in [&a, &b].into_iter().zip(&parts) {
        let missed = (rows - &part.low_rank - &part.sparse).norm() / rows.norm();
        assert!(missed.double_value(&[]) <= 1e-6);
    }
    let form = RobustForm::Coupled(CoupledPursuit::usual());
    let coupled = LinearCca::fit_robust(&a, &b, 0.0, &form).expect("a model");
    println!("coupled {:.4?}", world.explained(&coupled));
    // Drawn together entirely, both projections are the same rows.
    let close = CoupledPursuit { coupling: 1e6, ..CoupledPursuit::usual() };
    let [one, other] = coupled_pursuit(&a, &a, &close).expect("parts");
    assert!(largest_difference(&one.low_rank, &other.low_rank) < 1e-3);
}

#[test]
fn without_errors_it_is_plain_analysis() {
    let world = World::new(0.0, 3);
    let [a, b] = World::fitted(&world.clean);
    let plain = LinearCca::fit(&a, &b, 0.0).expect("a model");
    let robust = LinearCca::fit_robust(&a, &b, 0.0, &stacked()).expect("a model");
    for (one, other) in plain.fitted_correlations().iter().zip(robust.fitted_correlations()) {
        assert!((one - other).abs() < 1e-3, "{one} {other}");
    }
    let held = |rows: &[Tensor; 2]| rows.each_ref().map(|rows| rows.narrow(0, FITTED, HELD));
    let [x, y] = held(&world.clean);
    let (one, other) = (plain.correlations(&x, &y), robust.correlations(&x, &y));
    for (one, other) in one.iter().zip(other).take(4) {
        assert!((one - other).abs() < 1e-3, "{one} {other}");
    }
}

#[test]
fn a_robust_model_keeps_its_subspaces_in_its_file() {
    let world = World::new(0.05, 4);
    let [a, b] = World::fitted(&world.wrong);
    let model = LinearCca::fit_robust(&a, &b, 0.0, &stacked()).expect("a model").truncated(2);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("m.safetensors");
    std::fs::write(&path, model.to_safetensors().expect("bytes")).expect("written");
    let read = LinearCca::read(&path).expect("a model");
    assert!(largest_difference(&read.transform_b(&b), &model.transform_b(&b)) == 0.0);
    // A row is cleaned by itself: its output does not depend on its company.
    let (alone, company) = (model.transform_a(&a.narrow(0, 5, 1)), model.transform_a(&a));
    assert!(largest_difference(&alone, &company.narrow(0, 5, 1)) < 1e-4);
}

#[test]
fn low_rank_and_sparse_parts_are_recovered() {
    let low = normal(80, 3, 1).matmul(&normal(3, 60, 2));
    let mut rng = stream(1, 0, 0, Purpose::Synthesis);
    let wrong = |_| if unit(&mut rng) < 0.05 { 10.0 } else { 0.0 };
    let sparse = Tensor::from_slice(&(0..4800).map(wrong).collect::<Vec<f64>>()).view([80, 60]);
    let found = principal_component_pursuit(&(&low + &sparse), &Pursuit::usual()).expect("parts");
    assert!(largest_difference(&found.low_rank, &low) < 1e-4, "{} steps", found.steps);
    assert!(largest_difference(&found.sparse, &sparse) < 1e-4);
    let none = principal_component_pursuit(&(&low * 0.0), &Pursuit::usual()).expect("parts");
    assert_eq!(none.low_rank.abs().max().double_value(&[]), 0.0);
    let few = Pursuit { max_steps: 2, ..Pursuit::usual() };
    let error = principal_component_pursuit(&(&low + &sparse), &few).expect_err("too few");
    assert_eq!(error.to_string(), "the pursuit did not converge in 2 steps");
}

#[test]
fn singular_values_shrink() {
    let x = normal(9, 5, 1);
    let (_, before, _) = x.svd(true, true);
    let by = before.double_value(&[2]);
    let (shrunk, rank) = shrink_singular_values(&x, by).expect("a matrix");
    let (_, after, _) = shrunk.svd(true, true);
    assert_eq!(rank, 2);
    assert!(largest_difference(&after, &(before - by).clamp_min(0.0)) < 1e-12);
    assert_eq!(shrink_singular_values(&x, 1e9).expect("a matrix").1, 0);
}
