//! A pre-training run between its begin and its end: steps, measurements, checkpoints.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use equiav_data::{Batch, Dataset, Loader, Replaced, Sampler};
use tch::Device;

use crate::checkpoint;
use crate::corpus::Corpus;
use crate::folder;
use crate::journal::Journal;
use crate::learner::Learner;
use crate::memory;
use crate::pretrain::Summary;
use crate::processes::Processes;
use crate::recipe::Recipe;
use crate::retrieve::{self, Retrieved};
use crate::schedule::WarmupCosine;
use crate::setup::{dataset, loader_options, schedule};
use crate::state::State;
use crate::step::{self, Position};
use crate::stop::Stop;
use crate::watch::{Event, StepReport, Watch};

/// A run between two steps.
pub(crate) struct Run<'a> {
    recipe: &'a Recipe,
    checkpoints: PathBuf,
    train: Arc<Dataset>,
    evaluate: Vec<(String, Arc<Dataset>)>,
    sampler: Sampler,
    schedule: WarmupCosine,
    learner: Learner,
    processes: &'a Processes,
    /// The leader's.
    journal: Option<Journal>,
    state: State,
    /// The newest checkpoint.
    checkpoint: Option<PathBuf>,
    /// Whether one is due.
    due: bool,
    /// The state before the first of the steps that were left out in a row.
    sound: State,
}

impl<'a> Run<'a> {
    /// Builds everything and takes up the newest checkpoint.
    pub(crate) fn open(
        recipe: &'a Recipe,
        out: &Path,
        device: Device,
        corpus: Corpus,
        processes: &'a Processes,
        watch: &mut dyn Watch,
    ) -> anyhow::Result<Self> {
        let train = dataset(recipe, corpus.train)?;
        let evaluate = corpus.evaluate.into_iter();
        let evaluate = evaluate.map(|(name, list)| Ok((name, dataset(recipe, list)?)));
        let evaluate = evaluate.collect::<anyhow::Result<Vec<_>>>()?;
        processes.ensure_same_lists(&train, &evaluate)?;
        let (clips, batch) = (train.len(), recipe.run.batch);
        let (rank, world) = (processes.group.rank(), processes.world());
        processes.ensure_even(batch)?;
        let portions = train.clips().portions();
        let sampler = Sampler::over(recipe.seed, portions, corpus.order, batch / world);
        let sampler = sampler.split(rank, world);
        ensure!(
            sampler.batches() > 0,
            "{clips} training clips do not fill one batch of run.batch = {batch} \
             (the way out: more clips, or --set run.batch={clips})"
        );
        let mut learner = Learner::together(recipe, device, processes)?;
        let checkpoints = out.join(folder::CHECKPOINTS);
        let mut warn = |message| watch.note(&Event::Warning(message));
        let newest = processes.led("the newest checkpoint", || {
            let newest = checkpoint::latest(&checkpoints, &mut warn)?;
            if let Some((path, _)) = &newest {
                learner.load(path)?;
            }
            Ok(newest)
        })?;
        learner.share()?;
        let (checkpoint, state): (Option<PathBuf>, Option<State>) = newest.unzip();
        let state = state.unwrap_or_default();
        let journal = processes.leads().then(|| Journal::open(out, state.step, &recipe.to_toml()));
        watch.note(&Event::Started {
            clips,
            parameters: learner.network.parameters(),
            done: state.step,
            epochs: recipe.run.epochs,
            steps: sampler.batches() as u64,
            batch,
        });
        Ok(Self {
            schedule: schedule(recipe, sampler.batches() as u64),
            journal: journal.transpose()?,
            recipe,
            processes,
            checkpoints,
            train,
            evaluate,
            sampler,
            learner,
            checkpoint,
            due: false,
            sound: state.clone(),
            state,
        })
    }

    /// Trains to the end, or until `stop` asks; returns the signal by which it did.
    pub(crate) fn train(
        &mut self,
        stop: &Stop,
        watch: &mut dyn Watch,
    ) -> anyhow::Result<Option<i32>> {
        while self.state.epoch < self.recipe.run.epochs {
            if let Some(signal) = self.epoch(stop, watch)? {
                return Ok(Some(signal));
            }
        }
        Ok(None)
    }

    /// Goes on with the epoch under way.
    fn epoch(&mut self, stop: &Stop, watch: &mut dyn Watch) -> anyhow::Result<Option<i32>> {
        let used = self.processes.share(self.state.used);
        let pass = self.sampler.pass(self.state.epoch, used);
        let mut loader = Loader::resume(self.train.clone(), pass, loader_options(self.recipe))?;
        loop {
            // Where one process is asked to stop, all do, after the same step.
            let signal = self.processes.largest(stop.requested().unwrap_or(0).into(), "signals")?;
            if signal != 0 {
                self.save(watch)?;
                return Ok(Some(signal as i32));
            }
            let waiting = Instant::now();
            let Some(batch) = loader.next() else { return Ok(None) };
            let batch = batch?;
            self.note_unreadable(&batch.replaced, watch);
            self.update(&batch, waiting.elapsed(), watch)?;
            loader.recycle(batch);
            self.close_step(watch)?;
        }
    }

    /// Makes one update.
    fn update(
        &mut self,
        batch: &Batch,
        data_time: Duration,
        watch: &mut dyn Watch,
    ) -> anyhow::Result<()> {
        let State { epoch, step, .. } = self.state;
        let position = Position { epoch, step, lr: self.schedule.lr(step), data_time };
        let report = memory::within(self.recipe, || {
            step::step(&mut self.learner, batch, position, self.recipe)
        })?;
        self.state.step = report.step;
        self.state.used += report.batch;
        if let Some(journal) = &mut self.journal {
            journal.step(&report)?;
        }
        let left_out = (!report.applied).then(|| self.left_out(&report)).transpose()?;
        watch.note(&Event::Step(report));
        match left_out {
            Some(message) => self.note_skipped(message, watch),
            None => {
                self.state.skipped_in_a_row = 0;
                Ok(())
            }
        }
    }

    /// What is to be said of an update that was not made.
    fn left_out(&self, report: &StepReport) -> anyhow::Result<String> {
        let ids: Vec<&str> = report.clips.iter().map(|clip| self.train.clips().id(*clip)).collect();
        let ids = self.processes.group.gather_text(&ids.join(", "), "clips left out")?.join(", ");
        Ok(format!("step {} is left out: {} (clips {ids})", report.step, report.trouble()))
    }

    /// Counts an update that was not made; too many in a row end the run, with a checkpoint from before
    /// the first of them.
    fn note_skipped(&mut self, message: String, watch: &mut dyn Watch) -> anyhow::Result<()> {
        self.state.skipped += 1;
        self.state.skipped_in_a_row += 1;
        let row = self.state.skipped_in_a_row;
        if row <= self.recipe.run.max_skipped {
            watch.note(&Event::Warning(message));
            return Ok(());
        }
        self.state = self.sound.clone();
        let path = self.save(watch)?;
        bail!(
            "{message}; it was number {row} in a row, run.max_skipped = {} are allowed: {} holds the \
             state before them (the way out: a lower optimizer.lr, or another compute.precision, in \
             another --out)",
            self.recipe.run.max_skipped,
            path.display()
        )
    }

    /// Ends the epoch if that was its last step, measures and saves when due.
    fn close_step(&mut self, watch: &mut dyn Watch) -> anyhow::Result<()> {
        let over = self.state.used == self.sampler.batches() * self.recipe.run.batch;
        if over {
            self.state.epoch += 1;
            self.state.used = 0;
        }
        let last = self.state.epoch == self.recipe.run.epochs;
        if over && (last || self.state.epoch.is_multiple_of(self.recipe.evaluation.every)) {
            self.measure(watch)?;
        }
        let every = self.recipe.run.save_every;
        self.due |= over || every.is_some_and(|every| self.state.step.is_multiple_of(every));
        // While steps are left out the newest checkpoint stays the one from before.
        let sound = self.state.skipped_in_a_row == 0;
        if sound {
            self.sound = self.state.clone();
        }
        if self.due && (sound || last) {
            self.save(watch)?;
        }
        Ok(())
    }

    /// Measures every held-out list.
    fn measure(&mut self, watch: &mut dyn Watch) -> anyhow::Result<()> {
        let (recipe, processes) = (self.recipe, self.processes);
        let retrieved = self.learner.measured(|network| {
            let lists = self.evaluate.iter();
            let one = |(name, list): &(String, Arc<Dataset>)| {
                retrieve::retrieve_together(name, list.clone(), network, recipe, processes)
            };
            lists.map(one).collect::<anyhow::Result<Vec<Retrieved>>>()
        })?;
        if let Some(journal) = &mut self.journal {
            journal.measured(self.state.step, self.state.epoch, &retrieved)?;
        }
        watch.note(&Event::Evaluated { epoch: self.state.epoch, retrieved: retrieved.clone() });
        self.state.measured(retrieved);
        Ok(())
    }

    fn save(&mut self, watch: &mut dyn Watch) -> anyhow::Result<PathBuf> {
        self.share_unreadable()?;
        let path = checkpoint::path(&self.checkpoints, self.state.step);
        if self.processes.leads() {
            checkpoint::save(&self.checkpoints, &self.state, &self.learner.files())?;
            let best = self.state.best.map(|best| best.step);
            checkpoint::prune(&self.checkpoints, self.recipe.run.keep, best)?;
            watch.note(&Event::Saved(path.clone()));
        }
        self.checkpoint = Some(path.clone());
        self.due = false;
        Ok(path)
    }

    /// Puts the clips that any process could not read into the state of all.
    fn share_unreadable(&mut self) -> anyhow::Result<()> {
        let own = serde_json::to_string(&self.state.unreadable)?;
        for theirs in self.processes.group.gather_text(&own, "unreadable clips")? {
            let theirs: BTreeMap<String, String> = serde_json::from_str(&theirs)?;
            self.state.unreadable.extend(theirs);
        }
        Ok(())
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

    /// Sums up.
    pub(crate) fn finish(self, stopped: Option<i32>) -> anyhow::Result<Summary> {
        let checkpoint = self.checkpoint.context("the run has saved no checkpoint")?;
        let State { epoch: epochs, step: steps, skipped, retrieved, best, .. } = self.state;
        Ok(Summary { epochs, steps, skipped, retrieved, best, checkpoint, stopped })
    }
}
