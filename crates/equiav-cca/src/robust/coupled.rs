//! The coupled form of robust CCA: low-rank projections of both sides, drawn toward each other.

use anyhow::{bail, ensure};
use tch::{Kind, TchError, Tensor};

use super::pursuit::LowRankAndSparse;
use super::shrinkage::{shrink, shrink_singular_values};
use crate::sizes;

/// How the penalty grows from step to step, and up to what.
const GROWTH: f64 = 1.2;
const LARGEST: f64 = 1e8;

/// When a coupled pursuit ends, and what it weighs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CoupledPursuit {
    /// Lambda, what the sparse part costs; `1 / sqrt(n)` where there is none.
    pub lambda: Option<f64>,
    /// Mu, what a difference between both projections costs.
    pub coupling: f64,
    /// The share of either side (Frobenius norm) that both parts together may miss.
    pub tolerance: f64,
    /// Steps at most.
    pub max_steps: usize,
}

impl CoupledPursuit {
    /// `1 / sqrt(n)`, a coupling of 1e-3, a share of 1e-6, and 500 steps.
    pub fn usual() -> Self {
        Self { lambda: None, coupling: 1e-3, tolerance: 1e-6, max_steps: 500 }
    }
}

/// Takes both sides apart into a projection of low rank and a sparse part.
///
/// ```text
/// min |P|_* + |Q|_* + lambda (|E|_1 + |F|_1) + mu/2 |A P - B Q|_F^2   subject to   A = A P + E,  B = B Q + F
/// ```
///
/// by ADMM with a growing penalty, on copies of P and Q under the nuclear norm. The two projections are compared column
/// by column; the narrower side is widened by columns of 0 for that. A linear projection of wrong entries stays wrong, so
/// gross errors are softened by it, not removed; docs/methods/cca.md has figures.
///
/// # Shapes
///
/// - `a`: `[n, p]`, `b`: `[n, q]`
/// - returns: of either side, `A P` as the part of low rank and E
///
/// # Errors
///
/// If a number is not finite, libtorch finds no solution, or the steps do not suffice.
///
/// # Panics
///
/// If the numbers of rows differ.
#[track_caller]
pub fn coupled_pursuit(
    a: &Tensor,
    b: &Tensor,
    how: &CoupledPursuit,
) -> anyhow::Result<[LowRankAndSparse; 2]> {
    let ((n, p), (others, q)) = (sizes("coupled_pursuit: a", a), sizes("coupled_pursuit: b", b));
    assert_eq!(n, others, "coupled_pursuit: a and b differ in rows");
    let widest = p.max(q);
    let lambda = how.lambda.unwrap_or(1.0 / (n as f64).sqrt());
    let mut sides = [Side::new(a, widest)?, Side::new(b, widest)?];
    let mut penalty = 1e-2;
    for step in 1..=how.max_steps {
        for (one, other) in [(0, 1), (1, 0)] {
            let toward = sides[other].projected.shallow_clone();
            sides[one].step(&toward, lambda, how.coupling, penalty)?;
        }
        penalty = (penalty * GROWTH).min(LARGEST);
        if sides.iter().all(|side| side.missed <= how.tolerance) {
            let widths = [p, q];
            let mut widths = widths.into_iter();
            return Ok(sides.map(|side| side.finish(widths.next().unwrap_or(widest), step)));
        }
    }
    bail!("the coupled pursuit did not converge in {} steps", how.max_steps)
}

/// The state of one side.
struct Side {
    rows: Tensor,
    gram: Tensor,
    projection: Tensor,
    projected: Tensor,
    sparse: Tensor,
    of_rows: Tensor,
    of_projection: Tensor,
    /// The share of the rows that both parts miss, or of the projection its copy.
    missed: f64,
}

impl Side {
    fn new(rows: &Tensor, width: i64) -> anyhow::Result<Self> {
        let rows = rows.to_kind(Kind::Double).constant_pad_nd([0, width - rows.size()[1]]);
        ensure!(rows.norm().double_value(&[]).is_finite(), "a number is not finite");
        let square = Tensor::zeros([width, width], (Kind::Double, rows.device()));
        Ok(Self {
            gram: rows.tr().f_matmul(&rows)?,
            projection: square.copy(),
            projected: rows.zeros_like(),
            sparse: rows.zeros_like(),
            of_rows: rows.zeros_like(),
            of_projection: square,
            missed: f64::INFINITY,
            rows,
        })
    }

    fn step(
        &mut self,
        toward: &Tensor,
        lambda: f64,
        coupling: f64,
        penalty: f64,
    ) -> Result<(), TchError> {
        let (copy, _) = shrink_singular_values(
            &(&self.projection + &self.of_projection / penalty),
            1.0 / penalty,
        )?;
        let eye = Tensor::eye(copy.size()[0], (Kind::Double, copy.device()));
        let left = &self.gram * (coupling + penalty) + eye * penalty;
        let rows = (&self.rows - &self.sparse) * penalty + &self.of_rows + toward * coupling;
        let right = self.rows.tr().f_matmul(&rows)? + &copy * penalty - &self.of_projection;
        self.projection = Tensor::f_linalg_solve(&left, &right, true)?;
        self.projected = self.rows.f_matmul(&self.projection)?;
        let rest = &self.rows - &self.projected;
        self.sparse = shrink(&(&rest + &self.of_rows / penalty), lambda / penalty);
        let missed = rest - &self.sparse;
        let apart = &self.projection - &copy;
        self.of_rows += &missed * penalty;
        self.of_projection += &apart * penalty;
        let share = |part: &Tensor, whole: &Tensor| {
            part.norm().double_value(&[]) / whole.norm().double_value(&[]).max(f64::MIN_POSITIVE)
        };
        self.missed = share(&missed, &self.rows).max(share(&apart, &self.projection));
        Ok(())
    }

    fn finish(self, width: i64, steps: usize) -> LowRankAndSparse {
        LowRankAndSparse {
            low_rank: self.projected.narrow(1, 0, width).contiguous(),
            sparse: self.sparse.narrow(1, 0, width).contiguous(),
            steps,
        }
    }
}
