//! One step: forward, terms, backward, clipping, AdamW, EMA.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use equiav_torch::peak_on;

use super::grad_cache::backward_pass;
use super::method::{Method, StepContext};
use super::profiler::{self, Phase};
use super::train_state::TrainState;
use crate::callback::StepReport;
use crate::clips::HostBatch;
use crate::recipe::Shared;

/// Where in the run a step stands.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    /// The epoch, counted from 0.
    pub epoch: u64,
    /// Steps before this one.
    pub step: u64,
    /// The learning rate of this step.
    pub lr: f64,
    /// How long the batch was waited for.
    pub data_time: Duration,
}

/// Updates `state` by one batch, or by this rank's part of one; the figures are those of all.
///
/// If the loss or the gradient is not finite no weight and no moment changes, and the report says so.
/// The device is waited for once, at the end.
///
/// # Errors
///
/// If libtorch fails, or a process does not take part within the limit.
///
/// # Panics
///
/// If memory runs out, in libtorch's words.
pub fn step<M: Method>(
    state: &mut TrainState<M>,
    batch: &HostBatch,
    position: Position,
    recipe: Shared<'_>,
) -> anyhow::Result<StepReport> {
    let started = Instant::now();
    let device = state.device();
    let feeding = profiler::span(Phase::Feed, device);
    let batch = batch.to_device(position.epoch, device);
    drop(feeding);
    let context = StepContext { epoch: position.epoch, step: position.step, batch: &batch };
    state.method.step_start(&context)?;
    let terms = backward_pass(state, &context, recipe)?;
    let clip_norm = recipe.optimizer.clip_norm;
    let updating = profiler::span(Phase::Update, device);
    let (norm, skipped) = state.update(&terms.total, position.lr, clip_norm)?;
    drop(updating);
    let every = recipe.run.gradient_norms_every;
    let due = every.is_some_and(|every| (position.step + 1).is_multiple_of(every));
    let gradient_norms = if due { state.gradient_norms() } else { BTreeMap::new() };
    state.optimizer.zero_grad();
    let (mut figures, [grad_norm, skipped]) = terms.figures([&norm, &skipped]);
    figures.average(&state.world)?;
    let applied = skipped == 0.0;
    if applied {
        state.after_update(&context)?;
    }
    let clips = batch.clips();
    Ok(StepReport {
        epoch: position.epoch,
        step: position.step + 1,
        lr: position.lr,
        figures,
        grad_norm,
        gradient_norms,
        loss_scale: state.scaler.as_ref().map(|scaler| scaler.current()),
        applied,
        batch: clips.len() * state.world.size(),
        clips,
        memory: peak_on(device),
        data_time: position.data_time,
        batch_time: position.data_time + started.elapsed(),
    })
}
