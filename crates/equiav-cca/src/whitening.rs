//! The inverse square root of a covariance.

use tch::{Kind, TchError, Tensor, no_grad};

use crate::sizes;

/// Eigenvalues below this share of the largest one are raised to it: what lies there is rounding.
pub const EIGENVALUE_FLOOR: f64 = 1e-10;

/// The inverse square root of a symmetric matrix, by its eigenvectors U and eigenvalues d.
///
/// ```text
/// (S + ridge I)^(-1/2) = U diag(e^(-1/2)) U^T,    e = max(d + ridge, floor max(d + ridge))
/// ```
///
/// A direction with neither variance nor ridge becomes 0, as in a pseudoinverse. The result carries no gradient.
///
/// # Shapes
///
/// - `matrix`: `[d, d]`; of its two halves, the mean is taken
/// - returns: `[d, d]`, in 64 bits
///
/// # Errors
///
/// If libtorch finds no eigenvalues, as of a matrix with an entry that is not finite.
///
/// # Panics
///
/// If the matrix is not square, or `ridge` or `floor` is negative.
#[track_caller]
pub fn inverse_square_root(matrix: &Tensor, ridge: f64, floor: f64) -> Result<Tensor, TchError> {
    let (rows, columns) = sizes("inverse_square_root", matrix);
    assert_eq!(rows, columns, "inverse_square_root: the matrix is not square");
    assert!(ridge >= 0.0 && floor >= 0.0, "inverse_square_root: ridge {ridge}, floor {floor}");
    no_grad(|| {
        let matrix = matrix.to_kind(Kind::Double);
        let (values, vectors) = ((&matrix + matrix.tr()) / 2.0).f_linalg_eigh("L")?;
        let values = values + ridge;
        let least = (floor * values.max().double_value(&[])).max(0.0);
        let raised = values.clamp_min(least);
        let inverse = raised.rsqrt().where_self(&raised.gt(0.0), &raised.zeros_like());
        (&vectors * inverse).f_matmul(&vectors.tr())
    })
}
