//! Recipes, the training step, runs, checkpoints and retrieval: where the other crates meet.

mod average;
pub mod checkpoint;
pub mod corpus;
pub mod feed;
mod folder;
pub mod import;
mod journal;
pub mod learner;
pub mod measures;
mod memory;
mod metrics_log;
pub mod network;
pub mod objective;
mod overrides;
mod pass;
pub mod recipe;
pub mod retrieve;
mod run;
pub mod schedule;
pub mod settings;
mod setup;
pub mod state;
pub mod step;
mod stop;
mod suggest;
mod tensorboard;
mod trained;
pub mod watch;

pub use overrides::Override;
pub use recipe::Recipe;
pub use run::{Summary, pretrain};
pub use setup::{dataset, device};
pub use stop::Stop;
pub use trained::Trained;
pub use watch::{Event, Silent, StepReport, Watch};
