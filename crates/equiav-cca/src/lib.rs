//! Canonical correlation analysis of two sets of rows, plain and robust, and the numerics that this family of methods
//! shares; no network is trained here and no run folder is opened.
//!
//! [`LinearCca`] is fitted on some rows and measured on others ([`held_out_correlations`]): correlations of the rows
//! that it was fitted on are biased, up to 1 where there are few of them. [`canonical_correlation`] is the same
//! quantity as a function that can be differentiated, for encoders that are trained by it. Everything is computed in
//! 64-bit floats.
//!
//! docs/methods/cca.md has the formulas, and what of them is published.

mod covariance;
mod held_out;
mod kmeans;
mod linear;
mod robust;
mod rows;
mod spectral;
mod whitening;

pub use covariance::Covariances;
pub use held_out::{CorrelationInterval, HeldOutCorrelations, held_out_correlations, split_rows};
pub use kmeans::{ClusterDistance, ClusterStart, KMeansFit, k_means, nearest_centroids};
pub use linear::{FEW_ROWS, LinearCca};
pub use robust::coupled::{CoupledPursuit, coupled_pursuit};
pub use robust::pursuit::{LowRankAndSparse, Pursuit, principal_component_pursuit};
pub use robust::shrinkage::{shrink, shrink_singular_values};
pub use robust::{RobustForm, clean_rows};
pub use rows::read_rows;
pub use spectral::{SpectralSum, canonical_correlation};
pub use whitening::{EIGENVALUE_FLOOR, inverse_square_root};

use tch::Tensor;

/// The two sizes of `matrix`.
#[track_caller]
fn sizes(name: &str, matrix: &Tensor) -> (i64, i64) {
    let [rows, columns] = matrix.size()[..] else {
        panic!("{name}: expected rows and columns, not {:?}", matrix.size())
    };
    assert!(rows > 0 && columns > 0, "{name}: {rows} rows of {columns} columns hold nothing");
    (rows, columns)
}
