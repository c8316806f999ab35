//! Top-k accuracy of exclusive classes.

use ndarray::{ArrayView2, Axis};
use serde::Serialize;

use crate::{EvalError, check_values};

/// How often the right class is among the best `k`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TopK {
    /// How many classes an example may name.
    pub k: usize,
    /// The share of the examples whose class is among them, in [0, 1].
    pub share: f64,
    /// How many examples score a wrong class exactly as high as the right one; such a tie counts as
    /// won.
    pub ties: usize,
    /// How many examples were measured.
    pub examples: usize,
}

/// Counts the examples for which fewer than `k` classes score strictly higher than the right one.
///
/// # Shapes
///
/// - `scores`: `[examples, classes]`
/// - `labels`: one column of `scores` per example
///
/// # Errors
///
/// If the sizes differ, a label is no column, there is no score, or a score is not finite.
pub fn top_k_accuracy(
    scores: ArrayView2<'_, f32>,
    labels: &[usize],
    k: usize,
) -> Result<TopK, EvalError> {
    check_values("scores", scores)?;
    let (examples, classes) = scores.dim();
    if labels.len() != examples {
        let (scores, targets) = (scores.shape().to_vec(), vec![labels.len()]);
        return Err(EvalError::Sizes { scores, targets });
    }
    let (mut found, mut ties) = (0, 0);
    for (row, (scores, &label)) in scores.axis_iter(Axis(0)).zip(labels).enumerate() {
        let right = *scores.get(label).ok_or(EvalError::NoSuchClass { row, label, classes })?;
        found += usize::from(scores.iter().filter(|score| **score > right).count() < k);
        ties += usize::from(scores.iter().filter(|score| **score == right).count() > 1);
    }
    Ok(TopK { k, share: found as f64 / examples as f64, ties, examples })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn equals_its_definition_without_ties(order in Just((0..6).collect::<Vec<u8>>()).prop_shuffle(), label in 0usize..6, k in 1usize..7) {
            let scores = Array2::from_shape_fn((1, 6), |(_, class)| f32::from(order[class]));
            let mut best: Vec<usize> = (0..6).collect();
            best.sort_by_key(|class| std::cmp::Reverse(order[*class]));
            let ours = top_k_accuracy(scores.view(), &[label], k).expect("finite");
            prop_assert_eq!(ours.share, f64::from(u8::from(best[..k].contains(&label))));
            prop_assert_eq!(ours.ties, 0);
        }
    }

    #[test]
    fn ties_are_won_and_told() {
        let scores = array![[1.0, 1.0, 0.0], [0.0, 2.0, 3.0]];
        let ours = top_k_accuracy(scores.view(), &[1, 1], 1).expect("finite");
        assert_eq!(ours, TopK { k: 1, share: 0.5, ties: 1, examples: 2 });
    }

    #[test]
    fn a_label_beyond_the_classes_is_an_error() {
        let scores = array![[1.0, 0.0]];
        let failure = top_k_accuracy(scores.view(), &[2], 1).expect_err("two classes");
        assert_eq!(failure.to_string(), "row 0 has label 2, but there are only 2 classes");
        assert!(matches!(top_k_accuracy(scores.view(), &[0, 0], 1), Err(EvalError::Sizes { .. })));
    }
}
