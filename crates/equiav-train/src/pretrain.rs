//! Pre-training from outside: a recipe and a folder in, a summary out.

use std::path::{Path, PathBuf};

use crate::folder;
use crate::processes::Processes;
use crate::recipe::Recipe;
use crate::retrieve::Retrieved;
use crate::run::Run;
use crate::setup::device_of;
use crate::state::Best;
use crate::stop::Stop;
use crate::watch::Watch;

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Finished epochs.
    pub epochs: u64,
    /// Steps made, those left out included.
    pub steps: u64,
    /// Steps left out since their loss or gradient was not finite.
    pub skipped: u64,
    /// The last measurement of every list.
    pub retrieved: Vec<Retrieved>,
    /// The best measurement.
    pub best: Option<Best>,
    /// The last checkpoint.
    pub checkpoint: PathBuf,
    /// The signal that stopped the run before its end; the same call goes on with the next step.
    pub stopped: Option<i32>,
}

/// Trains the network of `recipe` in the folder `out`; a run found there is resumed at the step where
/// its newest checkpoint was written.
///
/// What comes out does not depend on how often the run was interrupted: on the processor in fp32, all
/// weights are bit-equal.
///
/// # Errors
///
/// If the folder holds another run or is in use, the corpus cannot be had, too many clips are
/// unreadable, too many steps in a row are not finite, memory runs out, or the disk refuses. Earlier
/// checkpoints are whole then.
pub fn pretrain(
    recipe: &Recipe,
    out: &Path,
    stop: &Stop,
    watch: &mut dyn Watch,
) -> anyhow::Result<Summary> {
    pretrain_together(recipe, out, &Processes::alone(), stop, watch)
}

/// As [`pretrain`], by several processes, each of which calls this.
///
/// Each takes its part of every batch; what comes out is what one process with the whole batches would
/// have learned, but for rounding. The leader alone reads and writes the folder, so the others need not
/// see it; a later run may have another number of processes.
///
/// # Errors
///
/// As [`pretrain`]; or if the batch cannot be dealt out evenly, the processes were given different
/// recipes or clips, or one does not take part within the limit.
pub fn pretrain_together(
    recipe: &Recipe,
    out: &Path,
    processes: &Processes,
    stop: &Stop,
    watch: &mut dyn Watch,
) -> anyhow::Result<Summary> {
    processes.ensure_same_recipe(recipe)?;
    let device = device_of(recipe, processes)?;
    let _lock = if processes.leads() { Some(folder::open(recipe, out)?) } else { None };
    let corpus = recipe.data.source.prepare(watch)?;
    let mut run = Run::open(recipe, out, device, corpus, processes, watch)?;
    stop.begin();
    let stopped = run.train(stop, watch)?;
    run.finish(stopped)
}
