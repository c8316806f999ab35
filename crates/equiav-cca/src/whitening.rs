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

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn twice_it_is_the_inverse() {
        tch::manual_seed(1);
        let rows = Tensor::randn([50, 6], (Kind::Double, Device::Cpu));
        let matrix = rows.tr().matmul(&rows);
        let root = inverse_square_root(&matrix, 0.5, 0.0).expect("a root");
        let eye = Tensor::eye(6, (Kind::Double, Device::Cpu));
        let product = root.matmul(&root).matmul(&(matrix + &eye * 0.5));
        assert!((product - eye).abs().max().double_value(&[]) < 1e-12);
    }

    #[test]
    fn the_floor_and_directions_without_variance() {
        let matrix = Tensor::from_slice(&[4.0, 1e-20, 0.0]).diag(0);
        let diagonal = |floor| {
            let root = inverse_square_root(&matrix, 0.0, floor).expect("a root");
            Vec::<f64>::try_from(root.diagonal(0, 0, 1)).expect("numbers")
        };
        assert_eq!(diagonal(0.25), [0.5, 1.0, 1.0]);
        let bare = diagonal(0.0);
        assert!(bare[0] == 0.5 && (bare[1] / 1e10 - 1.0).abs() < 1e-12 && bare[2] == 0.0);
        assert!(inverse_square_root(&(matrix * f64::NAN), 0.0, 0.0).is_err());
    }
}
