//! Robust canonical correlation analysis: what two sides share is found although a tenth of the entries is grossly wrong.

use equiav_augment::random::unit;
use equiav_augment::{Purpose, stream};
use equiav_cca::{LinearCca, Pursuit, RobustForm};
use tch::{Kind, Tensor};

use crate::criterion::{Bar, Criterion};
use crate::training::tensor;
use crate::world::normal;

/// How far a wrong entry is off.
const GROSS: f64 = 20.0;
const ROWS: usize = 600;

/// What is explained of the shared sources, by the plain and by the robust form.
///
/// # Errors
///
/// If libtorch finds no decomposition.
pub(crate) fn figures(seeds: &[u64]) -> anyhow::Result<Vec<Criterion>> {
    let all = seeds.iter().map(|seed| explained(*seed, 0.1)).collect::<anyhow::Result<Vec<_>>>()?;
    let clean =
        seeds.iter().map(|seed| explained(*seed, 0.0)).collect::<anyhow::Result<Vec<_>>>()?;
    let of = |all: &[[f64; 2]], at: usize| all.iter().map(|found| found[at]).collect::<Vec<f64>>();
    let apart = clean.iter().map(|[plain, robust]| (plain - robust).abs()).collect();
    Ok(vec![
        Criterion::new(
            "a tenth of the entries wrong by 20, plain CCA: R2 of two shared sources",
            of(&all, 0),
            Bar::AtMost(0.75),
        ),
        Criterion::new(
            "the same, stacked pursuit: R2 of two shared sources",
            of(&all, 1),
            Bar::AtLeast(0.98),
        ),
        Criterion::new("no entry wrong: difference of the two", apart, Bar::AtMost(1e-3)),
    ])
}

fn explained(seed: u64, wrong: f64) -> anyhow::Result<[f64; 2]> {
    let mut rng = stream(seed, 0, 0, Purpose::Synthesis);
    let shared = tensor(&normal((ROWS, 2), &mut rng));
    let [a, b] = [30, 25].map(|width| {
        let sources = Tensor::cat(&[&shared, &tensor(&normal((ROWS, 2), &mut rng))], 1);
        let rows = sources.matmul(&tensor(&normal((4, width), &mut rng)));
        let error = |_| match unit(&mut rng) {
            drawn if drawn < wrong / 2.0 => GROSS,
            drawn if drawn < wrong => -GROSS,
            _ => 0.0,
        };
        let errors: Vec<f64> = (0..rows.numel()).map(error).collect();
        &rows + Tensor::from_slice(&errors).view_as(&rows)
    });
    let plain = LinearCca::fit(&a, &b, 0.0)?;
    let robust = LinearCca::fit_robust(&a, &b, 0.0, &RobustForm::Stacked(Pursuit::usual()))?;
    Ok([plain, robust].map(|model| r2(&model.transform_a(&a).narrow(1, 0, 2), &shared)))
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
