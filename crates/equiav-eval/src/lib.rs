//! Retrieval, classification and localization metrics from plain arrays; no model is run and no file is read.
//!
//! Higher scores are better everywhere. Scores must be finite: a metric of a broken model is an error, never a
//! number. Equal scores have no order: a metric is the mean over all orders of them, so that a model that gives
//! every candidate the same score is measured as chance ([`Rank`]). Intervals are bootstrapped over clips; a single
//! clip has none.

mod bootstrap;
mod classification;
mod clustering;
mod knn;
pub mod localization;
mod retrieval;
mod share_out;
mod tiles;

pub use bootstrap::{Bootstrap, ConfidenceInterval, intervals};
pub use classification::accuracy::{
    Exclusive, ExclusiveClass, ExclusiveIntervals, TopKAccuracy, exclusive, exclusive_intervals,
    top_k_accuracy,
};
pub use classification::calibration::{
    Calibration, CalibrationBin, CalibrationIntervals, Decisions,
};
pub use classification::precision::{
    ClassIntervals, ClassMetrics, Classification, ClassificationIntervals, average_precision,
    classification, classification_intervals, d_prime, roc_auc,
};
pub use clustering::assignment::{best_assignment, clustering_accuracy};
pub use clustering::{normalized_mutual_information, normalized_mutual_information_interval};
pub use knn::{knn_votes, multilabel_knn_votes};
pub use retrieval::coverage::Coverage;
pub use retrieval::per_depth::PerDepth;
pub use retrieval::rank::Rank;
pub use retrieval::relevance::Relevance;
pub use retrieval::significance::{binomial_tail, chance_of_recall};
pub use retrieval::{
    BothWays, Retrieval, RetrievalIntervals, ranks, retrieval, retrieval_of_embeddings, same,
    same_group,
};
pub use tiles::product::{Blocks, Plain, Product};
pub use tiles::tally::{RanksBothWays, ranks_both_ways};
pub use tiles::top_k::{Neighbors, top_k};
pub use tiles::vectors::{UnitRows, score};

use ndarray::ArrayView2;

/// Why a metric has no value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// A score, or an entry of an embedding, is infinite or not a number.
    #[error("row {row}, column {column} of the {what} is {value}, not a finite number")]
    NotFinite {
        /// Which array holds it.
        what: &'static str,
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
        /// The value found there.
        value: f32,
    },
    /// An array is empty.
    #[error("the {what} hold nothing: {rows} rows, {columns} columns")]
    Empty {
        /// Which array is empty.
        what: &'static str,
        /// How many rows it has.
        rows: usize,
        /// How many columns it has.
        columns: usize,
    },
    /// Two arrays that must fit together differ in size.
    #[error("{scores:?} scores do not fit to {targets:?} targets")]
    Sizes {
        /// The size of the scores or the first embeddings.
        scores: Vec<usize>,
        /// The size of the targets or the second embeddings.
        targets: Vec<usize>,
    },
    /// A query without a correct candidate.
    #[error("query {query} has no correct candidate among {gallery}")]
    NothingCorrect {
        /// The query's position.
        query: usize,
        /// How many candidates there are.
        gallery: usize,
    },
    /// A label without a column of scores.
    #[error("row {row} has label {label}, but there are only {classes} classes")]
    NoSuchClass {
        /// The position of the label.
        row: usize,
        /// The label.
        label: usize,
        /// How many classes are scored.
        classes: usize,
    },
    /// A number that is no probability.
    #[error("row {row}, column {column} is {value}, not a probability from 0 to 1")]
    NoProbability {
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
        /// The value found there.
        value: f32,
    },
    /// Probabilities of exclusive classes that do not add up.
    #[error("row {row} has the sum {sum}: probabilities of exclusive classes have the sum 1")]
    NoDistribution {
        /// The row.
        row: usize,
        /// Its sum.
        sum: f64,
    },
    /// Nothing is drawn, or nothing lies between the ends.
    #[error(
        "{resamples} resamples and a level of {level} give no interval: expected at least 1, and between 0 \
         and 1"
    )]
    NoInterval {
        /// How many resamples were asked for.
        resamples: usize,
        /// The level that was asked for.
        level: f64,
    },
}

/// Fails if `values` are empty or not all finite.
fn check_values(what: &'static str, values: ArrayView2<'_, f32>) -> Result<(), EvalError> {
    let (rows, columns) = values.dim();
    if values.is_empty() {
        return Err(EvalError::Empty { what, rows, columns });
    }
    match values.indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some(((row, column), &value)) => Err(EvalError::NotFinite { what, row, column, value }),
        None => Ok(()),
    }
}
