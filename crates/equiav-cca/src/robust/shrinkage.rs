//! Soft thresholds of entries and of singular values: the proximal maps of the 1-norm and of the nuclear norm.

use tch::{Kind, TchError, Tensor};

/// Moves every entry toward 0 by `by`, and to 0 where it is nearer: `sign(x) max(|x| - by, 0)`.
///
/// # Shapes
///
/// - `x`: any
/// - returns: the same
pub fn shrink(x: &Tensor, by: f64) -> Tensor {
    x - x.clamp(-by, by)
}

/// Moves every singular value toward 0 by `by`, and tells how many are left (Cai, Candès, Shen, arXiv 0810.3286).
///
/// ```text
/// X = U D V^T  becomes  U max(D - by, 0) V^T
/// ```
///
/// # Shapes
///
/// - `x`: `[n, d]`, 64 bits
/// - returns: `[n, d]` and its rank
///
/// # Errors
///
/// If libtorch finds no decomposition, as of numbers that are not finite.
pub fn shrink_singular_values(x: &Tensor, by: f64) -> Result<(Tensor, i64), TchError> {
    let (u, values, v) = x.f_svd(true, true)?;
    let rank = values.gt(by).sum(Kind::Int64).int64_value(&[]);
    // What is 0 afterwards takes no part in the product.
    let [u, v] = [u, v].map(|side| side.narrow(1, 0, rank));
    let values = values.narrow(0, 0, rank) - by;
    Ok(((u * values).f_matmul(&v.tr())?, rank))
}
