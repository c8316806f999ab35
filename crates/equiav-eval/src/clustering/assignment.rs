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
