//! What a run reports to a callback while it goes on; nothing in this crate prints.

use std::path::PathBuf;

use crate::engine::StepReport;
use crate::metrics::Metrics;

/// Something a run reports while it goes on.
#[derive(Clone, Debug)]
pub enum Event {
    /// A corpus is being made or fetched: `done` of `total` items.
    Preparing {
        /// What is being prepared.
        what: String,
        /// Items ready.
        done: usize,
        /// Items in all.
        total: usize,
    },
    /// The run begins, or goes on.
    Started {
        /// Clips in the training list.
        clips: usize,
        /// Learned numbers of the model.
        parameters: usize,
        /// Steps made before.
        done: u64,
        /// Epochs of the whole run.
        epochs: u64,
        /// Steps of one epoch.
        steps: u64,
        /// Clips per step.
        batch: usize,
    },
    /// One update is done.
    Step(StepReport),
    /// The lists of the recipe were measured.
    Evaluated {
        /// Finished epochs.
        epoch: u64,
        /// The metrics of every list.
        metrics: Metrics,
    },
    /// A checkpoint is complete on disk.
    Saved(PathBuf),
    /// Something went wrong that does not end the run.
    Warning(String),
}

/// Hears of what a run does.
pub trait Callback {
    /// Takes note of `event`.
    fn on_event(&mut self, event: &Event);
}

/// Ignores all events.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOp;

impl Callback for NoOp {
    fn on_event(&mut self, _event: &Event) {}
}
