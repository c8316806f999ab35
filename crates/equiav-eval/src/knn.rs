//! k-NN classification: votes of the nearest neighbors, weighted by their similarity.

use ndarray::{Array2, ArrayView2, Axis};

use crate::EvalError;
use crate::tiles::top_k::Neighbors;

/// The weighted vote of the neighbors of each query for each class.
///
/// ```text
/// vote(class) = Σ exp(cosine / temperature)    over the neighbors of the class,
/// ```
///
/// the weighted vote of Wu et al. 2018, divided by the sum over all neighbors. A smaller temperature listens
/// more to the nearest; 0.07 is usual.
///
/// # Shapes
///
/// - `neighbors`: `[queries, k]`, the best of a gallery by cosine, as [`top_k`](crate::top_k) finds them
/// - `labels`: the class of each candidate of that gallery, below `classes`
/// - returns: `[queries, classes]`, rows of sum 1
///
/// # Errors
///
/// If there is no neighbor, one has no label, or a label is no class.
///
/// # Panics
///
/// If the temperature is not above 0.
#[track_caller]
pub fn knn_votes(
    neighbors: &Neighbors,
    labels: &[usize],
    classes: usize,
    temperature: f64,
) -> Result<Array2<f32>, EvalError> {
    if let Some(row) = labels.iter().position(|label| *label >= classes) {
        return Err(EvalError::NoSuchClass { row, label: labels[row], classes });
    }
    votes(neighbors, (labels.len(), classes), temperature, |sums, candidate, weight| {
        sums[labels[candidate]] += weight;
    })
}

/// As [`knn_votes`], of candidates that may be of several classes, or of none.
///
/// # Shapes
///
/// - `neighbors`: `[queries, k]`
/// - `targets`: `[gallery, classes]`, how much of each class each candidate is, in [0, 1]
/// - returns: `[queries, classes]`, each in [0, 1]
///
/// # Errors
///
/// If there is no neighbor, or one has no targets.
///
/// # Panics
///
/// If the temperature is not above 0.
#[track_caller]
pub fn multilabel_knn_votes(
    neighbors: &Neighbors,
    targets: ArrayView2<'_, f32>,
    temperature: f64,
) -> Result<Array2<f32>, EvalError> {
    votes(neighbors, targets.dim(), temperature, |sums, candidate, weight| {
        let targets = targets.row(candidate);
        sums.iter_mut().zip(targets).for_each(|(sum, part)| *sum += weight * f64::from(*part));
    })
}

/// The votes of candidates in a gallery of so many and so many classes; `vote` adds one's weight to the sums.
#[track_caller]
fn votes(
    neighbors: &Neighbors,
    (gallery, classes): (usize, usize),
    temperature: f64,
    vote: impl Fn(&mut [f64], usize, f64),
) -> Result<Array2<f32>, EvalError> {
    assert!(temperature > 0.0, "a temperature of {temperature} weights nothing");
    let (queries, k) = neighbors.indices.dim();
    if queries * k == 0 {
        return Err(EvalError::Empty { what: "neighbors", rows: queries, columns: k });
    }
    if neighbors.indices.iter().any(|index| *index >= gallery) {
        let (scores, targets) = (vec![queries, k], vec![gallery]);
        return Err(EvalError::Sizes { scores, targets });
    }
    let mut votes = Array2::zeros((queries, classes));
    let found = neighbors.indices.axis_iter(Axis(0)).zip(neighbors.scores.axis_iter(Axis(0)));
    for (mut votes, (indices, scores)) in votes.axis_iter_mut(Axis(0)).zip(found) {
        // as above, over the nearest one's weight, which alone may be too large a number
        let weight = |score: &f32| (f64::from(score - scores[0]) / temperature).exp();
        let mut sums = vec![0.0; classes];
        for (index, score) in indices.iter().zip(scores) {
            vote(&mut sums, *index, weight(score));
        }
        let all: f64 = scores.iter().map(weight).sum();
        votes.iter_mut().zip(sums).for_each(|(vote, sum)| *vote = (sum / all) as f32);
    }
    Ok(votes)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn votes_are_weighted_and_sum_to_one() {
        let neighbors = Neighbors { indices: array![[2, 0, 1]], scores: array![[0.9, 0.8, 0.8]] };
        let votes = knn_votes(&neighbors, &[1, 1, 0], 3, 0.1).expect("votes");
        let one = 1.0 / (1.0 + 2.0 * (-1.0_f32).exp());
        assert!((votes[[0, 0]] - one).abs() < 1e-6, "{votes}");
        assert!((votes.sum() - 1.0).abs() < 1e-6 && votes[[0, 2]] == 0.0);
        // at a high temperature two neighbors outvote the nearest one; at a low one nothing overflows
        let votes = knn_votes(&neighbors, &[1, 1, 0], 3, 100.0).expect("votes");
        assert!(votes[[0, 1]] > 0.6);
        let votes = knn_votes(&neighbors, &[1, 1, 0], 3, 1e-5).expect("votes");
        assert_eq!(votes.row(0).to_vec(), [1.0, 0.0, 0.0]);
    }

    #[test]
    fn candidates_of_several_classes_vote_for_each() {
        let neighbors = Neighbors { indices: array![[2, 0, 1]], scores: array![[0.9, 0.8, 0.8]] };
        let one = array![[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]];
        let votes = multilabel_knn_votes(&neighbors, one.view(), 0.1).expect("votes");
        assert_eq!(votes, knn_votes(&neighbors, &[1, 1, 0], 3, 0.1).expect("votes"));
        let several = array![[0.0, 1.0, 1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 0.0]];
        let votes = multilabel_knn_votes(&neighbors, several.view(), 0.1).expect("votes");
        let (near, far) = (1.0 / (1.0 + 2.0 * (-1.0_f32).exp()), 1.0 / (1.0_f32.exp() + 2.0));
        for (ours, expected) in votes.iter().zip([near, near + far, far]) {
            assert!((ours - expected).abs() < 1e-6, "{votes}");
        }
        let few = multilabel_knn_votes(&neighbors, one.slice(ndarray::s![..2, ..]), 0.1);
        assert!(matches!(few, Err(EvalError::Sizes { .. })));
    }

    #[test]
    fn labels_must_be_classes_of_the_gallery() {
        let neighbors = Neighbors { indices: array![[2]], scores: array![[0.5]] };
        let message = |labels: &[usize]| {
            knn_votes(&neighbors, labels, 2, 0.1).expect_err("should be refused").to_string()
        };
        assert_eq!(message(&[0, 2, 1]), "row 1 has label 2, but there are only 2 classes");
        assert_eq!(message(&[0, 1]), "[1, 1] scores do not fit to [2] targets");
        let none = Neighbors { indices: Array2::zeros((2, 0)), scores: Array2::zeros((2, 0)) };
        assert!(matches!(knn_votes(&none, &[], 2, 0.1), Err(EvalError::Empty { .. })));
    }
}
