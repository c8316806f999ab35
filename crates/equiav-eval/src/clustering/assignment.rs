//! The assignment of rows to columns that is worth most (Kuhn 1955), and the clustering accuracy that stands on it.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView2};

use crate::EvalError;

/// Pairs rows with columns, each in one pair at most, so that the sum over the pairs is the largest; all of the shorter
/// side are paired.
///
/// The Hungarian method with potentials, one shortest augmenting path a row (Jonker and Volgenant 1987): `O(n² m)` for
/// `n <= m`.
///
/// # Shapes
///
/// - `worth`: any rows and columns
/// - returns: the column of each row; none for rows that are left over
///
/// # Errors
///
/// If a number is not finite.
pub fn best_assignment(worth: ArrayView2<'_, f64>) -> Result<Vec<Option<usize>>, EvalError> {
    if let Some(((row, column), value)) = worth.indexed_iter().find(|(_, value)| !value.is_finite())
    {
        return Err(EvalError::NotFinite { what: "worth", row, column, value: *value as f32 });
    }
    let (rows, columns) = worth.dim();
    if rows <= columns {
        return Ok(columns_of_rows(worth).into_iter().map(Some).collect());
    }
    let mut found = vec![None; rows];
    for (column, row) in columns_of_rows(worth.t()).into_iter().enumerate() {
        found[row] = Some(column);
    }
    Ok(found)
}

/// The column of each row, of which there are not more than columns.
fn columns_of_rows(worth: ArrayView2<'_, f64>) -> Vec<usize> {
    let (rows, columns) = worth.dim();
    let mut row_potential = vec![0.0; rows];
    let mut column_potential = vec![0.0; columns];
    let mut row_of: Vec<Option<usize>> = vec![None; columns];
    for first in 0..rows {
        // Dijkstra over columns: `cost[c]` is the shortest path from `first` to c, `before[c]` the column before c.
        let mut cost = vec![f64::INFINITY; columns];
        let mut before = vec![None; columns];
        let mut done = vec![false; columns];
        let (mut row, mut reached, mut last) = (first, 0.0, None);
        let end = loop {
            for column in (0..columns).filter(|column| !done[*column]) {
                let reduced = -worth[[row, column]] - row_potential[row] - column_potential[column];
                if reached + reduced < cost[column] {
                    cost[column] = reached + reduced;
                    before[column] = last;
                }
            }
            let open = (0..columns).filter(|column| !done[*column]);
            let next = open.min_by(|a, b| cost[*a].total_cmp(&cost[*b]));
            let next = next.expect("there are not more rows than columns");
            (reached, done[next], last) = (cost[next], true, Some(next));
            match row_of[next] {
                Some(taken) => row = taken,
                None => break next,
            }
        };
        // What was passed is reduced so that the pairs on the path cost nothing.
        row_potential[first] += reached;
        for column in (0..columns).filter(|column| done[*column]) {
            if let Some(row) = row_of[column] {
                row_potential[row] += reached - cost[column];
            }
            column_potential[column] -= reached - cost[column];
        }
        let mut column = end;
        while let Some(previous) = before[column] {
            row_of[column] = row_of[previous];
            column = previous;
        }
        row_of[column] = Some(first);
    }
    let mut found = vec![0; rows];
    for (column, row) in row_of.into_iter().enumerate() {
        if let Some(row) = row {
            found[row] = column;
        }
    }
    found
}

/// The share of clips whose cluster is paired with their label, under the pairing of clusters and labels that makes it
/// largest; clusters and labels that are left over count as wrong.
///
/// # Shapes
///
/// - `labels`, `clusters`: one of each per clip, any numbers
///
/// # Errors
///
/// If there is no clip or the lengths differ.
pub fn clustering_accuracy(labels: &[usize], clusters: &[usize]) -> Result<f64, EvalError> {
    if labels.len() != clusters.len() {
        let (scores, targets) = (vec![clusters.len()], vec![labels.len()]);
        return Err(EvalError::Sizes { scores, targets });
    }
    if labels.is_empty() {
        return Err(EvalError::Empty { what: "labels", rows: 0, columns: 1 });
    }
    let numbered = |keys: &[usize]| -> BTreeMap<usize, usize> {
        let mut numbers: BTreeMap<usize, usize> = keys.iter().map(|key| (*key, 0)).collect();
        numbers.values_mut().enumerate().for_each(|(number, value)| *value = number);
        numbers
    };
    let (label_numbers, cluster_numbers) = (numbered(labels), numbered(clusters));
    let mut counts = Array2::zeros((cluster_numbers.len(), label_numbers.len()));
    for (label, cluster) in labels.iter().zip(clusters) {
        counts[[cluster_numbers[cluster], label_numbers[label]]] += 1.0;
    }
    let pairs = best_assignment(counts.view())?.into_iter().enumerate();
    let right: f64 = pairs.filter_map(|(row, column)| Some(counts[[row, column?]])).sum();
    Ok(right / labels.len() as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
}
