//! Cross-modal retrieval: where the right candidate stands among all, both ways.

pub(crate) mod coverage;
pub(crate) mod per_depth;
pub(crate) mod rank;
pub(crate) mod relevance;
pub(crate) mod significance;

use ndarray::{ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use self::per_depth::PerDepth;
use self::rank::Rank;
use self::relevance::Relevance;
use self::significance::{binomial_tail, chance_of_recall};
use crate::bootstrap::{Bootstrap, ConfidenceInterval, intervals};
use crate::tiles::product::{Blocks, Plain};
use crate::tiles::tally::ranks_both_ways;
use crate::tiles::vectors::UnitRows;
use crate::{EvalError, check_values};

/// Retrieval in one direction; of equal scores the mean over all of their orders counts, see [`Rank`].
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Retrieval {
    /// Share of the queries with a correct candidate at rank 1, in [0, 1].
    pub r1: f64,
    /// The same among the first 5.
    pub r5: f64,
    /// The same among the first 10.
    pub r10: f64,
    /// Median rank, from 1; the mean of the middle two for an even number of queries.
    pub median_rank: f64,
    /// Mean rank, from 1.
    pub mean_rank: f64,
    /// How many queries score a wrong candidate exactly as high as their best correct one. `p_value` counts
    /// such a tie as lost.
    pub ties: usize,
    /// The share of wrong candidates that score exactly as high as a query's best correct one, in [0, 1], the mean
    /// over the queries: 1 where scores tell nothing apart. None in figures of earlier versions, which counted
    /// ties as won.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tied_share: Option<f64>,
    /// How many queries were asked.
    pub queries: usize,
    /// How many candidates each was compared with.
    pub gallery: usize,
    /// The recall that guessing reaches on average, duplicates counted as correct.
    pub chance: PerDepth,
    /// The probability that guessing reaches that recall or more: one-sided binomial test against
    /// `chance`, which takes the queries as independent.
    pub p_value: PerDepth,
    /// How far the figures may be from those of other queries like these; none of a single query, nor in figures
    /// of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intervals: Option<RetrievalIntervals>,
}

/// The intervals of a [`Retrieval`] over its queries, in the same gallery.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct RetrievalIntervals {
    /// How they were made.
    pub bootstrap: Bootstrap,
    /// Of the recall at rank 1.
    pub r1: ConfidenceInterval,
    /// Of the recall among the first 5.
    pub r5: ConfidenceInterval,
    /// Of the recall among the first 10.
    pub r10: ConfidenceInterval,
    /// Of the median rank.
    pub median_rank: ConfidenceInterval,
    /// Of the mean rank.
    pub mean_rank: ConfidenceInterval,
}

/// Retrieval from either side.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct BothWays {
    /// Rows ask, columns are the candidates.
    pub rows_to_columns: Retrieval,
    /// Columns ask, rows are the candidates.
    pub columns_to_rows: Retrieval,
}

/// The relation in which only row `i` and column `i` belong together.
pub fn same(row: usize, column: usize) -> bool {
    row == column
}

/// The relation in which a row and a column belong together if they have equal keys: for duplicates,
/// the key of the content; for classes, the class.
///
/// # Panics
///
/// When asked for a row or column that has no key.
pub fn same_group<'k, K: PartialEq>(
    rows: &'k [K],
    columns: &'k [K],
) -> impl Fn(usize, usize) -> bool + Copy + 'k {
    |row, column| rows[row] == columns[column]
}

/// Retrieval both ways from a similarity matrix.
///
/// `correct(row, column)` tells which belong together; the best-ranked correct candidate counts.
///
/// # Shapes
///
/// - `similarity`: `[rows, columns]`, larger is more similar
///
/// # Errors
///
/// If there is no score, one is not finite, or a row or column has no correct candidate.
pub fn retrieval(
    similarity: ArrayView2<'_, f32>,
    correct: impl Fn(usize, usize) -> bool,
) -> Result<BothWays, EvalError> {
    let (rows, columns) = similarity.dim();
    let forth = ranks(similarity, &correct)?;
    let back = ranks(similarity.t(), |column, row| correct(row, column))?;
    Ok(BothWays {
        rows_to_columns: Retrieval::of_ranks(&forth, columns),
        columns_to_rows: Retrieval::of_ranks(&back, rows),
    })
}

/// Retrieval both ways by the cosines of two sets of embeddings, without the whole similarity matrix.
///
/// It multiplies by Rust alone; [`ranks_both_ways`] takes a library's products and has the same ranks.
///
/// # Shapes
///
/// - `rows`, `columns`: `[n, width]` and `[m, width]`, rows of any length; one of zeros has cosine 0
///
/// # Errors
///
/// If the sizes do not fit, there is no row, a value is not finite, or a row of either has no correct
/// candidate.
pub fn retrieval_of_embeddings(
    rows: ArrayView2<'_, f32>,
    columns: ArrayView2<'_, f32>,
    relevance: &Relevance,
) -> Result<BothWays, EvalError> {
    let rows = UnitRows::new("row embeddings", rows)?;
    let columns = UnitRows::new("column embeddings", columns)?;
    let products = &mut [Plain::default()];
    let ranks = ranks_both_ways(&rows, &columns, relevance, products, &Blocks::default())?;
    Ok(BothWays {
        rows_to_columns: Retrieval::of_ranks(&ranks.rows_to_columns, columns.len()),
        columns_to_rows: Retrieval::of_ranks(&ranks.columns_to_rows, rows.len()),
    })
}

/// The rank of every row's best correct column.
///
/// # Shapes
///
/// - `similarity`: `[queries, gallery]`
///
/// # Errors
///
/// If there is no score, one is not finite, or a query has no correct candidate.
pub fn ranks(
    similarity: ArrayView2<'_, f32>,
    correct: impl Fn(usize, usize) -> bool,
) -> Result<Vec<Rank>, EvalError> {
    check_values("similarities", similarity)?;
    let rows = similarity.axis_iter(Axis(0)).enumerate();
    let gallery = similarity.ncols();
    rows.map(|(query, scores)| {
        let rank = Rank::of(scores, |candidate| correct(query, candidate));
        rank.ok_or(EvalError::NothingCorrect { query, gallery })
    })
    .collect()
}

impl Retrieval {
    /// Sums up the ranks of all queries in a `gallery` of that many candidates.
    ///
    /// # Panics
    ///
    /// If there are no ranks.
    #[track_caller]
    pub fn of_ranks(ranks: &[Rank], gallery: usize) -> Self {
        assert!(!ranks.is_empty(), "retrieval without a query");
        let mean = |figure: &dyn Fn(&Rank) -> f64| {
            ranks.iter().map(figure).sum::<f64>() / ranks.len() as f64
        };
        let recall = |depth| mean(&|rank| rank.within(depth));
        let chance = PerDepth::of(|depth| {
            mean(&|rank| chance_of_recall(gallery, rank.correct, depth)).min(1.0)
        });
        Self {
            r1: recall(1),
            r5: recall(5),
            r10: recall(10),
            median_rank: median(ranks),
            mean_rank: mean(&Rank::mean),
            ties: ranks.iter().filter(|rank| rank.tied > 0).count(),
            tied_share: Some(mean(&|rank| rank.tied_share(gallery))),
            queries: ranks.len(),
            gallery,
            chance,
            p_value: PerDepth::of(|depth| {
                let hits = ranks.iter().filter(|rank| rank.above + rank.tied < depth).count();
                binomial_tail(hits, ranks.len(), chance.at(depth))
            }),
            intervals: None,
        }
    }

    /// Adds the intervals, over the queries of these `ranks`; a single query has none.
    ///
    /// # Errors
    ///
    /// If there are no ranks or `how` gives no interval.
    pub fn with_intervals(self, ranks: &[Rank], how: &Bootstrap) -> Result<Self, EvalError> {
        let mut places: Vec<Place> = ranks.iter().map(Place::of).collect();
        places.sort_unstable_by(|a, b| a.rank.total_cmp(&b.rank));
        let found = intervals(places.len(), how, |counts| figures_of_sorted(&places, counts))?;
        let [Some(r1), Some(r5), Some(r10), Some(median_rank), Some(mean_rank)] = found[..] else {
            return Ok(Self { intervals: None, ..self });
        };
        let intervals = RetrievalIntervals { bootstrap: *how, r1, r5, r10, median_rank, mean_rank };
        Ok(Self { intervals: Some(intervals), ..self })
    }
}

/// What figures need of a [`Rank`].
struct Place {
    rank: f64,
    /// By how much it is among the first 1, 5 and 10.
    within: [f64; 3],
}

impl Place {
    fn of(rank: &Rank) -> Self {
        Self { rank: rank.mean(), within: [1, 5, 10].map(|depth| rank.within(depth)) }
    }
}

/// Recall at 1, 5 and 10, median and mean of sorted `places`, each as often as `counts` says.
fn figures_of_sorted(places: &[Place], counts: &[u32]) -> Vec<Option<f64>> {
    let all: usize = counts.iter().map(|count| *count as usize).sum();
    let (mut within, mut sum, mut seen) = ([0.0; 3], 0.0, 0_usize);
    let mut middle = [None; 2];
    for (place, count) in places.iter().zip(counts).filter(|(_, count)| **count > 0) {
        let times = f64::from(*count);
        for (sum, within) in within.iter_mut().zip(place.within) {
            *sum += within * times;
        }
        (sum, seen) = (sum + place.rank * times, seen + *count as usize);
        for (middle, position) in middle.iter_mut().zip([(all - 1) / 2, all / 2]) {
            *middle = middle.or((seen > position).then_some(place.rank));
        }
    }
    let share = |sum: f64| Some(sum / all as f64);
    let median = middle[0].zip(middle[1]).map(|(lower, upper)| (lower + upper) / 2.0);
    vec![share(within[0]), share(within[1]), share(within[2]), median, share(sum)]
}

fn median(ranks: &[Rank]) -> f64 {
    let mut sorted: Vec<f64> = ranks.iter().map(Rank::mean).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    use super::*;

    /// Few distinct scores and keys, so that ties and duplicates are common.
    fn problems() -> impl Strategy<Value = (Array2<f32>, Vec<u8>)> {
        (1usize..20).prop_flat_map(|n| {
            let scores = proptest::collection::vec(-6i8..6, n * n);
            let keys = proptest::collection::vec(0u8..8, n);
            (scores, keys).prop_map(move |(scores, keys)| {
                let at = |(row, column)| f32::from(scores[row * n + column]) / 5.0;
                (Array2::from_shape_fn((n, n), at), keys)
            })
        })
    }

    /// A rank without ties.
    fn place(rank: usize) -> Rank {
        Rank { above: rank - 1, tied: 0, best: 1, correct: 1 }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn figures_equal_their_definitions((scores, keys) in problems()) {
            let all = ranks(scores.view(), same_group(&keys, &keys)).expect("finite");
            let ours = retrieval(scores.view(), same_group(&keys, &keys)).expect("finite").rows_to_columns;
            let n = keys.len() as f64;
            let recall = |depth| all.iter().map(|rank| rank.within(depth)).sum::<f64>() / n;
            prop_assert_eq!((ours.r1, ours.r5, ours.r10), (recall(1), recall(5), recall(10)));
            let below = all.iter().filter(|rank| rank.mean() < ours.median_rank).count() as f64;
            let above = all.iter().filter(|rank| rank.mean() > ours.median_rank).count() as f64;
            prop_assert!(below <= n / 2.0 && above <= n / 2.0);
            prop_assert_eq!(ours.ties, all.iter().filter(|rank| rank.tied > 0).count());
        }

        #[test]
        fn back_is_forth_of_the_transposed((scores, keys) in problems()) {
            let relation = same_group(&keys, &keys);
            let ours = retrieval(scores.view(), relation).expect("finite");
            let turned = retrieval(scores.t(), relation).expect("finite");
            prop_assert_eq!(ours.columns_to_rows, turned.rows_to_columns);
        }

        #[test]
        fn figures_of_counted_ranks_are_those_of_repeated_ones(ranks in proptest::collection::vec((1usize..30, 0u32..3), 1..30)) {
            let mut ranks = ranks;
            ranks[0].1 += 1;
            ranks.sort_unstable();
            let (places, counts): (Vec<usize>, Vec<u32>) = ranks.into_iter().unzip();
            let ranks: Vec<Rank> = places.into_iter().map(place).collect();
            let repeat = |(rank, count): (&Rank, &u32)| std::iter::repeat_n(*rank, *count as usize);
            let repeated: Vec<Rank> = ranks.iter().zip(&counts).flat_map(repeat).collect();
            let places: Vec<Place> = ranks.iter().map(Place::of).collect();
            let figures = Retrieval::of_ranks(&repeated, 30);
            let expected = [figures.r1, figures.r5, figures.r10, figures.median_rank, figures.mean_rank];
            prop_assert_eq!(figures_of_sorted(&places, &counts), expected.map(Some).to_vec());
        }
    }

    #[test]
    fn intervals_are_those_of_the_binomial_distribution() {
        let ranks: Vec<Rank> = (0..400).map(|query| place(1 + query % 4)).collect();
        let how = Bootstrap { resamples: 2000, ..Bootstrap::usual(9) };
        let ours =
            Retrieval::of_ranks(&ranks, 400).with_intervals(&ranks, &how).expect("intervals");
        let found = ours.intervals.expect("intervals");
        let deviation = (0.25_f64 * 0.75 / 400.0).sqrt();
        assert!((found.r1.low - (0.25 - 1.96 * deviation)).abs() < 0.006, "{found:?}");
        assert!((found.r1.high - (0.25 + 1.96 * deviation)).abs() < 0.006, "{found:?}");
        assert_eq!((found.r5.low, found.r5.high, found.r5.resamples), (1.0, 1.0, 2000));
        assert!(found.mean_rank.low < 2.5 && 2.5 < found.mean_rank.high);
        let old = serde_json::to_string(&Retrieval { intervals: None, ..ours }).expect("JSON");
        assert!(!old.contains("intervals"));
        let read: Retrieval = serde_json::from_str(&old).expect("figures without intervals");
        assert_eq!(read.intervals, None);
    }

    #[test]
    fn embeddings_of_any_length_are_compared_by_cosine() {
        let rows = array![[2.0, 0.0], [0.0, 0.1], [1.0, 1.0]];
        let columns = array![[5.0, 1.0], [0.0, 3.0], [1.0, 2.0]];
        let ours = retrieval_of_embeddings(rows.view(), columns.view(), &Relevance::same(3));
        let ours = ours.expect("figures");
        assert_eq!(ours.rows_to_columns.r1, 1.0);
        assert_eq!(ours.columns_to_rows.r1, 1.0);
    }

    #[test]
    fn the_best_ranked_duplicate_counts() {
        let scores = array![[0.1, 0.9, 0.5], [0.3, 0.2, 0.4], [0.0, 0.0, 1.0]];
        let ours = ranks(scores.view(), same).expect("finite");
        assert_eq!(ours.iter().map(Rank::mean).collect::<Vec<_>>(), [3.0, 3.0, 1.0]);
        let keys = ["word", "word", "other"];
        let ours = retrieval(scores.view(), same_group(&keys, &keys)).expect("finite");
        assert_eq!(ours.rows_to_columns.mean_rank, 4.0 / 3.0);
        // two queries with two correct candidates of three, one with one
        assert!((ours.rows_to_columns.chance.r1 - 5.0 / 9.0).abs() < 1e-12);
    }

    #[test]
    fn a_collapsed_model_has_what_guessing_has_and_is_not_significant() {
        let scores = Array2::zeros((50, 50));
        let ours = retrieval(scores.view(), same).expect("finite").rows_to_columns;
        assert_eq!((ours.r1, ours.r5, ours.r10), (ours.chance.r1, ours.chance.r5, ours.chance.r10));
        assert!((ours.r1 - 0.02).abs() < 1e-12 && (ours.r10 - 0.2).abs() < 1e-12, "{ours:?}");
        assert_eq!((ours.median_rank, ours.mean_rank), (25.5, 25.5));
        assert_eq!((ours.ties, ours.tied_share, ours.p_value.r1), (50, Some(1.0), 1.0));
    }

    #[test]
    fn a_tie_is_neither_won_nor_lost() {
        let rank = Rank { above: 0, tied: 1, best: 1, correct: 1 };
        let ours = Retrieval::of_ranks(&[place(1), rank], 3);
        assert_eq!((ours.r1, ours.r5, ours.median_rank, ours.mean_rank), (0.75, 1.0, 1.25, 1.25));
        assert_eq!((ours.ties, ours.tied_share), (1, Some(0.25)));
    }

    #[test]
    fn one_query_has_no_interval() {
        let ours = Retrieval::of_ranks(&[place(1)], 9);
        let with = ours.with_intervals(&[place(1)], &Bootstrap::usual(0)).expect("figures");
        assert_eq!(with, ours);
        assert!(ours.with_intervals(&[], &Bootstrap::usual(0)).is_err());
    }

    #[test]
    fn a_perfect_model_is_significant() {
        let ours = retrieval(Array2::eye(40).view(), same).expect("finite").columns_to_rows;
        assert_eq!((ours.r1, ours.median_rank, ours.ties), (1.0, 1.0, 0));
        assert!((ours.chance.r10 - 0.25).abs() < 1e-12);
        assert!((ours.p_value.r1 / 40f64.powi(-40) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn broken_scores_are_errors() {
        let message = |scores: Array2<f32>, correct: fn(usize, usize) -> bool| {
            retrieval(scores.view(), correct).expect_err("should be refused").to_string()
        };
        assert_eq!(
            message(array![[1.0, f32::INFINITY]], same),
            "row 0, column 1 of the similarities is inf, not a finite number"
        );
        assert_eq!(
            message(Array2::zeros((0, 3)), same),
            "the similarities hold nothing: 0 rows, 3 columns"
        );
        assert_eq!(message(array![[1.0], [2.0]], same), "query 1 has no correct candidate among 1");
        let (a, b) = (Array2::zeros((2, 3)), Array2::zeros((2, 4)));
        let failure = retrieval_of_embeddings(a.view(), b.view(), &Relevance::same(2))
            .expect_err("other widths");
        assert!(matches!(failure, EvalError::Sizes { .. }));
    }
}
