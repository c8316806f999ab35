//! What a retrieval finds, clip by clip: the best answers to a query and the rank of the right one.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::ensure;
use equiav_augment::Modality;
use equiav_data::{Clips, Dataset};
use equiav_eval::{Rank, Relevance, UnitRows};
use ndarray::{Array2, Axis, concatenate};

use crate::eval::embeddings::{Embedded, embed};
use crate::eval::ranking;
use crate::model::LoadedModel;

/// A query with its answers; clips are positions in the list.
#[derive(Clone, Debug, PartialEq)]
pub struct RankedAnswers {
    /// The clip that was asked with.
    pub query: usize,
    /// The best answers with their cosines, best first.
    pub answers: Vec<(usize, f64)>,
    /// Where the query's own clip stands.
    pub rank: Rank,
}

/// Asks with `from` of every clip for `to`, and keeps the `best` answers to each, at least one.
///
/// # Errors
///
/// If an embedding is not finite, there is none, or libtorch fails.
///
/// # Panics
///
/// If `embedded` lacks one of both.
pub fn answered(
    embedded: &Embedded,
    from: Modality,
    to: Modality,
    best: usize,
) -> anyhow::Result<Vec<RankedAnswers>> {
    let unit = |modality| UnitRows::new("embeddings", embedded.rows[&modality].view());
    let (queries, gallery) = (unit(from)?, unit(to)?);
    let ranks =
        ranking::ranks(&queries, &gallery, &Relevance::same(queries.len()))?.rows_to_columns;
    let nearest = ranking::top_k(&queries, &gallery, best)?;
    let answer = |(place, cosine): (&usize, &f32)| (embedded.clips[*place], f64::from(*cosine));
    let answered = |(row, rank)| RankedAnswers {
        query: embedded.clips[row],
        answers: nearest.indices.row(row).iter().zip(nearest.scores.row(row)).map(answer).collect(),
        rank,
    };
    Ok(ranks.into_iter().enumerate().map(answered).collect())
}

/// For every readable clip of `list` the cosine of its nearest neighbor in `other`, by what `model` makes of sound and
/// picture together: the unit embeddings of both, one after the other.
///
/// # Errors
///
/// If no clip of either can be read, an embedding is not finite, or libtorch fails.
pub fn nearest_clips(
    model: &LoadedModel,
    list: Arc<Dataset>,
    other: Arc<Dataset>,
) -> anyhow::Result<Vec<(usize, f32)>> {
    let embedded = |dataset| -> anyhow::Result<(Vec<usize>, UnitRows)> {
        let all = embed(dataset, &model.network, &model.recipe)?;
        ensure!(!all.clips.is_empty(), "no clip can be read");
        let unit = |rows: &Array2<f32>| {
            let norms = rows.map_axis(Axis(1), |row| row.dot(&row).sqrt().max(f32::MIN_POSITIVE));
            rows / &norms.insert_axis(Axis(1))
        };
        let parts: Vec<Array2<f32>> = all.rows.values().map(unit).collect();
        let views: Vec<_> = parts.iter().map(Array2::view).collect();
        Ok((all.clips, UnitRows::new("embeddings", concatenate(Axis(1), &views)?.view())?))
    };
    let ((clips, rows), (_, others)) = (embedded(list)?, embedded(other)?);
    let nearest = ranking::top_k(&rows, &others, 1)?;
    Ok(clips.into_iter().zip(nearest.scores.column(0).iter().copied()).collect())
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
pub fn by_class(clips: &Clips, ways: [&[RankedAnswers]; 2]) -> BTreeMap<String, ClassRecall> {
    let mut ranks: BTreeMap<String, [Vec<Rank>; 2]> = BTreeMap::new();
    for (way, answered) in ways.into_iter().enumerate() {
        for one in answered {
            for label in clips.labels(one.query) {
                ranks.entry(label.to_owned()).or_default()[way].push(one.rank);
            }
        }
    }
    let recall = |(label, ranks): (String, [Vec<Rank>; 2])| {
        let within = |depth: usize| {
            ranks.each_ref().map(|ranks| {
                ranks.iter().map(|rank| rank.within(depth)).sum::<f64>() / ranks.len() as f64
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
    fn answers_come_best_first_and_ties_are_neither_won_nor_lost() {
        let audio = array![[2.0f32, 0.0], [0.0, 1.0], [0.0, 3.0]];
        let visual = array![[1.0f32, 0.1], [0.0, 1.0], [0.0, 9.0]];
        let rows = [(Modality::AUDIO, audio), (Modality::VISUAL, visual)].into();
        let embedded = Embedded { clips: vec![4, 5, 7], skipped: BTreeMap::new(), rows };
        let asked = answered(&embedded, Modality::AUDIO, Modality::VISUAL, 2).expect("answers");
        assert_eq!(asked[0].answers[0].0, 4);
        assert!((asked[0].answers[0].1 - 1.0 / 1.01f64.sqrt()).abs() < 1e-6);
        let ranks = asked.iter().map(|one| one.rank.mean());
        assert_eq!(ranks.collect::<Vec<_>>(), [1.0, 1.5, 1.5]);
        assert_eq!(asked.iter().map(|one| one.query).collect::<Vec<_>>(), [4, 5, 7]);
        assert!(asked.iter().all(|one| one.answers.len() == 2));
    }
}
