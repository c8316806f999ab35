//! What pulls the two codes of a clip together, as losses over the rows of a global batch.

use equiav_cca::{Covariances, canonical_correlation};
use tch::{Kind, Tensor};

use super::settings::Agreement;

/// The shortest length a code is divided by.
const SHORTEST: f64 = 1e-12;

/// The loss of two codes, `[]`, to be made smaller; none where nothing pulls them together.
///
/// ```text
/// correlation          -sum f(d),  d: singular values of (S11 + rI)^(-1/2) S12 (S22 + rI)^(-1/2)
/// per-dimension        -sum_k cov(a_k, b_k) / sqrt((var(a_k) + r) (var(b_k) + r))
/// relative-distance    mean |a - b|^2 / (|a|^2 + |b|^2)
/// direction-distance   mean |a/|a| - b/|b||^2
/// ```
///
/// `covariances` are those that the first of these sees.
pub(super) fn loss(
    agreement: &Agreement,
    [a, b]: [&Tensor; 2],
    covariances: impl FnOnce() -> Covariances,
) -> anyhow::Result<Option<Tensor>> {
    let squares = |x: &Tensor| x.square().sum_dim_intlist([1i64].as_slice(), true, Kind::Float);
    Ok(Some(match *agreement {
        Agreement::Correlation { sum, ridge, .. } => {
            -canonical_correlation(&covariances(), sum.into(), ridge)?.to_kind(Kind::Float)
        }
        Agreement::PerDimension { ridge } => -per_dimension([a, b], ridge),
        Agreement::RelativeDistance => {
            let lengths = (squares(a) + squares(b)).clamp_min(SHORTEST);
            (squares(&(a - b)) / lengths).mean(Kind::Float)
        }
        Agreement::DirectionDistance => {
            let unit = |x: &Tensor| x / squares(x).sqrt().clamp_min(SHORTEST);
            squares(&(unit(a) - unit(b))).mean(Kind::Float)
        }
        Agreement::None => return Ok(None),
    }))
}

/// The sum over columns of their correlations.
fn per_dimension([a, b]: [&Tensor; 2], ridge: f64) -> Tensor {
    let [a, b] = [a, b].map(|rows| {
        let rows = rows.to_kind(Kind::Double);
        &rows - rows.mean_dim([0i64].as_slice(), true, Kind::Double)
    });
    let over = |x: &Tensor, y: &Tensor| {
        (x * y).sum_dim_intlist([0i64].as_slice(), false, Kind::Double) / (x.size()[0] - 1) as f64
    };
    let variances = (over(&a, &a) + ridge) * (over(&b, &b) + ridge);
    (over(&a, &b) / variances.sqrt()).sum(Kind::Double).to_kind(Kind::Float)
}
