//! The intra-modal loss: each row finds its partner among all other rows of both branches.

use tch::Tensor;

use crate::{Contrast, Keys, Temperature, miss, own_columns, rows, scores, top1};

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
///
/// # Panics
///
/// If the sizes differ from those, if a fixed `tau` is not above 0, or inside an autocast region.
#[track_caller]
pub fn nt_xent<'t>(
    predicted: &Tensor,
    augmented: &Tensor,
    keys: &Keys,
    tau: impl Into<Temperature<'t>>,
) -> Contrast {
    let own = own_columns(rows("nt_xent", predicted, augmented, keys), keys);
    let tau = tau.into();
    let across = scores(predicted, &keys.b, tau);
    let within = without_self(&scores(predicted, &keys.a, tau), &own);
    let from_predicted = Tensor::cat(&[across, within], 1); // [n, 2N]

    let across = scores(augmented, &keys.a, tau);
    let within = without_self(&scores(augmented, &keys.b, tau), &own);
    let from_augmented = Tensor::cat(&[across, within], 1);

    let loss = (miss(&from_predicted, &own) + miss(&from_augmented, &own)) / 2;
    Contrast { loss, top1: top1(&from_predicted, &own) }
}

/// `scores` with each row's similarity to itself taken out of its softmax.
fn without_self(scores: &Tensor, own: &Tensor) -> Tensor {
    scores.scatter_value(1, &own.unsqueeze(1), f64::NEG_INFINITY)
}
