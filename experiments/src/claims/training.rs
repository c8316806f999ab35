//! Runs of a grid, several side by side; what is finished is not made again, what was stopped goes on.

mod finetuning;
mod measures;

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};

use super::grid::{Cell, Tuning};
use super::record::{Record, Records};
use crate::process::{self, note};
use crate::repository::Repository;

/// What the program returns that was asked to stop and has saved.
const STOPPED: i32 = 75;
/// Between two looks at a run under way.
const LOOK: Duration = Duration::from_millis(200);

/// How runs are made.
pub(super) struct Training<'a> {
    pub(super) repository: &'a Repository,
    /// The program that trains.
    pub(super) program: PathBuf,
    /// Where run folders are.
    pub(super) out: PathBuf,
    /// Held by whoever trains what others start from, so that none of them trains it as well.
    pub(super) starting: Mutex<()>,
    pub(super) jobs: usize,
    /// When runs under way are stopped and no more are begun.
    pub(super) until: Option<Instant>,
}

impl Training<'_> {
    /// Makes every run of `cells` that `records` lacks; false where time was up before.
    pub(super) fn run(&self, cells: &[Cell], records: &mut Records) -> Result<bool> {
        let queue = self.queue(cells, records);
        let (count, all) = (queue.len(), cells.len());
        note(&format!(
            "{count} runs to make or measure for {all} cells, {} side by side",
            self.jobs
        ));
        let (queue, records) = (Mutex::new(queue), Mutex::new(records));
        let worker = || -> Result<bool> {
            loop {
                let next = lock(&queue).pop_front();
                let Some(cell) = next else { return Ok(true) };
                if !self.cell(cell, &records).inspect_err(|_| lock(&queue).clear())? {
                    lock(&queue).clear();
                    return Ok(false);
                }
            }
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..self.jobs.max(1)).map(|_| scope.spawn(worker)).collect();
            let ended = workers.into_iter().map(|worker| {
                worker.join().unwrap_or_else(|_| Err(anyhow!("a worker has panicked")))
            });
            ended.collect::<Vec<_>>().into_iter().try_fold(true, |all, one| Ok(one? && all))
        })
    }

    /// The cells of which something is missing that can be made here, once where several are the same run.
    fn queue<'a>(&self, cells: &'a [Cell], records: &Records) -> VecDeque<&'a Cell> {
        let mut known = BTreeSet::new();
        let mut wanted = |cell: &&'a Cell| {
            let missing = match records.of(cell) {
                None => true,
                Some(record) => self.lacks_tuning(cell, record),
            };
            missing && known.insert((&cell.regime, cell.seed, &cell.digest))
        };
        cells.iter().filter(|cell| wanted(cell)).collect()
    }

    /// Whether `record` could be fine-tuned as `cell` asks: not where its folder is gone.
    fn lacks_tuning(&self, cell: &Cell, record: &Record) -> bool {
        let missing = |tuning: &Tuning| !tuning.missing(record.finetune.as_ref()).is_empty();
        cell.tuning.as_ref().is_some_and(missing) && self.folder(record).exists()
    }

    /// The folder of a run.
    fn folder(&self, record: &Record) -> PathBuf {
        let Record { regime, variant, seed, digest, .. } = record;
        self.out.join(regime).join(variant).join(format!("seed-{seed}-{digest}"))
    }

    /// Makes one run and measures it, as far as that is not done; false where time is up.
    fn cell(&self, cell: &Cell, records: &Mutex<&mut Records>) -> Result<bool> {
        let known = lock(records).of(cell).cloned();
        let mut record = if let Some(record) = known {
            record
        } else {
            let Some(record) = self.pretrained(cell)? else { return Ok(false) };
            lock(records).add(record.clone())?;
            record
        };
        let Some(tuning) = cell.tuning.as_ref().filter(|_| self.lacks_tuning(cell, &record)) else {
            return Ok(true);
        };
        let tuned = self.tune(tuning, &self.folder(&record), record.finetune.as_ref())?;
        let Some(tuned) = tuned else { return Ok(false) };
        let Cell { regime, variant, seed, .. } = cell;
        note(&format!("{regime} / {variant} / seed {seed}: fine-tuned, {}", tuned.shown()));
        record.finetune = Some(tuned);
        lock(records).add(record)?;
        Ok(true)
    }

    /// Pre-trains the run of `cell` and measures it; none where time is up.
    fn pretrained(&self, cell: &Cell) -> Result<Option<Record>> {
        let Cell { regime, variant, seed, .. } = cell;
        let folder =
            self.out.join(regime).join(variant).join(format!("seed-{seed}-{}", cell.digest));
        let mut set = cell.set.clone();
        if let Some((recipe, changes)) = &cell.start {
            let _alone = lock(&self.starting);
            let start = self.out.join(regime).join("start").join(format!("seed-{seed}"));
            if !self.train(&["pretrain", recipe].map(OsStr::new), &start, changes)? {
                return Ok(None);
            }
            set.push(format!("model.start={}", start.display()));
        }
        if !self.train(&["pretrain", &cell.recipe].map(OsStr::new), &folder, &set)? {
            return Ok(None);
        }
        let record = self.measure(cell, &folder).with_context(|| folder.display().to_string())?;
        let r1 = 50.0 * (record.recall(0, 1) + record.recall(1, 1));
        note(&format!("{regime} / {variant} / seed {seed}: R@1 {r1:.1} %"));
        Ok(Some(record))
    }

    /// The program, started in the repository.
    pub(super) fn equiav(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.repository.root);
        command
    }

    /// Trains into `folder` by such `arguments`, or goes on there; false where time is up.
    fn train(&self, arguments: &[&OsStr], folder: &Path, set: &[String]) -> Result<bool> {
        let log = folder.with_extension("log");
        fs::create_dir_all(self.out.join(folder.parent().unwrap_or(folder)))?;
        let text = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = self.equiav();
        command.args(arguments).arg("--out").arg(folder);
        command.args(set.iter().flat_map(|change| ["--set", change]));
        command.stdin(Stdio::null()).stdout(text.try_clone()?).stderr(text);
        let child = command.spawn().context("cannot start equiav")?;
        match self.wait(child)? {
            Some(0) => Ok(true),
            Some(STOPPED) => Ok(false),
            code => {
                let said = fs::read_to_string(&log).unwrap_or_default();
                let last = said.trim().lines().last().unwrap_or("it said nothing").to_owned();
                bail!("{} ended with {code:?}: {last}", log.display())
            }
        }
    }

    /// Waits for `child`, and asks it to stop when time is up.
    fn wait(&self, mut child: Child) -> Result<Option<i32>> {
        let mut asked = false;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status.code());
            }
            if !asked && self.until.is_some_and(|until| Instant::now() >= until) {
                process::run(Command::new("kill").args(["-TERM", &child.id().to_string()]))?;
                asked = true;
            }
            thread::sleep(LOOK);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
