//! One update: forward, losses, backward, clipping, AdamW.

use std::time::{Duration, Instant};

use anyhow::ensure;
use equiav_data::Batch;
use equiav_torch::{AdamW, clip_grad_norm};

use crate::feed;
use crate::network::Network;
use crate::objective;
use crate::settings::Settings;
use crate::watch::StepReport;

/// Where in the run an update stands.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    /// The epoch, counted from 0.
    pub epoch: u64,
    /// Updates before this one.
    pub step: u64,
    /// The learning rate of this update.
    pub lr: f64,
}

/// Updates `network` by one batch that was waited for during `data_time`.
///
/// # Errors
///
/// If the loss or the gradient is not finite; nothing has been changed then.
pub fn step(
    network: &Network,
    optimizer: &mut AdamW,
    batch: &Batch,
    position: Position,
    data_time: Duration,
    recipe: &Settings,
) -> anyhow::Result<StepReport> {
    let started = Instant::now();
    let views = feed::views(batch, network.store.device());
    let embeddings = network.forward(&views, recipe);
    let terms = objective::terms(&embeddings, network.temperature().as_ref(), recipe);
    let figures = terms.figures();
    let place = || format!("at step {} (clips {:?})", position.step + 1, batch.clips);
    ensure!(figures.loss.is_finite(), "the loss is not finite {}", place());

    optimizer.zero_grad();
    terms.total.backward();
    // PUBLISHED: clip-only-mixed-precision the published code clips only under mixed precision.
    let grad_norm = clip_grad_norm(optimizer.parameters(), recipe.optimizer.clip_norm)?;
    let grad_norm = grad_norm.double_value(&[]);
    ensure!(grad_norm.is_finite(), "the gradient is not finite {}", place());
    optimizer.step(position.lr)?;

    Ok(StepReport {
        epoch: position.epoch,
        step: position.step + 1,
        lr: position.lr,
        figures,
        grad_norm,
        clips: batch.clips.len(),
        data_time,
        batch_time: data_time + started.elapsed(),
    })
}
