//! A run of any method: a folder that is opened or resumed, steps, evaluations, checkpoints.

mod collapse;
mod online;
mod overlaps;
mod run;

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use tch::Device;

use super::method::Method;
use super::signals::StopSignal;
use super::train_state::TrainState;
use crate::callback::{Callback, Event};
use crate::clips::RunClips;
use crate::distributed::{World, device};
use crate::recipe::{Checked, Sections, Shared};
use crate::run_dir::{State, lock};
pub use collapse::{SPREAD, spread};
use run::Run;

/// Where and with whom a run trains.
#[derive(Clone, Copy, Debug)]
pub struct RunOptions<'a> {
    /// The run folder; a run found there is resumed at the step where its newest checkpoint was written.
    pub out: &'a Path,
    /// The ranks that train together, each of which makes the same call.
    pub world: &'a World,
    /// What may ask the run to stop.
    pub stop: &'a StopSignal,
}

/// A run that has ended or was stopped.
#[derive(Debug)]
pub struct TrainedRun<M> {
    /// What was trained.
    pub state: TrainState<M>,
    /// Where the run stands, with its last metrics.
    pub progress: State,
    /// The newest checkpoint.
    pub checkpoint: PathBuf,
    /// The signal that stopped the run before its end; the same call goes on with the next step.
    pub stopped: Option<i32>,
    /// What keeps other processes from training in the folder meanwhile.
    _lock: Option<File>,
}

/// Trains the method and the clips that `build` gives, as `recipe` says, and as `options` say where.
///
/// What comes out does not depend on how often the run was interrupted: on the processor in fp32, all
/// weights are bit-equal. With several ranks it is what one with the whole batches would have learned, but for
/// rounding. Rank 0 alone reads and writes the folder; a later run may have another number of ranks.
///
/// # Errors
///
/// If `build` fails, the folder holds another run or is in use, too many clips are unreadable, too many steps
/// in a row are not finite, memory runs out, the disk refuses, or a rank does not take part within the limit. Earlier
/// checkpoints are whole then.
pub fn train<S: Sections, M: Method>(
    recipe: &Checked<S>,
    options: RunOptions<'_>,
    callback: &mut dyn Callback,
    build: impl FnOnce(Device, &mut dyn Callback) -> anyhow::Result<(M, RunClips)>,
) -> anyhow::Result<TrainedRun<M>> {
    let RunOptions { out, world, stop } = options;
    world.abort_on_error(|| {
        world.ensure_same_recipe(recipe)?;
        let shared = recipe.shared();
        let device = device(shared.compute, world)?;
        if let Some(warning) = world.warning_of_gradients(device) {
            callback.on_event(&Event::Warning(warning));
        }
        let lock = if world.is_main() { Some(lock::open(recipe, out)?) } else { None };
        let (method, clips) = build(device, callback)?;
        clips.ensure_same(world)?;
        ensure_needs(&method, &clips)?;
        ensure_terms(&method, shared)?;
        let state = TrainState::new(method, shared, world)?;
        let mut run = Run::open(state, &clips, shared, (out, &recipe.to_toml()), callback)?;
        let stopped = run.train(stop, callback)?;
        let checkpoint = run.checkpoint.context("the run has saved no checkpoint")?;
        Ok(TrainedRun {
            state: run.state,
            progress: run.progress,
            checkpoint,
            stopped,
            _lock: lock,
        })
    })
}

/// Refuses clips that lack what `method` needs.
fn ensure_needs<M: Method>(method: &M, clips: &RunClips) -> anyhow::Result<()> {
    let needs = method.needs();
    let labeled = clips.train.are_labeled();
    let present = clips.train.modalities();
    if let Some(missing) = needs.modalities.iter().find(|modality| !present.contains(modality)) {
        bail!("the method needs {missing} views, and the clips have none");
    }
    ensure!(!needs.labels || labeled, "the method needs labels, and the clips have none");
    let augmented = clips.train.are_augmented();
    ensure!(!needs.augmented || augmented, "the method needs augmented views with their vectors");
    Ok(())
}

/// Refuses weights of terms that `method` does not have.
fn ensure_terms<M: Method>(method: &M, recipe: Shared<'_>) -> anyhow::Result<()> {
    let known = method.term_names();
    let mut weighed = recipe.weights.into_iter().flatten().map(|(name, _)| name);
    match weighed.find(|name| !known.is_empty() && !known.contains(name)) {
        Some(name) => {
            bail!("objective.weights.{name}: unknown term, expected one of {}", known.join(", "))
        }
        None => Ok(()),
    }
}
