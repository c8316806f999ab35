//! The assignment that is worth most, against trying everything, and clustering accuracy.

use equiav_eval::{EvalError, best_assignment, clustering_accuracy};
use ndarray::Array2;
use proptest::prelude::*;

/// The best sum by trying everything.
fn by_trying(worth: &Array2<f64>, row: usize, taken: &mut [bool], spare: usize) -> f64 {
    if row == worth.nrows() {
        return 0.0;
    }
    let mut best = f64::NEG_INFINITY;
    if spare > 0 {
        best = by_trying(worth, row + 1, taken, spare - 1);
    }
    for column in 0..worth.ncols() {
        if !taken[column] {
            taken[column] = true;
            let rest = by_trying(worth, row + 1, taken, spare);
            best = best.max(worth[[row, column]] + rest);
            taken[column] = false;
        }
    }
    best
}

proptest! {
    #[test]
    fn no_other_assignment_is_worth_more(
        rows in 1usize..6, columns in 1usize..6,
        values in prop::collection::vec(-4i32..5, 36),
    ) {
        let at = |(row, column)| f64::from(values[6 * row + column]) / 2.0;
        let worth = Array2::from_shape_fn((rows, columns), at);
        let found = best_assignment(worth.view()).expect("an assignment");
        let pairs: Vec<(usize, usize)> =
            found.iter().enumerate().filter_map(|(row, column)| Some((row, (*column)?))).collect();
        prop_assert_eq!(pairs.len(), rows.min(columns));
        let mut used: Vec<usize> = pairs.iter().map(|(_, column)| *column).collect();
        used.sort_unstable();
        used.dedup();
        prop_assert_eq!(used.len(), pairs.len());
        let sum: f64 = pairs.iter().map(|pair| worth[*pair]).sum();
        let best = by_trying(&worth, 0, &mut vec![false; columns], rows.saturating_sub(columns));
        prop_assert!((sum - best).abs() < 1e-9, "{} of {}", sum, best);
    }
}

#[test]
fn accuracy_does_not_depend_on_names() {
    let of = |labels: &[usize], clusters: &[usize]| {
        clustering_accuracy(labels, clusters).expect("a share")
    };
    assert_eq!(of(&[0, 0, 1, 1, 7], &[5, 5, 0, 0, 2]), 1.0);
    assert_eq!(of(&[0, 0, 0, 1], &[3, 3, 9, 3]), 0.5);
    assert_eq!(of(&[0, 0, 1, 1], &[0, 1, 2, 3]), 0.5);
    // Taking the largest count first would give 3 + 0 of 7 here, the best pairing 2 + 2.
    assert_eq!(of(&[0, 0, 0, 1, 1, 0, 0], &[0, 0, 0, 0, 0, 1, 1]), 4.0 / 7.0);
    assert!(matches!(clustering_accuracy(&[], &[]), Err(EvalError::Empty { .. })));
    assert!(matches!(clustering_accuracy(&[1], &[]), Err(EvalError::Sizes { .. })));
    let nan = Array2::from_elem((1, 1), f64::NAN);
    assert!(matches!(best_assignment(nan.view()), Err(EvalError::NotFinite { .. })));
}
