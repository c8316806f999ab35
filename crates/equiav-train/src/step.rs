//! One step: forward, losses, backward, clipping, AdamW.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use equiav_data::Batch;
use equiav_torch::peak_on;

use crate::feed;
use crate::learner::Learner;
use crate::network::Stored;
use crate::objective::Terms;
use crate::pass;
use crate::phase::{self, Phase};
use crate::settings::{Length, Optimizer, Settings};
use crate::watch::StepReport;

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

/// Updates `learner` by one batch, or by this process's part of one; the figures are those of all.
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
pub fn step(
    learner: &mut Learner,
    batch: &Batch,
    position: Position,
    recipe: &Settings,
) -> anyhow::Result<StepReport> {
    let started = Instant::now();
    let device = learner.network.store.device();
    let views = phase::at(Phase::Feed, device, || feed::views(batch, device));
    let terms = pass::pass(learner, &views, recipe)?;
    let made = Made { terms, clips: batch.clips.clone(), position, started };
    conclude(learner, made, &recipe.optimizer, &recipe.run)
}

/// A step whose gradients are there.
pub(crate) struct Made {
    /// What was differentiated.
    pub(crate) terms: Terms,
    /// The positions of its clips in the training list.
    pub(crate) clips: Vec<usize>,
    /// Where in the run it stands.
    pub(crate) position: Position,
    /// When it began.
    pub(crate) started: Instant,
}

/// Updates `learner` by the gradients of a step and reports it.
pub(crate) fn conclude<N: Stored>(
    learner: &mut Learner<N>,
    made: Made,
    optimizer: &Optimizer,
    run: &Length,
) -> anyhow::Result<StepReport> {
    let Made { terms, clips, position, started } = made;
    let Position { epoch, step, lr, data_time } = position;
    let device = learner.network.store().device();
    let update = || learner.update(&terms.total, lr, optimizer.clip_norm);
    let (norm, skipped) = phase::at(Phase::Update, device, update)?;
    let every = run.gradient_norms_every;
    let due = every.is_some_and(|every| (step + 1).is_multiple_of(every));
    let gradient_norms = if due { learner.gradient_norms() } else { BTreeMap::new() };
    learner.optimizer.zero_grad();
    let (mut figures, [grad_norm, skipped]) = terms.figures([&norm, &skipped]);
    figures.average(&learner.processes)?;
    let applied = skipped == 0.0;
    if let (Some(average), true) = (&mut learner.average, applied) {
        average.update(learner.network.store());
    }
    Ok(StepReport {
        epoch,
        step: step + 1,
        lr,
        figures,
        grad_norm,
        gradient_norms,
        loss_scale: learner.scaler.as_ref().map(|scaler| scaler.current()),
        applied,
        batch: clips.len() * learner.processes.world(),
        clips,
        memory: peak_on(device),
        data_time,
        batch_time: data_time + started.elapsed(),
    })
}
