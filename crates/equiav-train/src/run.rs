//! A pre-training run: a folder that is opened or resumed, epochs, measurements, checkpoints.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use equiav_data::{Batch, Clips, Dataset, DatasetConfig, Loader, LoaderOptions, Replaced, Sampler};
use equiav_torch::{AdamW, AdamWConfig, cuda_device, set_matmul_precision, set_threads};
use tch::Device;

use crate::checkpoint::{self, State};
use crate::corpus::Corpus;
use crate::folder;
use crate::journal::Journal;
use crate::network::Network;
use crate::recipe::Recipe;
use crate::retrieve::{self, Retrieved};
use crate::schedule::WarmupCosine;
use crate::settings::{DeviceName, Optimizer, Settings};
use crate::step::{self, Position};
use crate::watch::{Event, Watch};

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Finished epochs.
    pub epochs: u64,
    /// Finished updates.
    pub steps: u64,
    /// The last measurement of every list.
    pub retrieved: Vec<Retrieved>,
    /// The last checkpoint.
    pub checkpoint: PathBuf,
}

/// Trains the network of `recipe` in the folder `out`; a run found there is resumed.
///
/// # Errors
///
/// If the folder holds another run or is in use, the corpus cannot be had, too many clips are
/// unreadable, a loss is not finite, or the disk refuses.
pub fn pretrain(recipe: &Recipe, out: &Path, watch: &mut dyn Watch) -> anyhow::Result<Summary> {
    let device = device(recipe)?;
    let _lock = folder::open(recipe, out)?;
    let corpus = recipe.data.source.prepare(watch)?;
    let mut run = Run::open(recipe, out, device, corpus, watch)?;
    while run.state.epoch < recipe.run.epochs {
        run.epoch(watch)?;
    }
    run.finish(watch)
}

/// The device that `recipe` asks for, with its threads and precision set.
///
/// # Errors
///
/// If it asks for CUDA where there is none.
pub fn device(recipe: &Settings) -> anyhow::Result<Device> {
    let threads = match NonZeroUsize::new(recipe.compute.threads) {
        Some(threads) => threads,
        None => std::thread::available_parallelism()?,
    };
    set_threads(threads);
    set_matmul_precision(recipe.compute.matmul_precision)?;
    match recipe.compute.device {
        DeviceName::Cpu => Ok(Device::Cpu),
        DeviceName::Cuda => cuda_device(0)
            .context("compute.device = \"cuda\" (the way out: --set compute.device=cpu)"),
    }
}

/// The training state between two epochs.
struct Run<'a> {
    recipe: &'a Recipe,
    checkpoints: PathBuf,
    train: Arc<Dataset>,
    evaluate: Vec<(String, Arc<Dataset>)>,
    sampler: Sampler,
    schedule: WarmupCosine,
    network: Network,
    optimizer: AdamW,
    journal: Journal,
    state: State,
    retrieved: Vec<Retrieved>,
}

impl<'a> Run<'a> {
    /// Builds everything and takes up the newest checkpoint.
    fn open(
        recipe: &'a Recipe,
        out: &Path,
        device: Device,
        corpus: Corpus,
        watch: &mut dyn Watch,
    ) -> anyhow::Result<Self> {
        let train = dataset(recipe, corpus.train)?;
        let evaluate = corpus.evaluate.into_iter();
        let evaluate = evaluate.map(|(name, list)| Ok((name, dataset(recipe, list)?)));
        let evaluate = evaluate.collect::<anyhow::Result<_>>()?;
        let (clips, batch) = (train.len(), recipe.run.batch);
        let sampler = Sampler::over(recipe.seed, train.clips().portions(), corpus.order, batch);
        ensure!(
            sampler.batches() > 0,
            "{clips} training clips do not fill one batch of run.batch = {batch} \
             (the way out: more clips, or --set run.batch={clips})"
        );
        let network = Network::new(recipe, device)?;
        let mut optimizer = optimizer(recipe, &network);
        let checkpoints = out.join(folder::CHECKPOINTS);
        let mut warn = |message| watch.note(&Event::Warning(message));
        let state = match checkpoint::latest(&checkpoints, &mut warn)? {
            Some((path, state)) => {
                checkpoint::load_weights(&path, &network)?;
                checkpoint::load_optimizer(&path, &mut optimizer)?;
                state
            }
            None => State::default(),
        };
        watch.note(&Event::Started {
            clips,
            parameters: network.parameters(),
            epoch: state.epoch,
            epochs: recipe.run.epochs,
            steps: sampler.batches() as u64,
            batch,
        });
        Ok(Self {
            schedule: schedule(recipe, sampler.batches() as u64),
            journal: Journal::open(out, state.step, &recipe.to_toml())?,
            recipe,
            checkpoints,
            train,
            evaluate,
            sampler,
            network,
            optimizer,
            state,
            retrieved: Vec::new(),
        })
    }

    /// Trains one epoch, measures when due, and saves.
    fn epoch(&mut self, watch: &mut dyn Watch) -> anyhow::Result<()> {
        let epoch = self.state.epoch;
        let order = self.sampler.order(epoch);
        let options = loader_options(self.recipe);
        let mut loader =
            Loader::new(self.train.clone(), epoch, order, self.recipe.run.batch, options)?;
        loop {
            let waiting = Instant::now();
            let Some(batch) = loader.next() else { break };
            let batch = batch?;
            self.note_unreadable(&batch.replaced, watch);
            self.update(epoch, &batch, waiting.elapsed(), watch)?;
        }
        self.state.epoch += 1;
        let last = self.state.epoch == self.recipe.run.epochs;
        if last || self.state.epoch.is_multiple_of(self.recipe.evaluation.every) {
            self.measure(watch)?;
        }
        self.save(watch)?;
        Ok(())
    }

    /// Makes one update.
    fn update(
        &mut self,
        epoch: u64,
        batch: &Batch,
        data_time: Duration,
        watch: &mut dyn Watch,
    ) -> anyhow::Result<()> {
        let position =
            Position { epoch, step: self.state.step, lr: self.schedule.lr(self.state.step) };
        let report = step::step(
            &self.network,
            &mut self.optimizer,
            batch,
            position,
            data_time,
            self.recipe,
        )?;
        self.state.step = report.step;
        self.journal.step(&report)?;
        watch.note(&Event::Step(report));
        Ok(())
    }

    /// Measures every held-out list.
    fn measure(&mut self, watch: &mut dyn Watch) -> anyhow::Result<()> {
        let mut retrieved = Vec::new();
        for (name, list) in &self.evaluate {
            retrieved.push(retrieve::retrieve(name, list.clone(), &self.network, self.recipe)?);
        }
        self.journal.measured(self.state.step, self.state.epoch, &retrieved)?;
        watch.note(&Event::Evaluated { epoch: self.state.epoch, retrieved: retrieved.clone() });
        self.retrieved = retrieved;
        Ok(())
    }

    fn save(&mut self, watch: &mut dyn Watch) -> anyhow::Result<PathBuf> {
        let path =
            checkpoint::save(&self.checkpoints, &self.state, &self.network, &self.optimizer)?;
        checkpoint::prune(&self.checkpoints, self.recipe.run.keep)?;
        watch.note(&Event::Saved(path.clone()));
        Ok(path)
    }

    /// Tells of clips that gave way to others, once each.
    fn note_unreadable(&mut self, replaced: &[Replaced], watch: &mut dyn Watch) {
        for bad in replaced {
            let id = bad.reason.id.clone();
            let reason = bad.reason.to_string();
            if self.state.unreadable.insert(id, reason.clone()).is_none() {
                watch.note(&Event::Warning(format!("another clip takes its place: {reason}")));
            }
        }
    }

    /// Sums up; a run that was complete when opened is measured once more.
    fn finish(mut self, watch: &mut dyn Watch) -> anyhow::Result<Summary> {
        if self.retrieved.is_empty() {
            self.measure(watch)?;
        }
        let mut ignore = |_| ();
        let Some((checkpoint, _)) = checkpoint::latest(&self.checkpoints, &mut ignore)? else {
            bail!("{} holds no checkpoint", self.checkpoints.display());
        };
        let (epochs, steps) = (self.state.epoch, self.state.step);
        Ok(Summary { epochs, steps, retrieved: self.retrieved, checkpoint })
    }
}

/// The data set of `recipe` over `clips`.
///
/// # Errors
///
/// If the front end makes no sense, or there is no clip.
pub fn dataset(recipe: &Settings, clips: Clips) -> anyhow::Result<Arc<Dataset>> {
    let dataset = Dataset::new(DatasetConfig {
        clips,
        front_end: recipe.front_end.clone(),
        audio: recipe.augment.audio.clone(),
        visual: recipe.augment.visual.clone(),
        centroid: recipe.objective.centroid,
        seed: recipe.seed,
        cache_bytes: recipe.data.cache_mb << 20,
    })?;
    Ok(Arc::new(dataset))
}

/// How `recipe` has clips fed.
pub(crate) fn loader_options(recipe: &Settings) -> LoaderOptions {
    LoaderOptions {
        workers: recipe.data.workers,
        queue: recipe.data.queue,
        max_unreadable: recipe.data.max_unreadable,
    }
}

/// The learning rates of a run with `steps` updates per epoch.
fn schedule(recipe: &Settings, steps: u64) -> WarmupCosine {
    let optimizer = &recipe.optimizer;
    WarmupCosine {
        start: optimizer.start_lr,
        peak: optimizer.lr,
        end: optimizer.final_lr,
        warmup: (optimizer.warmup_epochs * steps as f64).round() as u64,
        total: recipe.run.epochs * steps,
    }
}

/// AdamW over every learned variable of `network`.
fn optimizer(recipe: &Settings, network: &Network) -> AdamW {
    let Optimizer { betas, eps, weight_decay, .. } = recipe.optimizer;
    AdamW::of_store(&network.store, AdamWConfig { betas, eps, weight_decay })
}
