//! Pre-training with the method that a recipe names: its clips, networks and method handed to the engine.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::equiav::EquiAv;
use super::named::{self, MethodRecipe};
use crate::callback::Callback;
use crate::engine::{RunOptions, TrainedRun, train};
use crate::metrics::Metrics;
use crate::model::Network;
use crate::recipe::{self, BUILT_IN, BUILT_IN_METHODS, Override, Recipe, Settings, method_name};
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
        Ok((EquiAv::new(build(recipe, device)?, (**recipe).clone())?, clips))
    })?;
    Ok(run.into())
}

/// The recipe of any method of pre-training: `[method]` names it, and without that section it is EquiAV.
#[derive(Debug)]
pub enum PretrainRecipe {
    /// Of [`EquiAv`].
    EquiAv(Box<Recipe>),
    /// Of another method.
    Method(Box<dyn MethodRecipe>),
}

impl PretrainRecipe {
    /// Reads the recipe at `path`, or the built-in one of that name, and applies `overrides`.
    ///
    /// # Errors
    ///
    /// As [`Recipe::load`], or if there is no method of the name that it gives.
    pub fn load(path: &Path, overrides: &[Override]) -> anyhow::Result<Self> {
        let text = recipe::text(path, &[&BUILT_IN[..], &BUILT_IN_METHODS].concat())?;
        let parsed = match method_name(&text) {
            None => Recipe::parse(&text, overrides).map(|recipe| Self::EquiAv(Box::new(recipe))),
            Some(name) => named::read(&name, &text, overrides).map(Self::Method),
        };
        parsed.with_context(|| format!("in recipe {}", path.display()))
    }

    /// What the run is called.
    pub fn name(&self) -> &str {
        match self {
            Self::EquiAv(recipe) => &recipe.name,
            Self::Method(recipe) => recipe.name(),
        }
    }

    /// Trains; see [`train`] for where, with whom, and what resuming promises.
    ///
    /// # Errors
    ///
    /// As [`pretrain`].
    pub fn pretrain(
        &self,
        options: RunOptions<'_>,
        callback: &mut dyn Callback,
    ) -> anyhow::Result<PretrainSummary> {
        match self {
            Self::EquiAv(recipe) => pretrain(recipe, options, callback),
            Self::Method(recipe) => recipe.pretrain(options, callback),
        }
    }
}

impl<M> From<TrainedRun<M>> for PretrainSummary {
    fn from(run: TrainedRun<M>) -> Self {
        let State { epoch: epochs, step: steps, skipped, metrics, best, .. } = run.progress;
        let (checkpoint, stopped) = (run.checkpoint, run.stopped);
        Self { epochs, steps, skipped, metrics, best, checkpoint, stopped }
    }
}
