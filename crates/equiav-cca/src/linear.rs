//! Linear canonical correlation analysis as a model: fitted on some rows, used on others, kept as safetensors.

mod file;

use anyhow::{Context as _, ensure};
use tch::{Kind, Tensor};

use crate::covariance::Covariances;
use crate::robust::clean_rows;
use crate::sizes;
use crate::whitening::{EIGENVALUE_FLOOR, inverse_square_root};

/// Rows for each column below which correlations of the fitted rows say little: independent rows correlate.
pub const FEW_ROWS: i64 = 20;

/// Linear maps of two sets of rows whose outputs correlate as much as they can, each output with its own partner
/// alone (Hotelling 1936).
///
/// Of the rows that it is fitted on, outputs have variance 1 (where the ridge is 0) and the largest correlation comes
/// first. The sign of an output is that of its largest weight in the first map.
#[derive(Debug)]
pub struct LinearCca {
    /// What is done to the first rows, and to the second ones.
    sides: [Projection; 2],
    /// Of the fitted rows, `[k]`.
    fitted: Tensor,
}

/// What is done to the rows of one side.
#[derive(Debug)]
pub(crate) struct Projection {
    /// `[1, d]`.
    pub(crate) mean: Tensor,
    /// `[d, k]`.
    pub(crate) weights: Tensor,
    /// Orthonormal columns `[d, r]` that the rows less their mean are combinations of but for gross errors; none
    /// where the model is not robust.
    pub(crate) subspace: Option<Tensor>,
}

impl Projection {
    fn apply(&self, rows: &Tensor) -> Tensor {
        let centered = rows.to_kind(Kind::Double) - &self.mean;
        match &self.subspace {
            Some(subspace) => clean_rows(&centered, subspace).matmul(&self.weights),
            None => centered.matmul(&self.weights),
        }
    }
}

impl LinearCca {
    /// Fits `min(p, q)` pairs of outputs.
    ///
    /// ```text
    /// S11 + r1 I, S22 + r2 I whitened;  T = S11^(-1/2) S12 S22^(-1/2) = U D V^T
    /// weights: S11^(-1/2) U and S22^(-1/2) V,  correlations D
    /// r1 = ridge tr(S11) / p,  r2 = ridge tr(S22) / q
    /// ```
    ///
    /// So the ridge is relative to the mean variance of a column, and rows in another unit give the same correlations.
    ///
    /// # Shapes
    ///
    /// - `a`: `[n, p]`, `b`: `[n, q]`; row `i` of both belongs together
    ///
    /// # Errors
    ///
    /// If all rows of one side are alike, a number is not finite, or libtorch finds no decomposition.
    ///
    /// # Panics
    ///
    /// If the numbers of rows differ, there are less than 2, or `ridge` is negative.
    #[track_caller]
    pub fn fit(a: &Tensor, b: &Tensor, ridge: f64) -> anyhow::Result<Self> {
        Self::of_covariances(&Covariances::of_rows(a, b), (a, b), ridge)
    }

    /// As [`fit`](Self::fit) of `a` and `b`, by covariances that the caller has estimated, as of
    /// [`Covariances::mixed`].
    ///
    /// # Errors
    ///
    /// As [`fit`](Self::fit).
    ///
    /// # Panics
    ///
    /// As [`fit`](Self::fit), or if the covariances are those of rows of other widths.
    #[track_caller]
    pub fn of_covariances(
        covariances: &Covariances,
        (a, b): (&Tensor, &Tensor),
        ridge: f64,
    ) -> anyhow::Result<Self> {
        let [whiten_a, whiten_b] = [(&covariances.aa, "first"), (&covariances.bb, "second")]
            .map(|(covariance, which)| whiten(covariance, ridge).context(which));
        let (whiten_a, whiten_b) = (whiten_a?, whiten_b?);
        let across = whiten_a.f_matmul(&covariances.ab)?.f_matmul(&whiten_b)?;
        let (u, fitted, v) = across.f_svd(true, true)?;
        let (left, right) = (whiten_a.f_matmul(&u)?, whiten_b.f_matmul(&v)?);
        let signs = signs(&left);
        let mean = |rows: &Tensor| {
            rows.to_kind(Kind::Double).mean_dim([0i64].as_slice(), true, Kind::Double)
        };
        let side = |rows, weights| Projection { mean: mean(rows), weights, subspace: None };
        Ok(Self { sides: [side(a, left * &signs), side(b, right * signs)], fitted })
    }

    pub(crate) fn with_subspaces(mut self, subspaces: [Tensor; 2]) -> Self {
        for (side, subspace) in self.sides.iter_mut().zip(subspaces) {
            side.subspace = Some(subspace);
        }
        self
    }

    /// How many pairs of outputs there are.
    pub fn components(&self) -> i64 {
        self.fitted.size()[0]
    }

    /// The columns of the first and of the second rows.
    pub fn widths(&self) -> [i64; 2] {
        [0, 1].map(|side| self.sides[side].weights.size()[0])
    }

    /// Keeps the first `components` pairs of outputs.
    ///
    /// # Panics
    ///
    /// If there are less of them, or none is to be kept.
    #[must_use]
    #[track_caller]
    pub fn truncated(mut self, components: i64) -> Self {
        let there = self.components();
        assert!(0 < components && components <= there, "truncated: {components} of {there}");
        for side in &mut self.sides {
            side.weights = side.weights.narrow(1, 0, components).contiguous();
        }
        self.fitted = self.fitted.narrow(0, 0, components).contiguous();
        self
    }

    /// What is done to rows of the first and of the second kind, `(row - mean) weights`: mean `[1, d]` and weights `[d, k]`, in
    /// 64 bits. A robust model cleans rows before that.
    pub fn maps(&self) -> [(&Tensor, &Tensor); 2] {
        [0, 1].map(|side| (&self.sides[side].mean, &self.sides[side].weights))
    }

    /// The correlations of the rows that were fitted, `k` numbers: biased, see [`FEW_ROWS`].
    pub fn fitted_correlations(&self) -> Vec<f64> {
        Vec::try_from(&self.fitted).expect("64-bit numbers")
    }

    /// The outputs of rows of the first kind.
    ///
    /// # Shapes
    ///
    /// - `rows`: `[n, p]`
    /// - returns: `[n, k]`, in 64 bits
    ///
    /// # Panics
    ///
    /// If the width differs.
    #[track_caller]
    pub fn transform_a(&self, rows: &Tensor) -> Tensor {
        self.transform(0, rows)
    }

    /// The outputs of rows of the second kind; as [`transform_a`](Self::transform_a).
    ///
    /// # Panics
    ///
    /// If the width differs.
    #[track_caller]
    pub fn transform_b(&self, rows: &Tensor) -> Tensor {
        self.transform(1, rows)
    }

    #[track_caller]
    fn transform(&self, side: usize, rows: &Tensor) -> Tensor {
        let (_, columns) = sizes("transform", rows);
        let width = self.widths()[side];
        assert_eq!(columns, width, "transform: {columns} columns, fitted on {width}");
        self.sides[side].apply(rows)
    }

    /// The correlation of each pair of outputs over these rows, which should not be those that were fitted; NaN where
    /// an output does not change.
    ///
    /// # Shapes
    ///
    /// - `a`: `[n, p]`, `b`: `[n, q]`
    /// - returns: `k` numbers
    ///
    /// # Panics
    ///
    /// If the sizes differ.
    #[track_caller]
    pub fn correlations(&self, a: &Tensor, b: &Tensor) -> Vec<f64> {
        assert_eq!(a.size()[0], b.size()[0], "correlations: a and b differ in rows");
        let [x, y] = [self.transform_a(a), self.transform_b(b)]
            .map(|outputs| &outputs - outputs.mean_dim([0i64].as_slice(), true, Kind::Double));
        let over = |x: &Tensor, y: &Tensor| {
            (x * y).sum_dim_intlist([0i64].as_slice(), false, Kind::Double)
        };
        let correlations = over(&x, &y) / (over(&x, &x) * over(&y, &y)).sqrt();
        Vec::try_from(correlations).expect("64-bit numbers")
    }
}

fn whiten(covariance: &Tensor, ridge: f64) -> anyhow::Result<Tensor> {
    let variance = covariance.trace().double_value(&[]);
    ensure!(variance.is_finite(), "a number is not finite");
    ensure!(variance > 0.0, "all rows are alike");
    let ridge = ridge * variance / covariance.size()[0] as f64;
    Ok(inverse_square_root(covariance, ridge, EIGENVALUE_FLOOR)?)
}

/// For each column, 1 or -1: the sign of its largest entry.
fn signs(weights: &Tensor) -> Tensor {
    let largest = weights.abs().argmax(0, true);
    let signs = weights.gather(0, &largest, false).sign();
    signs.where_self(&signs.ne(0.0), &signs.ones_like())
}
