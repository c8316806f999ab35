//! One update: forward, losses, backward, clipping, AdamW.

use std::time::{Duration, Instant};

use equiav_data::Batch;
use equiav_torch::clip_grad_norm;

use crate::feed;
use crate::learner::Learner;
use crate::objective;
use crate::settings::Settings;
use crate::watch::StepReport;

/// Where in the run an update stands.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    /// The epoch, counted from 0.
    pub epoch: u64,
    /// Steps before this one.
    pub step: u64,
    /// The learning rate of this update.
    pub lr: f64,
    /// How long the batch was waited for.
    pub data_time: Duration,
}

/// Updates `learner` by one batch.
///
/// If the loss or the gradient is not finite nothing is changed, and the report says so.
///
/// # Errors
///
/// If memory runs out.
pub fn step(
    learner: &mut Learner,
    batch: &Batch,
    position: Position,
    recipe: &Settings,
) -> anyhow::Result<StepReport> {
    let started = Instant::now();
    let network = &learner.network;
    let views = feed::views(batch, network.store.device());
    let embeddings = network.forward(&views, recipe);
    let terms = objective::terms(&embeddings, network.temperature().as_ref(), recipe);
    let figures = terms.figures();

    learner.optimizer.zero_grad();
    terms.total.backward();
    // PUBLISHED: clip-only-mixed-precision the published code clips only under mixed precision.
    let grad_norm = clip_grad_norm(learner.optimizer.parameters(), recipe.optimizer.clip_norm)?;
    let applied = figures.loss.is_finite() && grad_norm.is_finite();
    if applied {
        learner.optimizer.step(position.lr)?;
    }

    Ok(StepReport {
        epoch: position.epoch,
        step: position.step + 1,
        lr: position.lr,
        figures,
        grad_norm,
        applied,
        clips: batch.clips.clone(),
        data_time: position.data_time,
        batch_time: position.data_time + started.elapsed(),
    })
}
