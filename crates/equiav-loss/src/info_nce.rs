//! The inter-modal loss: each row finds its partner among all rows of the other kind.

use tch::Tensor;

use crate::contrast::{Contrast, contrast};
use crate::{Keys, Temperature, own_columns, rows};

/// Symmetric InfoNCE (arXiv 1807.03748, 2403.09502): row `i` of `a` should find row `i` of `b` among
/// all keys, and the other way round.
///
/// ```text
/// s(x, y)    = ⟨x, y⟩ / (‖x‖ ‖y‖ tau)
/// miss(x, y) = meanᵢ −log softmaxⱼ s(xᵢ, yⱼ) at j = i
/// loss       = ½ miss(a, b) + ½ miss(b, a)
/// ```
///
/// `top1` counts the rows of `a` whose best key is their own, as the published logs do.
///
/// # Shapes
///
/// - `a`, `b`: `[n, d]`, this rank's rows, of any length
/// - `keys.a`, `keys.b`: `[N, d]`, with `a` and `b` as their rows `first .. first + n`
/// - `chunk`: rows of scores to hold at a time; all without one, see [`contrast`]
///
/// # Panics
///
/// If the sizes differ from those, `chunk` is below 1, a fixed `tau` is not above 0, or inside an autocast region.
#[track_caller]
pub fn info_nce<'t>(
    a: &Tensor,
    b: &Tensor,
    keys: &Keys,
    tau: impl Into<Temperature<'t>>,
    chunk: Option<i64>,
) -> Contrast {
    let own = own_columns(rows("info_nce", a, b, keys), keys);
    let tau = tau.into();
    let a_to_b = contrast(a, &[&keys.b], &own, tau, None, chunk);
    let b_to_a = contrast(b, &[&keys.a], &own, tau, None, chunk);
    Contrast::both_ways([a_to_b, b_to_a])
}
