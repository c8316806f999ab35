//! What a retrieval finds, clip by clip: the best answers to a query and the rank of the right one.

use std::collections::BTreeMap;

use equiav_augment::Modality;
use equiav_data::Clips;
use equiav_eval::localization::mean;
use ndarray::{Array2, Axis};

use crate::embedding::Embedded;

/// A query with its answers; clips are positions in the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The clip that was asked with.
    pub query: usize,
    /// The best answers with their cosines, best first.
    pub answers: Vec<(usize, f64)>,
    /// The rank of the query's own clip, from 1; equal cosines of other clips count as better.
    pub rank: usize,
}

/// Asks with `from` of every clip for `to`, and keeps the `best` answers to each.
///
/// # Panics
///
/// If `embedded` lacks one of both.
pub fn answered(embedded: &Embedded, from: Modality, to: Modality, best: usize) -> Vec<Answered> {
    let (queries, gallery) = (unit(&embedded.rows[&from]), unit(&embedded.rows[&to]));
    let ask = |(row, query): (usize, ndarray::ArrayView1<'_, f32>)| {
        let cosines = gallery.dot(&query);
        let mut order: Vec<usize> = (0..cosines.len()).collect();
        order.sort_by(|a, b| cosines[*b].total_cmp(&cosines[*a]));
        let rank = cosines.iter().filter(|cosine| **cosine >= cosines[row]).count();
        let answer = |place: &usize| (embedded.clips[*place], f64::from(cosines[*place]));
        let answers = order.iter().take(best).map(answer).collect();
        Answered { query: embedded.clips[row], answers, rank }
    };
    queries.axis_iter(Axis(0)).enumerate().map(ask).collect()
}

fn unit(rows: &Array2<f32>) -> Array2<f32> {
    let mut rows = rows.clone();
    for mut row in rows.axis_iter_mut(Axis(0)) {
        let length = row.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-12);
        row /= length;
    }
    rows
}

/// One class of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassRecall {
    /// Clips of the class.
    pub clips: usize,
    /// The share of them that is found first, per direction.
    pub first: [f64; 2],
    /// The share of them that is among the first ten.
    pub tenth: [f64; 2],
}

/// How well clips of each label are found, by label; `ways` are two directions over the same clips.
pub fn by_class(clips: &Clips, ways: [&[Answered]; 2]) -> BTreeMap<String, ClassRecall> {
    let mut ranks: BTreeMap<String, [Vec<usize>; 2]> = BTreeMap::new();
    for (way, answered) in ways.into_iter().enumerate() {
        for one in answered {
            for label in clips.labels(one.query) {
                ranks.entry(label.to_owned()).or_default()[way].push(one.rank);
            }
        }
    }
    let recall = |(label, ranks): (String, [Vec<usize>; 2])| {
        let within = |depth: usize| {
            ranks.each_ref().map(|ranks| {
                let hits = ranks.iter().map(|rank| f64::from(u8::from(*rank <= depth)));
                mean(&hits.collect::<Vec<_>>())
            })
        };
        (label, ClassRecall { clips: ranks[0].len(), first: within(1), tenth: within(10) })
    };
    ranks.into_iter().map(recall).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn answers_come_best_first_and_ties_count_against_the_query() {
        let audio = array![[2.0f32, 0.0], [0.0, 1.0], [0.0, 3.0]];
        let visual = array![[1.0f32, 0.1], [0.0, 1.0], [0.0, 9.0]];
        let rows = [(Modality::Audio, audio), (Modality::Visual, visual)].into();
        let embedded = Embedded { clips: vec![4, 5, 7], left_out: BTreeMap::new(), rows };
        let asked = answered(&embedded, Modality::Audio, Modality::Visual, 2);
        assert_eq!(asked[0].answers[0].0, 4);
        assert!((asked[0].answers[0].1 - 1.0 / 1.01f64.sqrt()).abs() < 1e-6);
        assert_eq!(asked.iter().map(|one| one.rank).collect::<Vec<_>>(), [1, 2, 2]);
        assert_eq!(asked.iter().map(|one| one.query).collect::<Vec<_>>(), [4, 5, 7]);
        assert!(asked.iter().all(|one| one.answers.len() == 2));
    }
}
