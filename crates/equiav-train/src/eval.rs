//! What is measured of a model: each module returns metrics, none trains.

mod batch_measures;
pub mod classification;
pub mod embeddings;
mod equivariance;
pub mod gallery;
pub mod localize;
pub mod online;
pub mod oracle;
mod probe;
pub mod ranking;
pub mod retrieval;

pub(crate) use batch_measures::batch_measures;
pub use equivariance::{
    EquivarianceMetrics, EquivarianceProbe, GroupMetrics, QueryMetrics, SlotMetrics, equivariance,
};
pub use probe::{Probe, ProbeMetrics, probe};
