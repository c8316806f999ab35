//! How fast steps are, on synthetic batches that need no data.

pub mod online_cost;
mod paired;
mod synthetic_batch;
pub mod throughput;

pub use synthetic_batch::dump;
