//! A run of any kind of training: a folder that is opened or resumed, steps, measurements, checkpoints.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use equiav_data::{Replaced, Sampler};

use crate::checkpoint;
use crate::folder;
use crate::journal::Journal;
use crate::schedule::WarmupCosine;
use crate::settings::Length;
use crate::setup::schedule;
use crate::state::State;
use crate::step::Position;
use crate::stop::Stop;
use crate::task::{Fed, Measured, Shared, Task};
use crate::watch::{Event, StepReport, Watch};

/// A run between two steps.
pub(crate) struct Run<T> {
    task: T,
    checkpoints: PathBuf,
    sampler: Sampler,
    schedule: WarmupCosine,
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

impl<T: Task> Run<T> {
    /// Takes up the newest checkpoint in the run folder `out`, or begins; `recipe` is the run's, for
    /// its log.
    pub(crate) fn open(
        mut task: T,
        out: &Path,
        recipe: &str,
        watch: &mut dyn Watch,
    ) -> anyhow::Result<Self> {
        let processes = task.shared().processes.clone();
        processes.ensure_even(task.shared().run.batch)?;
        let sampler = task.sampler()?;
        let (clips, batch, epochs) =
            (task.clips(), task.shared().run.batch, task.shared().run.epochs);
        let steps = sampler.batches() as u64;
        ensure!(
            steps > 0,
            "{clips} training clips do not fill one batch of run.batch = {batch} \
             (the way out: more clips, or --set run.batch={clips})"
        );
        let checkpoints = out.join(folder::CHECKPOINTS);
        let newest = processes.led("the newest checkpoint", || {
            let mut warn = |message| watch.note(&Event::Warning(message));
            let newest = checkpoint::latest(&checkpoints, &mut warn)?;
            match &newest {
                Some((path, _)) => task.resume(path)?,
                None => task.begin(watch)?,
            }
            Ok(newest)
        })?;
        task.share()?;
        let (checkpoint, state): (Option<PathBuf>, Option<State>) = newest.unzip();
        let state = state.unwrap_or_default();
        let journal = processes.leads().then(|| Journal::open(out, state.step, recipe));
        let (parameters, done) = (task.parameters(), state.step);
        watch.note(&Event::Started { clips, parameters, done, epochs, steps, batch });
        Ok(Self {
            schedule: schedule(task.shared().optimizer, epochs, steps),
            journal: journal.transpose()?,
            task,
            checkpoints,
            sampler,
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
        stop.begin();
        while self.state.epoch < self.task.shared().run.epochs {
            if let Some(signal) = self.epoch(stop, watch)? {
                return Ok(Some(signal));
            }
        }
        Ok(None)
    }

    /// Goes on with the epoch under way.
    fn epoch(&mut self, stop: &Stop, watch: &mut dyn Watch) -> anyhow::Result<Option<i32>> {
        let processes = self.task.shared().processes.clone();
        let pass = self.sampler.pass(self.state.epoch, processes.share(self.state.used));
        let mut batches = self.task.batches(pass)?;
        loop {
            // Where one process is asked to stop, all do, after the same step.
            let signal = processes.largest(stop.requested().unwrap_or(0).into(), "signals")?;
            if signal != 0 {
                self.save(watch)?;
                return Ok(Some(signal as i32));
            }
            let waiting = Instant::now();
            let Some(batch) = batches.next() else { return Ok(None) };
            let batch = batch?;
            self.note_unreadable(batch.replaced(), watch);
            self.update(&batch, waiting.elapsed(), watch)?;
            batches.recycle(batch);
            self.close_step(watch)?;
        }
    }

    /// Makes one update.
    fn update(
        &mut self,
        batch: &T::Batch,
        data_time: Duration,
        watch: &mut dyn Watch,
    ) -> anyhow::Result<()> {
        let State { epoch, step, .. } = self.state;
        let position = Position { epoch, step, lr: self.schedule.lr(step), data_time };
        let report = self.task.step(batch, position)?;
        if !report.applied && self.state.skipped_in_a_row == 0 {
            self.sound = self.state.clone();
        }
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
        let ids: Vec<&str> = report.clips.iter().map(|clip| self.task.id(*clip)).collect();
        let group = &self.task.shared().processes.group;
        let ids = group.gather_text(&ids.join(", "), "clips left out")?.join(", ");
        Ok(format!("step {} is left out: {} (clips {ids})", report.step, report.trouble()))
    }

    /// Counts an update that was not made; too many in a row end the run, with a checkpoint from before
    /// the first of them.
    fn note_skipped(&mut self, message: String, watch: &mut dyn Watch) -> anyhow::Result<()> {
        self.state.skipped += 1;
        self.state.skipped_in_a_row += 1;
        let row = self.state.skipped_in_a_row;
        let most = self.task.shared().run.max_skipped;
        if row <= most {
            watch.note(&Event::Warning(message));
            return Ok(());
        }
        self.state = self.sound.clone();
        let path = self.save(watch)?;
        bail!(
            "{message}; it was number {row} in a row, run.max_skipped = {most} are allowed: {} holds the \
             state before them (the way out: a lower optimizer.lr, or another compute.precision, in \
             another --out)",
            path.display()
        )
    }

    /// Ends the epoch if that was its last step, measures and saves when due.
    fn close_step(&mut self, watch: &mut dyn Watch) -> anyhow::Result<()> {
        let Shared { run: &Length { batch, epochs, save_every, .. }, every, .. } =
            self.task.shared();
        let over = self.state.used == self.sampler.batches() * batch;
        if over {
            self.state.epoch += 1;
            self.state.used = 0;
        }
        let last = self.state.epoch == epochs;
        if over && (last || self.state.epoch.is_multiple_of(every)) {
            self.measure(watch)?;
        }
        let saved = save_every.is_some_and(|every| self.state.step.is_multiple_of(every));
        self.due |= over || saved;
        // While steps are left out the newest checkpoint stays the one from before.
        let sound = self.state.skipped_in_a_row == 0;
        if self.due && (sound || last) {
            self.save(watch)?;
        }
        Ok(())
    }

    /// Measures every held-out list.
    fn measure(&mut self, watch: &mut dyn Watch) -> anyhow::Result<()> {
        let measured = self.task.measure()?;
        let State { step, epoch, .. } = self.state;
        if let Some(journal) = &mut self.journal {
            journal.measured(step, epoch, &measured)?;
        }
        for (list, collapsed) in measured.collapsed() {
            if self.task.shared().processes.leads() {
                watch.note(&Event::Warning(format!(
                    "epoch {epoch}, `{list}`: {collapsed}: the network has collapsed, and this epoch is no candidate \
                     for the best"
                )));
            }
        }
        watch.note(&match measured.clone() {
            Measured::Retrieved(retrieved) => Event::Evaluated { epoch, retrieved },
            Measured::Classified(classified, _) => Event::Classified { epoch, classified },
        });
        self.state.measured(measured);
        Ok(())
    }

    fn save(&mut self, watch: &mut dyn Watch) -> anyhow::Result<PathBuf> {
        self.share_unreadable()?;
        let path = self.checkpoints.join(checkpoint::name(self.state.step));
        self.task.shared().processes.led("checkpoint", || {
            checkpoint::save(&self.checkpoints, &self.state, &self.task.files())?;
            let best = self.state.best.map(|best| best.step);
            checkpoint::prune(&self.checkpoints, self.task.shared().run.keep, best)?;
            watch.note(&Event::Saved(path.clone()));
            Ok(())
        })?;
        self.checkpoint = Some(path.clone());
        self.due = false;
        Ok(path)
    }

    /// Puts the clips that any process could not read into the state of all.
    fn share_unreadable(&mut self) -> anyhow::Result<()> {
        let own = serde_json::to_string(&self.state.unreadable)?;
        let group = &self.task.shared().processes.group;
        for theirs in group.gather_text(&own, "unreadable clips")? {
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

    /// What was trained, where the run stands, and its newest checkpoint.
    pub(crate) fn finish(self) -> anyhow::Result<(T, State, PathBuf)> {
        let checkpoint = self.checkpoint.context("the run has saved no checkpoint")?;
        Ok((self.task, self.state, checkpoint))
    }
}
