//! What a run reports to a callback while it goes on; nothing in this crate prints.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::metrics::{Metric, Metrics};

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
    /// A few held-out clips were measured between two evaluations.
    Measured {
        /// Steps made.
        step: u64,
        /// What was measured, by the names of the log without `online/`.
        metrics: Vec<Metric>,
    },
    /// A checkpoint is complete on disk.
    Saved(PathBuf),
    /// Something went wrong that does not end the run.
    Warning(String),
}

/// The terms of one step as plain numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// The weighted sum.
    pub loss: f64,
    /// The loss of each term by its name.
    pub terms: BTreeMap<String, f64>,
    /// The share of rows that a term has solved, in [0, 1], by the term's name.
    pub accuracies: BTreeMap<String, f64>,
    /// What is logged beside them, by name.
    pub measures: BTreeMap<String, f64>,
}

/// One update, in figures.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// The epoch, counted from 0.
    pub epoch: u64,
    /// Updates since the start of the run, this one included.
    pub step: u64,
    /// The learning rate of this update.
    pub lr: f64,
    /// Losses and accuracies.
    pub figures: Figures,
    /// Global gradient norm before clipping.
    pub grad_norm: f64,
    /// Gradient norm of each variable after clipping, where the recipe asks for them at this step.
    pub gradient_norms: BTreeMap<String, f64>,
    /// The scale of the next loss, in fp16.
    pub loss_scale: Option<f64>,
    /// Whether the update was made; not where loss or gradient are not finite.
    pub applied: bool,
    /// The positions in the training list of the batch's clips, those of this process.
    pub clips: Vec<usize>,
    /// Clips of the batch, those of all processes.
    pub batch: usize,
    /// The most memory held at once since the start, in bytes: of the GPU, or of the process.
    pub memory: Option<u64>,
    /// Time that the step waited for its batch.
    pub data_time: Duration,
    /// Time of the whole step, waiting included.
    pub batch_time: Duration,
}

impl StepReport {
    /// Why an update was not made.
    pub fn trouble(&self) -> String {
        let loss = self.figures.loss;
        if loss.is_finite() {
            format!("the gradient's norm is {}", self.grad_norm)
        } else {
            format!("the loss is {loss}")
        }
    }
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

/// Keeps warnings, in their order, and ignores all other events.
#[derive(Clone, Debug, Default)]
pub struct Warnings(pub Vec<String>);

impl Callback for Warnings {
    fn on_event(&mut self, event: &Event) {
        if let Event::Warning(message) = event {
            self.0.push(message.clone());
        }
    }
}
