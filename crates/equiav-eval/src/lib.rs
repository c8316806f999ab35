//! Retrieval, classification and localization metrics from plain arrays; no model is run and no file is read.
//!
//! Higher scores are better everywhere. Scores must be finite: a metric of a broken model is an
//! error, never a number.

mod accuracy;
pub mod localization;
mod normal;
mod precision;
mod retrieval;
mod significance;

pub use accuracy::{TopK, top_k_accuracy};
pub use precision::{
    ClassMetrics, Classification, average_precision, classification, d_prime, roc_auc,
};
pub use retrieval::{
    BothWays, PerDepth, Rank, Retrieval, ranks, ranks_of_embeddings, retrieval,
    retrieval_of_embeddings, same, same_group,
};
pub use significance::{binomial_tail, chance_of_recall};

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
    /// There is nothing to measure.
    #[error("the {what} hold nothing: {rows} rows, {columns} columns")]
    Empty {
        /// Which array is empty.
        what: &'static str,
        /// How many rows it has.
        rows: usize,
        /// How many columns it has.
        columns: usize,
    },
    /// Two arrays that belong together differ in size.
    #[error("{scores:?} scores do not fit to {targets:?} targets")]
    Sizes {
        /// The size of the scores or the first embeddings.
        scores: Vec<usize>,
        /// The size of the targets or the second embeddings.
        targets: Vec<usize>,
    },
    /// A query that cannot be answered.
    #[error("query {query} has no correct candidate among {gallery}")]
    NothingCorrect {
        /// The query's position.
        query: usize,
        /// How many candidates there are.
        gallery: usize,
    },
    /// A label that is no column of the scores.
    #[error("row {row} has label {label}, but there are only {classes} classes")]
    NoSuchClass {
        /// The position of the label.
        row: usize,
        /// The label.
        label: usize,
        /// How many classes are scored.
        classes: usize,
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
