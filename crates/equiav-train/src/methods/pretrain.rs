//! Pre-training with EquiAV: the recipe's clips, networks and method handed to the engine.

use std::path::PathBuf;

use super::equiav::EquiAv;
use crate::callback::Callback;
use crate::engine::{RunOptions, train};
use crate::metrics::Metrics;
use crate::model::Network;
use crate::recipe::{Recipe, Settings};
use crate::run_dir::{Best, State};

/// How a pre-training run ended.
#[derive(Clone, Debug)]
pub struct PretrainSummary {
    /// Finished epochs.
    pub epochs: u64,
    /// Steps made, skipped ones included.
    pub steps: u64,
    /// Steps skipped since their loss or gradient was not finite.
    pub skipped: u64,
    /// The last metrics of every list.
    pub metrics: Metrics,
    /// The best evaluation.
    pub best: Option<Best>,
    /// The last checkpoint.
    pub checkpoint: PathBuf,
    /// The signal that stopped the run before its end; the same call goes on with the next step.
    pub stopped: Option<i32>,
}

/// Trains EquiAV by `recipe`; see [`train`] for where, with whom, and what resuming promises.
///
/// # Errors
///
/// As [`train`]; also if the corpus or what the recipe starts from cannot be had.
pub fn pretrain(
    recipe: &Recipe,
    options: RunOptions<'_>,
    callback: &mut dyn Callback,
) -> anyhow::Result<PretrainSummary> {
    pretrain_with(recipe, options, callback, Network::new)
}

/// As [`pretrain`], with networks of the caller's own making, such as one with another predictor: `build` gets the
/// recipe and the device.
///
/// # Errors
///
/// As [`pretrain`], or if `build` fails.
pub fn pretrain_with(
    recipe: &Recipe,
    options: RunOptions<'_>,
    callback: &mut dyn Callback,
    build: impl FnOnce(&Settings, tch::Device) -> anyhow::Result<Network>,
) -> anyhow::Result<PretrainSummary> {
    let world = options.world;
    let run = train(recipe, options, callback, |device, callback| {
        let clips = recipe.unlabeled().prepare(world, callback)?;
        Ok((EquiAv::new(build(recipe, device)?, (**recipe).clone()), clips))
    })?;
    let State { epoch: epochs, step: steps, skipped, metrics, best, .. } = run.progress;
    let (checkpoint, stopped) = (run.checkpoint, run.stopped);
    Ok(PretrainSummary { epochs, steps, skipped, metrics, best, checkpoint, stopped })
}
