//! Losses of class scores against targets that may be mixed or softened.

use tch::{Kind, Reduction, Tensor};

use crate::Contrast;

/// Binary cross-entropy with logits, for classes that do not exclude each other.
///
/// ```text
/// loss = meanᵢ meanₖ −tᵢₖ log σ(sᵢₖ) − (1 − tᵢₖ) log (1 − σ(sᵢₖ))
/// ```
///
/// `top1` counts the rows whose best score is at a class with their largest target; rows of no class are missed.
///
/// # Shapes
///
/// - `scores`, `targets`: `[n, classes]`, targets in [0, 1]
///
/// # Panics
///
/// If the sizes differ or there is no row.
#[track_caller]
pub fn binary_cross_entropy(scores: &Tensor, targets: &Tensor) -> Contrast {
    let (scores, targets) = matched("binary_cross_entropy", scores, targets);
    let (weight, positive) = (None::<&Tensor>, None::<&Tensor>);
    let loss = scores.binary_cross_entropy_with_logits(&targets, weight, positive, Reduction::Mean);
    Contrast { loss, top1: top1(&scores, &targets) }
}

/// Cross-entropy, for classes of which a row has one, or a mixture of several.
///
/// ```text
/// loss = meanᵢ −Σₖ tᵢₖ log softmaxₖ sᵢ
/// ```
///
/// `top1` counts the rows whose best score is at a class with their largest target; rows of no class are missed.
///
/// # Shapes
///
/// - `scores`, `targets`: `[n, classes]`, targets in [0, 1]
///
/// # Panics
///
/// If the sizes differ or there is no row.
#[track_caller]
pub fn cross_entropy(scores: &Tensor, targets: &Tensor) -> Contrast {
    let (scores, targets) = matched("cross_entropy", scores, targets);
    let logarithms = scores.log_softmax(-1, scores.kind());
    let each = (logarithms * &targets).sum_dim_intlist(-1, false, None);
    Contrast { loss: -each.mean(scores.kind()), top1: top1(&scores, &targets) }
}

/// Both in at least 32 bits.
#[track_caller]
fn matched(loss: &str, scores: &Tensor, targets: &Tensor) -> (Tensor, Tensor) {
    let size = scores.size();
    assert!(
        matches!(size[..], [n, classes] if n > 0 && classes > 0),
        "{loss}: scores are [n, classes], not {size:?}"
    );
    assert_eq!(size, targets.size(), "{loss}: scores and targets differ in size");
    let kind = if scores.kind() == Kind::Double { Kind::Double } else { Kind::Float };
    (scores.to_kind(kind), targets.to_kind(kind))
}

fn top1(scores: &Tensor, targets: &Tensor) -> Tensor {
    let best = scores.detach().argmax(-1, true);
    let found = targets.gather(1, &best, false);
    let largest = targets.amax([1i64].as_slice(), true);
    let right = found.eq_tensor(&largest).logical_and(&largest.gt(0.0));
    right.to_kind(Kind::Float).mean(Kind::Float)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    const SHAPE: [i64; 2] = [5, 4];

    fn rows() -> (Tensor, Tensor) {
        let numbers = Tensor::arange(20, (Kind::Double, Device::Cpu));
        let scores = ((&numbers * 1.7).sin() * 3.0).reshape(SHAPE).set_requires_grad(true);
        let targets = (numbers * 0.9 + 0.3).sin().abs().reshape(SHAPE);
        (scores, targets)
    }

    fn plain(x: &Tensor) -> Vec<Vec<f64>> {
        Vec::try_from(x.detach()).expect("rows")
    }

    /// Compares value and gradient with those of `formula`, which has both for one row.
    fn check(
        loss: fn(&Tensor, &Tensor) -> Contrast,
        formula: impl Fn(&[f64], &[f64]) -> (f64, Vec<f64>),
    ) {
        let (scores, targets) = rows();
        let found = loss(&scores, &targets);
        found.loss.backward();
        let gradient = plain(&scores.grad());
        let (scores, targets) = (plain(&scores), plain(&targets));
        let mut sum = 0.0;
        for ((scores, targets), gradient) in scores.iter().zip(&targets).zip(gradient) {
            let (value, expected) = formula(scores, targets);
            sum += value / 5.0;
            for (ours, expected) in gradient.into_iter().zip(expected) {
                assert!((ours - expected / 5.0).abs() < 1e-12, "{ours} {expected}");
            }
        }
        assert!((found.loss.double_value(&[]) - sum).abs() < 1e-12);
    }

    #[test]
    fn binary_cross_entropy_and_its_gradient_equal_their_formula() {
        check(binary_cross_entropy, |scores, targets| {
            let sigmoid = |s: f64| 1.0 / (1.0 + (-s).exp());
            let each = scores
                .iter()
                .zip(targets)
                .map(|(s, t)| -t * sigmoid(*s).ln() - (1.0 - t) * (1.0 - sigmoid(*s)).ln());
            let gradient = scores.iter().zip(targets).map(|(s, t)| (sigmoid(*s) - t) / 4.0);
            (each.sum::<f64>() / 4.0, gradient.collect())
        });
    }

    #[test]
    fn cross_entropy_and_its_gradient_equal_their_formula() {
        check(cross_entropy, |scores, targets| {
            let total = scores.iter().map(|s| s.exp()).sum::<f64>();
            let each = scores.iter().zip(targets).map(|(s, t)| -t * (s.exp() / total).ln());
            let sum = targets.iter().sum::<f64>();
            let gradient = scores.iter().zip(targets).map(|(s, t)| sum * s.exp() / total - t);
            (each.sum(), gradient.collect())
        });
    }

    #[test]
    fn top1_counts_rows_whose_best_score_is_at_a_largest_target() {
        let scores = Tensor::from_slice2(&[[2f32, 1.0, 0.0], [0.0, 3.0, 1.0], [0.0, 1.0, 4.0]]);
        let targets = Tensor::from_slice2(&[[1f32, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 1.0]]);
        for loss in [binary_cross_entropy, cross_entropy] {
            let top1 = loss(&scores, &targets).top1.double_value(&[]);
            assert!((top1 - 2.0 / 3.0).abs() < 1e-6, "{top1}");
            let nothing = loss(&scores, &targets.zeros_like()).top1.double_value(&[]);
            assert_eq!(nothing, 0.0, "a row of no class is not right whatever it says");
        }
    }

    #[test]
    fn narrow_scores_are_widened() {
        let (scores, targets) = rows();
        for loss in [binary_cross_entropy, cross_entropy] {
            let narrow = loss(&scores.to_kind(Kind::BFloat16), &targets).loss;
            assert_eq!(narrow.kind(), Kind::Float);
        }
    }
}
