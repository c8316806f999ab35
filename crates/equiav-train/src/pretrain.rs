//! Pre-training: encoders and predictors learn from pairs of sound and picture.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use equiav_data::{Batch, Dataset, Loader, Order, Pass, Sampler};

use crate::checkpoint::Files;
use crate::folder;
use crate::learner::Learner;
use crate::memory;
use crate::processes::Processes;
use crate::recipe::Recipe;
use crate::retrieve::{self, Retrieved};
use crate::run::Run;
use crate::setup::{dataset, device_of, loader_options};
use crate::state::{Best, State};
use crate::step::{self, Position};
use crate::stop::Stop;
use crate::task::{Feed, Measured, Shared, Task};
use crate::watch::{Event, StepReport, Watch};

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
    processes.telling(|| train(recipe, out, processes, stop, watch))
}

/// One process's part of the run.
fn train(
    recipe: &Recipe,
    out: &Path,
    processes: &Processes,
    stop: &Stop,
    watch: &mut dyn Watch,
) -> anyhow::Result<Summary> {
    processes.ensure_same_recipe(recipe)?;
    let device = device_of(&recipe.compute, processes)?;
    if let Some(warning) = processes.warning_of_gradients(device) {
        watch.note(&Event::Warning(warning));
    }
    let _lock = if processes.leads() { Some(folder::open(recipe, out)?) } else { None };
    let corpus = recipe.data.source.prepare(watch)?;
    processes.group.await_all("corpus")?;
    let evaluate = corpus.evaluate.into_iter();
    let evaluate = evaluate.map(|(name, list)| Ok((name, dataset(recipe, list)?)));
    let task = Pretraining {
        train: dataset(recipe, corpus.train)?,
        order: corpus.order,
        evaluate: evaluate.collect::<anyhow::Result<_>>()?,
        learner: Learner::together(recipe, device, processes)?,
        recipe,
    };
    let evaluate = task.evaluate.iter().map(|(name, list)| (name.as_str(), list.clips()));
    processes.ensure_same_lists([("train", task.train.clips())].into_iter().chain(evaluate))?;
    let mut run = Run::open(task, out, &recipe.to_toml(), watch)?;
    let stopped = run.train(stop, watch)?;
    let (_, state, checkpoint) = run.finish()?;
    let State { epoch: epochs, step: steps, skipped, retrieved, best, .. } = state;
    Ok(Summary { epochs, steps, skipped, retrieved, best, checkpoint, stopped })
}

/// Encoders, predictors and heads with their clips.
struct Pretraining<'a> {
    recipe: &'a Recipe,
    train: Arc<Dataset>,
    order: Order,
    evaluate: Vec<(String, Arc<Dataset>)>,
    learner: Learner,
}

impl Task for Pretraining<'_> {
    type Batch = Batch;

    fn shared(&self) -> Shared<'_> {
        let recipe = self.recipe;
        Shared {
            run: &recipe.run,
            optimizer: &recipe.optimizer,
            processes: &self.learner.processes,
            every: recipe.evaluation.every,
        }
    }

    fn clips(&self) -> usize {
        self.train.len()
    }

    fn id(&self, clip: usize) -> &str {
        self.train.clips().id(clip)
    }

    fn parameters(&self) -> usize {
        self.learner.network.parameters()
    }

    fn sampler(&self) -> anyhow::Result<Sampler> {
        let portions = self.train.clips().portions();
        let (processes, recipe) = (&self.learner.processes, self.recipe);
        let batch = processes.share(recipe.run.batch);
        let sampler = Sampler::over(recipe.seed, portions, self.order, batch);
        Ok(sampler.split(processes.group.rank(), processes.world()))
    }

    fn batches(&self, pass: Pass) -> anyhow::Result<Box<dyn Feed<Batch>>> {
        let options = loader_options(self.recipe);
        Ok(Box::new(Loader::resume(self.train.clone(), pass, options)?))
    }

    fn step(&mut self, batch: &Batch, position: Position) -> anyhow::Result<StepReport> {
        let Self { recipe, learner, .. } = self;
        let advice = || memory::advice_on(recipe);
        memory::within(advice, || step::step(learner, batch, position, recipe))
    }

    fn measure(&self) -> anyhow::Result<Measured> {
        let recipe = self.recipe;
        let retrieved = self.learner.measured(|network| {
            let lists = self.evaluate.iter();
            let one = |(name, list): &(String, Arc<Dataset>)| {
                let processes = &self.learner.processes;
                retrieve::retrieve_together(name, list.clone(), network, recipe, processes)
            };
            lists.map(one).collect::<anyhow::Result<Vec<Retrieved>>>()
        })?;
        Ok(Measured::Retrieved(retrieved))
    }

    fn files(&self) -> Files {
        self.learner.files()
    }

    fn share(&mut self) -> anyhow::Result<()> {
        self.learner.share()
    }

    fn begin(&mut self, _: &mut dyn Watch) -> anyhow::Result<()> {
        self.learner.start(self.recipe)
    }

    fn resume(&mut self, path: &Path) -> anyhow::Result<()> {
        self.learner.load(path)
    }
}
