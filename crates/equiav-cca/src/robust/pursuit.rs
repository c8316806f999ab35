//! Principal component pursuit: a matrix as the sum of one of low rank and a sparse one.

use anyhow::{bail, ensure};
use tch::{Kind, Tensor};

use super::shrinkage::{shrink, shrink_singular_values};
use crate::sizes;

/// How the penalty grows from step to step, and by how much at most. With the usual 1.5 there are fewer steps, and
/// singular values of up to 1 % of the largest are left that are none of the low-rank part's; with 1.1 half of that.
const GROWTH: f64 = 1.1;
const LARGEST: f64 = 1e7;

/// When a pursuit ends, and what it weighs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pursuit {
    /// Lambda, what the sparse part costs; `1 / sqrt(max(n, d))` where there is none, for which exact recovery is
    /// proven (Candès, Li, Ma, Wright, arXiv 0912.3599).
    pub lambda: Option<f64>,
    /// The share of the matrix (Frobenius norm) that both parts together may miss.
    pub tolerance: f64,
    /// Steps at most.
    pub max_steps: usize,
}

impl Pursuit {
    /// The proven lambda, a share of 1e-7, and 1,000 steps at most.
    pub fn usual() -> Self {
        Self { lambda: None, tolerance: 1e-7, max_steps: 1000 }
    }
}

/// A matrix taken apart.
#[derive(Debug)]
pub struct LowRankAndSparse {
    /// The part of low rank.
    pub low_rank: Tensor,
    /// The sparse part.
    pub sparse: Tensor,
    /// Steps that were taken.
    pub steps: usize,
}

/// Takes a matrix apart into one of low rank and a sparse one.
///
/// ```text
/// min |L|_* + lambda |E|_1   subject to   X = L + E
/// ```
///
/// by ADMM with a growing penalty (the inexact augmented Lagrangian of Lin, Chen, Ma, arXiv 1009.5055). Each step
/// decomposes the whole matrix.
///
/// # Shapes
///
/// - `x`: `[n, d]`
///
/// # Errors
///
/// If a number is not finite, libtorch finds no decomposition, or the steps do not suffice.
pub fn principal_component_pursuit(x: &Tensor, how: &Pursuit) -> anyhow::Result<LowRankAndSparse> {
    let (n, d) = sizes("principal_component_pursuit", x);
    let x = x.to_kind(Kind::Double);
    let size = x.norm().double_value(&[]);
    ensure!(size.is_finite(), "a number is not finite");
    let (mut low_rank, mut sparse) = (x.zeros_like(), x.zeros_like());
    if size == 0.0 {
        return Ok(LowRankAndSparse { low_rank, sparse, steps: 0 });
    }
    let lambda = how.lambda.unwrap_or(1.0 / (n.max(d) as f64).sqrt());
    let spectral = x.f_svd(true, false)?.1.max().double_value(&[]);
    let largest = x.abs().max().double_value(&[]);
    let mut multiplier = &x / spectral.max(largest / lambda);
    let mut penalty = 1.25 / spectral;
    let bound = penalty * LARGEST;
    for step in 1..=how.max_steps {
        sparse = shrink(&(&x - &low_rank + &multiplier / penalty), lambda / penalty);
        (low_rank, _) =
            shrink_singular_values(&(&x - &sparse + &multiplier / penalty), 1.0 / penalty)?;
        let missed = &x - &low_rank - &sparse;
        multiplier += &missed * penalty;
        penalty = (penalty * GROWTH).min(bound);
        if missed.norm().double_value(&[]) <= how.tolerance * size {
            return Ok(LowRankAndSparse { low_rank, sparse, steps: step });
        }
    }
    bail!("the pursuit did not converge in {} steps", how.max_steps)
}
