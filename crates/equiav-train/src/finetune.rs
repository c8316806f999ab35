//! Fine-tuning: pre-trained encoders learn classes from labelled clips; by way of the same runs as
//! pre-training.
//!
//! The epoch is chosen on a validation part of the training list. The test lists are measured once,
//! with the chosen weights, and the figures kept in the run folder as `test.json`.

mod clips;
mod network;
mod scores;
mod step;
mod test;

pub(crate) use clips::{LabeledClips, labels};
pub(crate) use network::Labeler;

use std::path::{Path, PathBuf};

use equiav_data::{Frames, LabeledBatch, LabeledLoader, Pass, Sampler, Weights};
use equiav_torch::Unused;
use tch::Device;

use crate::checkpoint::Files;
use crate::classified::Classified;
use crate::folder;
use crate::learner::Learner;
use crate::memory;
use crate::network::Stored;
use crate::processes::Processes;
use crate::recipe::FinetuneRecipe;
use crate::run::Run;
use crate::settings::Metric;
use crate::setup::{device_of, labeled_loader_options};
use crate::state::{Best, State};
use crate::step::Position;
use crate::stop::Stop;
use crate::task::{Feed, Measured, Shared, Task};
use crate::watch::{Event, StepReport, Watch};
use scores::scores;

/// How a fine-tuning run ended.
#[derive(Clone, Debug)]
pub struct Finetuned {
    /// Finished epochs.
    pub epochs: u64,
    /// Steps made, those left out included.
    pub steps: u64,
    /// Steps left out since their loss or gradient was not finite.
    pub skipped: u64,
    /// The last measurement of the validation clips; none without such clips.
    pub validation: Vec<Classified>,
    /// The best measurement of the validation clips.
    pub best: Option<Best>,
    /// The last checkpoint.
    pub checkpoint: PathBuf,
    /// The test lists with the chosen weights; empty while the run is not over.
    pub test: Vec<Classified>,
    /// The checkpoints that the tested weights come from; several are averaged.
    pub tested: Vec<PathBuf>,
    /// The signal that stopped the run before its end; the same call goes on with the next step.
    pub stopped: Option<i32>,
}

/// Fine-tunes by `recipe` in the folder `out`; a run found there is resumed at the step where its newest
/// checkpoint was written, and ends as [`pretrain`](crate::pretrain)'s do.
///
/// # Errors
///
/// As [`pretrain`](crate::pretrain); also if what the recipe starts from cannot be read or does not
/// fit, a label is unknown, or the weights of clips are not as many as the clips.
pub fn finetune(
    recipe: &FinetuneRecipe,
    out: &Path,
    stop: &Stop,
    watch: &mut dyn Watch,
) -> anyhow::Result<Finetuned> {
    finetune_together(recipe, out, &Processes::alone(), stop, watch)
}

/// As [`finetune`], by several processes, each of which calls this; as
/// [`pretrain_together`](crate::pretrain_together) is to [`pretrain`](crate::pretrain).
///
/// # Errors
///
/// As [`finetune`] and [`pretrain_together`](crate::pretrain_together).
pub fn finetune_together(
    recipe: &FinetuneRecipe,
    out: &Path,
    processes: &Processes,
    stop: &Stop,
    watch: &mut dyn Watch,
) -> anyhow::Result<Finetuned> {
    processes.telling(|| train(recipe, out, processes, stop, watch))
}

/// One process's part of the run.
fn train(
    recipe: &FinetuneRecipe,
    out: &Path,
    processes: &Processes,
    stop: &Stop,
    watch: &mut dyn Watch,
) -> anyhow::Result<Finetuned> {
    processes.ensure_same_recipe(recipe)?;
    let device = device_of(&recipe.compute, processes)?;
    if let Some(warning) = processes.warning_of_gradients(device) {
        watch.note(&Event::Warning(warning));
    }
    let _lock = if processes.leads() { Some(folder::open(recipe, out)?) } else { None };
    let clips = LabeledClips::prepare(recipe, watch)?;
    processes.group.await_all("corpus")?;
    processes.ensure_same_lists(clips.lists())?;
    let task = Finetuning::new(recipe, clips, device, processes)?;
    let mut run = Run::open(task, out, &recipe.to_toml(), watch)?;
    let stopped = run.train(stop, watch)?;
    let (task, state, checkpoint) = run.finish()?;
    let (tested, test) = match stopped {
        Some(_) => (Vec::new(), Vec::new()),
        None => test::test(&task, out, &state, watch)?,
    };
    let State { epoch: epochs, step: steps, skipped, classified: validation, best, .. } = state;
    Ok(Finetuned { epochs, steps, skipped, validation, best, checkpoint, test, tested, stopped })
}

/// A classifier with its clips.
struct Finetuning<'a> {
    recipe: &'a FinetuneRecipe,
    clips: LabeledClips,
    learner: Learner<Labeler>,
}

impl<'a> Finetuning<'a> {
    fn new(
        recipe: &'a FinetuneRecipe,
        clips: LabeledClips,
        device: Device,
        processes: &Processes,
    ) -> anyhow::Result<Self> {
        let network = Labeler::new(recipe, clips.train.targets().count(), device);
        let precision = recipe.compute.precision;
        let mut learner =
            Learner::of(network, &recipe.optimizer, precision, processes, Unused::Never)?;
        let factor = recipe.objective.head_factor;
        // PUBLISHED: head-rate-overwritten, the published schedule sets all groups to the base rate;
        // here the head's factor acts.
        learner.optimizer = learner
            .optimizer
            .with_factors(|name| if equiav_models::is_head(name) { factor } else { 1.0 });
        Ok(Self { recipe, clips, learner })
    }
}

impl Task for Finetuning<'_> {
    type Batch = LabeledBatch;

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
        self.clips.train.train().len()
    }

    fn id(&self, clip: usize) -> &str {
        self.clips.train.dataset().clips().id(clip)
    }

    fn parameters(&self) -> usize {
        self.learner.network.parameters()
    }

    fn sampler(&self) -> anyhow::Result<Sampler> {
        let (recipe, clips) = (self.recipe, &self.clips.train);
        let processes = &self.learner.processes;
        let batch = processes.share(recipe.run.batch);
        let (rank, world) = (processes.group.rank(), processes.world());
        let Some(path) = &recipe.data.weights else {
            let sampler = Sampler::new(recipe.seed, clips.train().len(), batch);
            return Ok(sampler.split(rank, world));
        };
        let all = Weights::read(path, clips.dataset().len())?;
        let own: Vec<f64> = clips.train().iter().map(|clip| all[*clip]).collect();
        let weights = Weights::new(&own)
            .map_err(|error| anyhow::anyhow!("data.weights = {}: {error}", path.display()))?;
        Ok(Sampler::weighted(recipe.seed, weights, batch).split(rank, world))
    }

    fn batches(&self, mut pass: Pass) -> anyhow::Result<Box<dyn Feed<LabeledBatch>>> {
        // The sampler counts through the clips to train on.
        let train = self.clips.train.train();
        pass.order.iter_mut().for_each(|clip| *clip = train[*clip]);
        let options = labeled_loader_options(&self.recipe.data);
        Ok(Box::new(LabeledLoader::resume(self.clips.train.clone(), pass, options)?))
    }

    fn step(&mut self, batch: &LabeledBatch, position: Position) -> anyhow::Result<StepReport> {
        let Self { recipe, learner, .. } = self;
        let advice = || memory::advice(&recipe.run, &recipe.compute, None);
        memory::within(advice, || step::step(learner, batch, position, recipe))
    }

    fn measure(&self) -> anyhow::Result<Measured> {
        let Some(list) = &self.clips.validation else {
            return Ok(Measured::Classified(Vec::new(), None));
        };
        let processes = &self.learner.processes;
        // PUBLISHED: metrics-of-one-shard, the published code measures a process's shard of the test list.
        let scored = self
            .learner
            .measured(|network| scores(network, list, Frames::Middle, self.recipe, processes))?;
        let figures = processes.led("validation", || scored.figures(list.labeled.targets()))?;
        let score = match self.recipe.evaluation.choose_by {
            Metric::Map => Some(figures.map),
            Metric::Top1 => figures.top1,
        };
        Ok(Measured::Classified(vec![figures], score))
    }

    fn files(&self) -> Files {
        self.learner.files()
    }

    fn share(&mut self) -> anyhow::Result<()> {
        self.learner.share()
    }

    fn begin(&mut self, watch: &mut dyn Watch) -> anyhow::Result<()> {
        self.learner.network.start(self.recipe, watch)?;
        self.learner.restart_average();
        Ok(())
    }

    fn resume(&mut self, path: &Path) -> anyhow::Result<()> {
        self.learner.load(path)
    }
}
