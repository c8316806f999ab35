//! How fast steps are, on synthetic batches that need no data.

mod hash_noise;
mod paired;
mod synthetic_batch;
pub mod throughput;

pub use hash_noise::hash_noise;
pub use synthetic_batch::dump;
