//! What a run tells whoever watches it; nothing in this crate prints.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::classified::Classified;
use crate::objective::Figures;
use crate::retrieve::Retrieved;

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
    /// Held-out clips were measured.
    Evaluated {
        /// Finished epochs.
        epoch: u64,
        /// The figures of every list.
        retrieved: Vec<Retrieved>,
    },
    /// Labelled clips were measured.
    Classified {
        /// Finished epochs.
        epoch: u64,
        /// The figures of every list.
        classified: Vec<Classified>,
    },
    /// A checkpoint is complete on disk.
    Saved(PathBuf),
    /// Something went wrong that does not end the run.
    Warning(String),
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

/// Watches a run.
pub trait Watch {
    /// Takes note of `event`.
    fn note(&mut self, event: &Event);
}

/// A watcher that looks away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Watch for Silent {
    fn note(&mut self, _event: &Event) {}
}
