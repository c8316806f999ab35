//! Canonical correlation analysis, plain and robust, k-means, and the files that rows come from.

mod kmeans;
mod linear;
mod robust;
mod rows;
mod spectral;
mod whitening;

use equiav_augment::random::unit;
use equiav_augment::{Purpose, stream};
use tch::{Kind, Tensor};

/// Standard normal numbers, `[n, d]`, the same for the same seed whatever other tests run.
fn normal(n: i64, d: i64, seed: u64) -> Tensor {
    let mut rng = stream(seed, 0, 0, Purpose::Synthesis);
    let number = |_| {
        let radius = (-2.0 * (1.0 - unit(&mut rng)).ln()).sqrt();
        radius * (std::f64::consts::TAU * unit(&mut rng)).cos()
    };
    Tensor::from_slice(&(0..n * d).map(number).collect::<Vec<f64>>()).view([n, d])
}

/// An orthogonal matrix, `[d, d]`.
fn orthogonal(d: i64, seed: u64) -> Tensor {
    Tensor::linalg_qr(&normal(d, d, seed), "reduced").0
}

/// Rows of both sides whose canonical correlations are `rho` in the population: pairs of columns that share
/// `sqrt(rho)` of a common number, rotated (Bach and Jordan's construction).
fn correlated(n: i64, rho: &[f64], seed: u64) -> [Tensor; 2] {
    let d = rho.len() as i64;
    let rho = Tensor::from_slice(rho);
    let shared = normal(n, d, seed) * rho.sqrt();
    let side = |k: u64| {
        let own = normal(n, d, seed + k) * (&rho - 1.0).abs().sqrt();
        (&shared + own).matmul(&orthogonal(d, seed + 10 + k))
    };
    [side(1), side(2)]
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[])
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).contiguous().view(-1)).expect("numbers")
}
