//! The intra-modal loss: each row finds its partner among all other rows of both branches.

use tch::Tensor;

use crate::contrast::{Contrast, contrast};
use crate::{Keys, Temperature, own_columns, rows};

/// NT-Xent (arXiv 2002.05709, 2403.09502) between the predicted and the augmented branch: row `i` of
/// one should find row `i` of the other among the `2N − 1` rows that are not itself.
///
/// ```text
/// s(x, y)    = ⟨x, y⟩ / (‖x‖ ‖y‖ tau)
/// miss(x, y) = meanᵢ −log ( exp s(xᵢ, yᵢ) / (Σⱼ exp s(xᵢ, yⱼ) + Σⱼ≠ᵢ exp s(xᵢ, xⱼ)) )
/// loss       = ½ miss(predicted, augmented) + ½ miss(augmented, predicted)
/// ```
///
/// The positive is in the denominator, a row's similarity to itself is not: `2N − 2` negatives, from
/// both branches. `top1` counts the predicted rows whose best candidate is their positive.
///
/// # Shapes
///
/// - `predicted`, `augmented`: `[n, d]`, this rank's rows, of any length
/// - `keys.a`, `keys.b`: `[N, d]`, with `predicted` and `augmented` as their rows `first .. first + n`
/// - `chunk`: rows of scores to hold at a time; all without one, see [`contrast`]
///
/// # Panics
///
/// If the sizes differ from those, `chunk` is below 1, a fixed `tau` is not above 0, or inside an autocast region.
#[track_caller]
pub fn nt_xent<'t>(
    predicted: &Tensor,
    augmented: &Tensor,
    keys: &Keys,
    tau: impl Into<Temperature<'t>>,
    chunk: Option<i64>,
) -> Contrast {
    let own = own_columns(rows("nt_xent", predicted, augmented, keys), keys);
    let tau = tau.into();
    // The keys are the N rows of the other branch, then the N of a query's own, itself among them.
    let itself = (&own + keys.a.size()[0]).unsqueeze(1); // [n, 1]
    let forth = contrast(predicted, &[&keys.b, &keys.a], &own, tau, Some(&itself), chunk);
    let back = contrast(augmented, &[&keys.a, &keys.b], &own, tau, Some(&itself), chunk);
    Contrast::both_ways([forth, back])
}
