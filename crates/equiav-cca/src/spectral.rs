//! The canonical correlation of two sets of rows as one number with a gradient, without differentiating a
//! decomposition.

use std::num::NonZeroUsize;

use tch::{Kind, TchError, Tensor, no_grad};

use crate::covariance::Covariances;
use crate::whitening::{EIGENVALUE_FLOOR, inverse_square_root};

/// Which number is made of the canonical correlations; public code of deep CCA disagrees about it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SpectralSum {
    /// Their sum, the trace norm of the whitened cross-covariance (Andrew et al., ICML 2013).
    #[default]
    All,
    /// The sum of the largest ones.
    Top(NonZeroUsize),
    /// The sum of their squares.
    Squares,
}

impl SpectralSum {
    /// The derivative by each singular value; `values` are in descending order.
    fn slopes(self, values: &Tensor) -> Tensor {
        match self {
            Self::All => values.ones_like(),
            Self::Top(count) => {
                let slopes = values.zeros_like();
                let count = i64::try_from(count.get()).unwrap_or(i64::MAX).min(values.size()[0]);
                let _ = slopes.narrow(0, 0, count).fill_(1.0);
                slopes
            }
            Self::Squares => values * 2.0,
        }
    }

    fn of(self, values: &Tensor) -> Tensor {
        match self {
            Self::All | Self::Top(_) => (values * self.slopes(values)).sum(Kind::Double),
            Self::Squares => values.square().sum(Kind::Double),
        }
    }
}

/// A sum of canonical correlations, to be maximized.
///
/// ```text
/// T = (S11 + rI)^(-1/2) S12 (S22 + rI)^(-1/2) = U D V^T,      F = sum f(D)
/// dF/dS12 = (S11 + rI)^(-1/2) U f'(D) V^T (S22 + rI)^(-1/2)
/// dF/dS11 = -1/2 (S11 + rI)^(-1/2) U D f'(D) U^T (S11 + rI)^(-1/2),      dF/dS22 likewise
/// ```
///
/// (Andrew et al., ICML 2013, for f(D) = D.) The value is F. Its gradient is not taken through the decomposition, which
/// has none where singular values are equal: the result is `sum(G * S) + stop(F - sum(G * S))` over the three covariances
/// with the constant G above, so autograd hands G on to whatever the covariances were made of. It is exact as long as no
/// eigenvalue lies below [`EIGENVALUE_FLOOR`].
///
/// # Shapes
///
/// - `covariances`: in 64 bits, as of [`Covariances::of_rows`]; symmetric where they have to be
/// - returns: `[]`, in 64 bits
///
/// # Errors
///
/// If libtorch finds no decomposition, as of rows that are not finite.
///
/// # Panics
///
/// If the sizes do not fit to each other, or `ridge` is negative.
#[track_caller]
pub fn canonical_correlation(
    covariances: &Covariances,
    sum: SpectralSum,
    ridge: f64,
) -> Result<Tensor, TchError> {
    let Covariances { aa, bb, ab } = covariances;
    let sizes = [aa.size()[0], bb.size()[0]];
    assert_eq!(ab.size(), sizes, "canonical_correlation: the covariances do not fit");
    let (value, gradients) = no_grad(|| {
        let whiten_a = inverse_square_root(aa, ridge, EIGENVALUE_FLOOR)?;
        let whiten_b = inverse_square_root(bb, ridge, EIGENVALUE_FLOOR)?;
        let (u, d, v) = whiten_a.f_matmul(ab)?.f_matmul(&whiten_b)?.f_svd(true, true)?;
        let slopes = sum.slopes(&d);
        let (left, right) = (whiten_a.f_matmul(&u)?, whiten_b.f_matmul(&v)?);
        let own = |side: &Tensor| (side * (&d * &slopes)).f_matmul(&side.tr()).map(|g| g * -0.5);
        let across = (&left * &slopes).f_matmul(&right.tr())?;
        Ok::<_, TchError>((sum.of(&d), [own(&left)?, own(&right)?, across]))
    })?;
    let linear = gradients.iter().zip([aa, bb, ab]);
    let linear: Tensor = linear.map(|(g, s)| (g * s).sum(Kind::Double)).sum();
    Ok(&linear + (value - linear.detach()))
}
