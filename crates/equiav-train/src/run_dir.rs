//! What a run leaves on disk: its folder, checkpoints, progress and logs.

pub mod checkpoint;
pub mod environment;
mod legacy;
pub(crate) mod lock;
mod loggers;
mod state;

pub(crate) use loggers::Loggers;
pub use state::{Best, State};
