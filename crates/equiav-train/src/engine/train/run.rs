//! A run between two steps: what comes next, what is saved and told, and how it ends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use equiav_data::{Replaced, Sampler};

use super::super::compute;
use super::super::method::{Epoch, Method};
use super::super::schedule::{self, WarmupCosine};
use super::super::signals::StopSignal;
use super::super::step::{Position, step};
use super::super::train_state::TrainState;
use super::collapse::CollapseWatch;
use super::online::OnlineEvaluation;
use super::overlaps::Overlaps;
use crate::callback::{Callback, Event, StepReport};
use crate::clips::{HostBatch, RunClips};
use crate::recipe::{RunConfig, Shared};
use crate::run_dir::{Loggers, State, checkpoint, lock};

/// A run between two steps.
pub(super) struct Run<'a, M> {
    pub(super) state: TrainState<M>,
    pub(super) clips: &'a RunClips,
    pub(super) recipe: Shared<'a>,
    checkpoints: PathBuf,
    sampler: Sampler,
    schedule: WarmupCosine,
    /// Of rank 0.
    pub(super) loggers: Option<Loggers>,
    pub(super) progress: State,
    /// The newest checkpoint.
    pub(super) checkpoint: Option<PathBuf>,
    /// Whether one is due.
    due: bool,
    /// The progress before the first of the steps that were skipped in a row.
    last_good: State,
    pub(super) collapse: CollapseWatch,
    /// Where held-out clips are measured between two evaluations.
    pub(super) online: Option<OnlineEvaluation<'a>>,
    overlaps: Overlaps,
}

impl<'a, M: Method> Run<'a, M> {
    /// Takes up the newest checkpoint in the run folder, or begins; the folder comes with the recipe's text, for
    /// the log.
    pub(super) fn open(
        mut state: TrainState<M>,
        clips: &'a RunClips,
        recipe: Shared<'a>,
        (out, text): (&Path, &str),
        callback: &mut dyn Callback,
    ) -> anyhow::Result<Self> {
        let world = state.world.clone();
        let RunConfig { batch, epochs, .. } = *recipe.run;
        world.ensure_even(batch)?;
        let sampler = clips.train.sampler(recipe.seed, batch, &world);
        let (count, steps) = (clips.train.len(), sampler.batches() as u64);
        ensure!(
            steps > 0,
            "{count} training clips do not fill one batch of run.batch = {batch} \
             (help: more clips, or --set run.batch={count})"
        );
        let checkpoints = out.join(lock::CHECKPOINTS);
        let newest = world.rank0_then_broadcast("the newest checkpoint", || {
            let mut warn = |message| callback.on_event(&Event::Warning(message));
            let newest = checkpoint::latest(&checkpoints, &mut warn)?;
            match &newest {
                Some((path, _)) => state.load(path)?,
                None => {
                    state.method.start(callback)?;
                    state.restart_ema();
                }
            }
            Ok(newest)
        })?;
        state.broadcast()?;
        let (checkpoint, progress): (Option<PathBuf>, Option<State>) = newest.unzip();
        let progress = progress.unwrap_or_default();
        let loggers = world.is_main().then(|| Loggers::open(out, progress.step, text));
        let (parameters, done) = (state.parameters(), progress.step);
        callback.on_event(&Event::Started { clips: count, parameters, done, epochs, steps, batch });
        Ok(Self {
            online: OnlineEvaluation::of(&state.method, clips, recipe, &world),
            schedule: schedule::of_run(recipe.optimizer, epochs, steps),
            loggers: loggers.transpose()?,
            state,
            clips,
            recipe,
            checkpoints,
            sampler,
            checkpoint,
            due: false,
            collapse: CollapseWatch::new(epochs * steps),
            overlaps: Overlaps::default(),
            last_good: progress.clone(),
            progress,
        })
    }

    /// Trains to the end, or until `stop` asks; returns the signal by which it did.
    pub(super) fn train(
        &mut self,
        stop: &StopSignal,
        callback: &mut dyn Callback,
    ) -> anyhow::Result<Option<i32>> {
        stop.begin();
        while self.progress.epoch < self.recipe.run.epochs {
            if let Some(signal) = self.epoch(stop, callback)? {
                return Ok(Some(signal));
            }
        }
        Ok(None)
    }

    /// Goes on with the epoch under way.
    fn epoch(
        &mut self,
        stop: &StopSignal,
        callback: &mut dyn Callback,
    ) -> anyhow::Result<Option<i32>> {
        let world = self.state.world.clone();
        let State { epoch: number, used, .. } = self.progress;
        let lists = self.clips.evaluation(&world, self.recipe.compute.precision);
        let mut starting = Epoch { number, used, lists, restarted: Vec::new() };
        self.state.method.epoch_start(&mut starting)?;
        self.state.restart(&starting.restarted);
        let pass = self.sampler.pass(number, world.share(used));
        let mut batches = self.clips.train.batches(pass)?;
        loop {
            // Where one rank is asked to stop, all do, after the same step.
            let signal = world.largest(stop.requested().unwrap_or(0).into(), "signals")?;
            if signal != 0 {
                self.save(callback)?;
                return Ok(Some(signal as i32));
            }
            let waiting = Instant::now();
            let Some(batch) = batches.next() else { return Ok(None) };
            let batch = batch?;
            self.note_unreadable(batch.replaced(), callback);
            self.update(&batch, waiting.elapsed(), callback)?;
            batches.recycle(batch);
            self.measure_online(callback)?;
            self.close_step(callback)?;
        }
    }

    /// Makes one update.
    fn update(
        &mut self,
        batch: &HostBatch,
        data_time: Duration,
        callback: &mut dyn Callback,
    ) -> anyhow::Result<()> {
        let State { epoch, step: done, .. } = self.progress;
        let position = Position { epoch, step: done, lr: self.schedule.lr(done), data_time };
        let (recipe, state) = (self.recipe, &mut self.state);
        let advice = || compute::advice(recipe);
        let report = compute::within(advice, || step(state, batch, position, recipe))?;
        if !report.applied && self.progress.skipped_in_a_row == 0 {
            self.last_good = self.progress.clone();
        }
        self.progress.step = report.step;
        self.progress.used += report.batch;
        if let Some(loggers) = &mut self.loggers {
            loggers.step(&report)?;
        }
        let skipped = (!report.applied).then(|| self.describe_skipped(&report)).transpose()?;
        let collapsed = self.collapse.note(&report).filter(|_| recipe.run.stop_collapsed);
        callback.on_event(&Event::Step(report));
        collapsed.map_or(Ok(()), |collapsed| self.stop_collapsed(&collapsed, callback))?;
        match skipped {
            Some(message) => self.note_skipped(message, callback),
            None => {
                self.progress.skipped_in_a_row = 0;
                Ok(())
            }
        }
    }

    /// What is to be said of an update that was not made.
    fn describe_skipped(&self, report: &StepReport) -> anyhow::Result<String> {
        let ids: Vec<String> = report.clips.iter().map(|clip| self.clips.train.id(*clip)).collect();
        let group = &self.state.world.group;
        let ids = group.gather_text(&ids.join(", "), "clips skipped")?.join(", ");
        Ok(format!("step {} is skipped: {} (clips {ids})", report.step, report.trouble()))
    }

    /// Counts an update that was not made; too many in a row end the run, with a checkpoint from before
    /// the first of them.
    fn note_skipped(&mut self, message: String, callback: &mut dyn Callback) -> anyhow::Result<()> {
        self.progress.skipped += 1;
        self.progress.skipped_in_a_row += 1;
        let row = self.progress.skipped_in_a_row;
        let most = self.recipe.run.max_skipped;
        if row <= most {
            callback.on_event(&Event::Warning(message));
            return Ok(());
        }
        self.progress = self.last_good.clone();
        let path = self.save(callback)?;
        bail!(
            "{message}; it was number {row} in a row, run.max_skipped = {most} are allowed: {} holds the \
             state before them (help: a lower optimizer.lr, or another compute.precision, in \
             another --out)",
            path.display()
        )
    }

    /// Ends the epoch if that was its last step, evaluates and saves when due.
    fn close_step(&mut self, callback: &mut dyn Callback) -> anyhow::Result<()> {
        let RunConfig { batch, epochs, save_every, .. } = *self.recipe.run;
        let over = self.progress.used == self.sampler.batches() * batch;
        if over {
            self.progress.epoch += 1;
            self.progress.used = 0;
        }
        let last = self.progress.epoch == epochs;
        if over && (last || self.progress.epoch.is_multiple_of(self.recipe.evaluate_every)) {
            self.evaluate(callback)?;
        }
        let saved = save_every.is_some_and(|every| self.progress.step.is_multiple_of(every));
        self.due |= over || saved;
        // While steps are skipped the newest checkpoint stays the one from before.
        let good = self.progress.skipped_in_a_row == 0;
        if self.due && (good || last) {
            self.save(callback)?;
        }
        Ok(())
    }

    /// Measures every list.
    fn evaluate(&mut self, callback: &mut dyn Callback) -> anyhow::Result<()> {
        let world = self.state.world.clone();
        let lists = self.clips.evaluation(&world, self.recipe.compute.precision);
        let mut metrics = self.state.with_ema(|method| method.evaluate(&lists))?;
        self.overlaps.note(&mut metrics, &lists, callback)?;
        let State { step, epoch, .. } = self.progress;
        if let Some(loggers) = &mut self.loggers {
            loggers.evaluated(step, epoch, &metrics)?;
        }
        let collapsed = metrics.lists.iter().filter(|_| world.is_main());
        for (list, collapsed) in
            collapsed.filter_map(|one| Some((&one.list, one.collapsed.as_ref()?)))
        {
            callback.on_event(&Event::Warning(format!(
                "epoch {epoch}, `{list}`: {collapsed}: the network has collapsed, and this epoch is no candidate \
                 for the best"
            )));
        }
        callback.on_event(&Event::Evaluated { epoch, metrics: metrics.clone() });
        self.progress.evaluated(metrics, self.recipe.best);
        Ok(())
    }

    pub(super) fn save(&mut self, callback: &mut dyn Callback) -> anyhow::Result<PathBuf> {
        self.share_unreadable()?;
        let path = self.checkpoints.join(checkpoint::name(self.progress.step));
        self.state.world.rank0_then_broadcast("checkpoint", || {
            checkpoint::save(&self.checkpoints, &self.progress, &self.state.files())?;
            let best = self.progress.best.map(|best| best.step);
            checkpoint::prune(&self.checkpoints, self.recipe.run.keep_checkpoints, best)?;
            callback.on_event(&Event::Saved(path.clone()));
            Ok(())
        })?;
        self.checkpoint = Some(path.clone());
        self.due = false;
        Ok(path)
    }

    /// Puts the clips that any rank could not read into the progress of all.
    fn share_unreadable(&mut self) -> anyhow::Result<()> {
        let own = serde_json::to_string(&self.progress.unreadable)?;
        let group = &self.state.world.group;
        for theirs in group.gather_text(&own, "unreadable clips")? {
            let theirs: BTreeMap<String, String> = serde_json::from_str(&theirs)?;
            self.progress.unreadable.extend(theirs);
        }
        Ok(())
    }

    /// Tells of clips that gave way to others, once each.
    fn note_unreadable(&mut self, replaced: &[Replaced], callback: &mut dyn Callback) {
        for bad in replaced {
            let id = bad.reason.id.clone();
            let reason = bad.reason.to_string();
            if self.progress.unreadable.insert(id, reason.clone()).is_none() {
                callback
                    .on_event(&Event::Warning(format!("another clip takes its place: {reason}")));
            }
        }
    }
}
