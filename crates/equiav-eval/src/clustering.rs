//! Agreement of clusters and classes: normalized mutual information, and accuracy under the best pairing.

pub(crate) mod assignment;

use std::collections::BTreeMap;

use crate::EvalError;
use crate::bootstrap::{Bootstrap, ConfidenceInterval, intervals};

/// Normalized mutual information of a labeling and clusters, in [0, 1]: 1 where either tells the other, 0 where
/// it tells nothing.
///
/// ```text
/// NMI = 2 I(labels; clusters) / (H(labels) + H(clusters)),
/// ```
///
/// the arithmetic normalization that scikit-learn has by default; 1 where both are of a single kind.
///
/// # Shapes
///
/// - `labels`, `clusters`: one of each per clip, any numbers
///
/// # Errors
///
/// If there is no clip or the lengths differ.
pub fn normalized_mutual_information(
    labels: &[usize],
    clusters: &[usize],
) -> Result<f64, EvalError> {
    let table = Table::new(labels, clusters)?;
    Ok(table.normalized_information(&vec![1; labels.len()]))
}

/// The interval of [`normalized_mutual_information`] over clips.
///
/// # Errors
///
/// As there, or if `how` gives no interval.
pub fn normalized_mutual_information_interval(
    labels: &[usize],
    clusters: &[usize],
    how: &Bootstrap,
) -> Result<Option<ConfidenceInterval>, EvalError> {
    let table = Table::new(labels, clusters)?;
    let figures = |counts: &[u32]| vec![Some(table.normalized_information(counts))];
    Ok(intervals(labels.len(), how, figures)?.pop().flatten())
}

/// Each clip's label, cluster and pair of both, numbered from 0.
struct Table {
    labels: Numbered,
    clusters: Numbered,
    pairs: Numbered,
    /// The label and the cluster of each pair.
    parts: Vec<(usize, usize)>,
}

struct Numbered {
    of_clips: Vec<usize>,
    count: usize,
}

impl Numbered {
    fn new<K: Copy + Ord>(keys: &[K]) -> (Self, BTreeMap<K, usize>) {
        let mut numbers: BTreeMap<K, usize> = keys.iter().map(|key| (*key, 0)).collect();
        numbers.values_mut().enumerate().for_each(|(number, value)| *value = number);
        let of_clips = keys.iter().map(|key| numbers[key]).collect();
        (Self { of_clips, count: numbers.len() }, numbers)
    }

    fn sums(&self, counts: &[u32]) -> Vec<f64> {
        let mut sums = vec![0.0; self.count];
        for (number, count) in self.of_clips.iter().zip(counts) {
            sums[*number] += f64::from(*count);
        }
        sums
    }
}

impl Table {
    fn new(labels: &[usize], clusters: &[usize]) -> Result<Self, EvalError> {
        if labels.len() != clusters.len() {
            let (scores, targets) = (vec![clusters.len()], vec![labels.len()]);
            return Err(EvalError::Sizes { scores, targets });
        }
        if labels.is_empty() {
            return Err(EvalError::Empty { what: "labels", rows: 0, columns: 1 });
        }
        let (labels, _) = Numbered::new(labels);
        let (clusters, _) = Numbered::new(clusters);
        let both = labels.of_clips.iter().copied().zip(clusters.of_clips.iter().copied());
        let (pairs, parts) = Numbered::new(&both.collect::<Vec<_>>());
        Ok(Self { labels, clusters, pairs, parts: parts.into_keys().collect() })
    }

    fn normalized_information(&self, counts: &[u32]) -> f64 {
        let (labels, clusters) = (self.labels.sums(counts), self.clusters.sums(counts));
        let all: f64 = labels.iter().sum();
        let entropy = |sums: &[f64]| {
            let some = sums.iter().filter(|sum| **sum > 0.0);
            -some.map(|sum| sum / all * (sum / all).ln()).sum::<f64>()
        };
        let each = self.pairs.sums(counts).into_iter().zip(&self.parts);
        let some = each.filter(|(sum, _)| *sum > 0.0);
        let information: f64 = some
            .map(|(sum, (label, cluster))| {
                sum / all * (sum * all / (labels[*label] * clusters[*cluster])).ln()
            })
            .sum();
        let mean = (entropy(&labels) + entropy(&clusters)) / 2.0;
        if mean == 0.0 { 1.0 } else { (information / mean).clamp(0.0, 1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_clusters_do_not_matter() {
        let of = |labels: &[usize], clusters: &[usize]| {
            normalized_mutual_information(labels, clusters).expect("figures")
        };
        assert!((of(&[0, 0, 1, 1, 7], &[5, 5, 0, 0, 2]) - 1.0).abs() < 1e-12);
        assert_eq!(of(&[0, 1, 0, 1], &[0, 0, 1, 1]), 0.0);
        assert_eq!((of(&[3, 3], &[1, 1]), of(&[3, 3], &[1, 0])), (1.0, 0.0));
    }

    #[test]
    fn the_interval_surrounds_the_figure() {
        let labels: Vec<usize> = (0..300).map(|clip| clip % 5).collect();
        let clusters: Vec<usize> =
            (0..300).map(|clip| if clip % 3 == 0 { 9 } else { clip % 5 }).collect();
        let figure = normalized_mutual_information(&labels, &clusters).expect("a figure");
        let how = Bootstrap::usual(5);
        let found = normalized_mutual_information_interval(&labels, &clusters, &how);
        let found = found.expect("figures").expect("an interval");
        assert!(found.low < figure && figure < found.high, "{figure} {found:?}");
    }

    #[test]
    fn lists_of_different_lengths_are_refused() {
        let failure = normalized_mutual_information(&[1], &[1, 2]).expect_err("lengths");
        assert_eq!(failure.to_string(), "[2] scores do not fit to [1] targets");
        assert!(matches!(normalized_mutual_information(&[], &[]), Err(EvalError::Empty { .. })));
    }
}
