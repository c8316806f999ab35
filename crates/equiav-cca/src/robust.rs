//! Canonical correlation analysis of rows with gross errors, such as those of failed tracking: the errors are taken
//! apart first, then what is left is analyzed as usual.

pub(crate) mod coupled;
pub(crate) mod pursuit;
pub(crate) mod shrinkage;

use anyhow::Context as _;
use coupled::{CoupledPursuit, coupled_pursuit};
use pursuit::{Pursuit, principal_component_pursuit};
use shrinkage::shrink;
use tch::{Kind, Tensor};

use crate::linear::LinearCca;

/// Singular values of a cleaned side below this share of its largest one are what the pursuit has left of the other
/// side, which would correlate perfectly.
const SPANNED: f64 = 1e-2;
/// Steps of [`clean_rows`], and the relative change at which they end.
const CLEANING_STEPS: usize = 500;
const CLEANED: f64 = 1e-7;

/// How gross errors are taken apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RobustForm {
    /// By one pursuit of both sides side by side, each in the unit of its median deviation.
    Stacked(Pursuit),
    /// By projections of each side that are drawn toward each other.
    Coupled(CoupledPursuit),
}

impl LinearCca {
    /// Fits to rows of which some entries are grossly wrong, whichever they are.
    ///
    /// Each side is centered at its medians and divided by its median absolute deviation; errors are taken apart as
    /// `form` says; the rest is fitted as in [`fit`](Self::fit). Rows that the model is used on are cleaned too, each
    /// side by itself, by the subspace that the cleaned rows span ([`clean_rows`]), so no output knows of the other side.
    ///
    /// # Shapes
    ///
    /// - `a`: `[n, p]`, `b`: `[n, q]`; row `i` of both belongs together
    ///
    /// # Errors
    ///
    /// As for [`fit`](Self::fit), or if the pursuit does not converge.
    ///
    /// # Panics
    ///
    /// As [`fit`](Self::fit).
    #[track_caller]
    pub fn fit_robust(
        a: &Tensor,
        b: &Tensor,
        ridge: f64,
        form: &RobustForm,
    ) -> anyhow::Result<Self> {
        let (a, b) = (RobustUnits::new(a), RobustUnits::new(b));
        let clean = match form {
            RobustForm::Stacked(pursuit) => {
                let both = Tensor::cat(&[&a.rows, &b.rows], 1);
                let clean = principal_component_pursuit(&both, pursuit)?.low_rank;
                let (p, q) = (a.rows.size()[1], b.rows.size()[1]);
                [clean.narrow(1, 0, p), clean.narrow(1, p, q)]
            }
            RobustForm::Coupled(pursuit) => {
                coupled_pursuit(&a.rows, &b.rows, pursuit)?.map(|separated| separated.low_rank)
            }
        };
        let subspaces = [span(&clean[0])?, span(&clean[1])?];
        let [clean_a, clean_b] = [(&a, 0), (&b, 1)].map(|(units, side)| {
            let mean = clean[side].mean_dim([0i64].as_slice(), true, Kind::Double);
            let subspace = &subspaces[side];
            let spanned = (&clean[side] - &mean).matmul(subspace).matmul(&subspace.tr());
            units.undo(&(spanned + mean))
        });
        let model = Self::fit(&clean_a, &clean_b, ridge).context("after gross errors are gone")?;
        Ok(model.with_subspaces(subspaces))
    }
}

/// Rows in units that few wrong entries do not change.
struct RobustUnits {
    rows: Tensor,
    median: Tensor,
    scale: f64,
}

impl RobustUnits {
    fn new(rows: &Tensor) -> Self {
        let rows = rows.to_kind(Kind::Double);
        let (median, _) = rows.median_dim(0, true);
        let rows = rows - &median;
        let deviation = rows.abs().median().double_value(&[]);
        // Where most entries are the same, the usual deviation has to do.
        let otherwise = rows.square().mean(Kind::Double).sqrt().double_value(&[]);
        let usable = [deviation, otherwise].into_iter().find(|scale| *scale > 0.0);
        let scale = usable.unwrap_or(1.0);
        Self { rows: rows / scale, median, scale }
    }

    fn undo(&self, rows: &Tensor) -> Tensor {
        rows * self.scale + &self.median
    }
}

/// Orthonormal columns that span `rows` less their mean, `[d, r]` with at least one.
fn span(rows: &Tensor) -> Result<Tensor, tch::TchError> {
    let centered = rows - rows.mean_dim([0i64].as_slice(), true, Kind::Double);
    let (_, values, vectors) = centered.f_svd(true, true)?;
    let least = SPANNED * values.max().double_value(&[]);
    let count = values.gt(least).sum(Kind::Int64).int64_value(&[]).max(1);
    Ok(vectors.narrow(1, 0, count).contiguous())
}

/// The combinations of the columns of `subspace` that differ least from `rows` in the sum of absolute differences, so
/// that a few entries may be as wrong as they like.
///
/// ```text
/// row by row: min over c of |x - B c|_1, by ADMM on z = x - B c with as many steps as it takes, at most 500
/// ```
///
/// # Shapes
///
/// - `rows`: `[n, d]`, less the mean that the subspace was found with
/// - `subspace`: `[d, r]`, orthonormal columns
/// - returns: `[n, d]`
///
/// # Panics
///
/// If the widths differ.
#[track_caller]
pub fn clean_rows(rows: &Tensor, subspace: &Tensor) -> Tensor {
    assert_eq!(rows.size()[1], subspace.size()[0], "clean_rows: the widths differ");
    // Each row is its own problem and has its own unit, so no row depends on its company.
    let unit = rows.abs().mean_dim([1i64].as_slice(), true, Kind::Double).clamp_min(1e-300);
    let rows = rows / &unit;
    let project = |x: &Tensor| x.matmul(subspace).matmul(&subspace.tr());
    let mut multiplier = rows.zeros_like();
    let mut clean = project(&rows);
    for _ in 0..CLEANING_STEPS {
        let rest = shrink(&(&rows - &clean + &multiplier), 1.0);
        let next = project(&(&rows - &rest + &multiplier));
        multiplier += &rows - &next - rest;
        let change = (&next - &clean).abs().max().double_value(&[]);
        clean = next;
        if change < CLEANED {
            break;
        }
    }
    clean * unit
}
