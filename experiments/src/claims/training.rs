//! Runs of a grid, several side by side; what is finished is not made again, what was stopped goes on.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::grid::Cell;
use super::record::{Record, Records};
use crate::process::{self, note, read_json};
use crate::repository::{Repository, machine_and_date};

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
        let missing: VecDeque<&Cell> =
            cells.iter().filter(|cell| records.of(cell).is_none()).collect();
        let (all, count) = (cells.len(), missing.len());
        note(&format!("{all} runs, {} of them finished, {} side by side", all - count, self.jobs));
        let (queue, records) = (Mutex::new(missing), Mutex::new(records));
        let worker = || -> Result<bool> {
            loop {
                let next = lock(&queue).pop_front();
                let Some(cell) = next else { return Ok(true) };
                let Some(record) = self.cell(cell).inspect_err(|_| lock(&queue).clear())? else {
                    lock(&queue).clear();
                    return Ok(false);
                };
                lock(&records).add(record)?;
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

    /// Makes one run and measures it; none where time is up.
    fn cell(&self, cell: &Cell) -> Result<Option<Record>> {
        let Cell { regime, variant, seed, .. } = cell;
        let folder =
            self.out.join(regime).join(variant).join(format!("seed-{seed}-{}", cell.digest));
        let mut set = cell.set.clone();
        if let Some((recipe, changes)) = &cell.start {
            let _alone = lock(&self.starting);
            let start = self.out.join(regime).join("start").join(format!("seed-{seed}"));
            if !self.pretrain(recipe, &start, changes)? {
                return Ok(None);
            }
            set.push(format!("model.start={}", start.display()));
        }
        if !self.pretrain(&cell.recipe, &folder, &set)? {
            return Ok(None);
        }
        let record = self.measure(cell, &folder).with_context(|| folder.display().to_string())?;
        let r1 = 50.0 * (record.recall(0, 1) + record.recall(1, 1));
        note(&format!("{regime} / {variant} / seed {seed}: R@1 {r1:.1} %"));
        Ok(Some(record))
    }

    fn equiav(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.repository.root);
        command
    }

    /// Trains into `folder`, or goes on there; false where time is up.
    fn pretrain(&self, recipe: &str, folder: &Path, set: &[String]) -> Result<bool> {
        let log = folder.with_extension("log");
        fs::create_dir_all(self.out.join(folder.parent().unwrap_or(folder)))?;
        let text = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = self.equiav();
        command.args(["pretrain", recipe, "--out"]).arg(folder);
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

    /// Everything that is kept of the run in `folder`.
    fn measure(&self, cell: &Cell, folder: &Path) -> Result<Record> {
        let text = process::capture(
            self.equiav().arg("retrieve").arg(folder).args(["--json", "--ranks"]),
        )?;
        let list: Retrieved = read_json("equiav retrieve", &text)?;
        ensure!(list.found == list.listed, "{} of {} clips were found", list.found, list.listed);
        let ranks = [list.ranks.visual_to_audio, list.ranks.audio_to_visual];
        let path = folder.join("metrics.jsonl");
        let log = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let curve = curve(&log)?;
        let &(clips_seen, seconds) = curve.seen.last().context("nothing was trained")?;
        let machine_and_date = machine_and_date();
        let (machine, date) =
            machine_and_date.rsplit_once("; ").context("the machine has no name")?;
        Ok(Record {
            regime: cell.regime.clone(),
            variant: cell.variant.clone(),
            seed: cell.seed,
            digest: cell.digest.clone(),
            machine: machine.to_owned(),
            date: date.to_owned(),
            clips_seen,
            seconds,
            list: (list.digest, list.listed),
            ranks: ranks.map(|way| way.into_iter().map(|rank| rank.ceil() as u32).collect()),
            probe: cell.probe.map_or(Ok(Vec::new()), |clips| self.probe(folder, clips))?,
            curve: curve.measured,
        })
    }

    /// Top-1 of a linear probe by its input, on so many clips of each class.
    fn probe(&self, folder: &Path, per_class: usize) -> Result<Vec<(String, f64)>> {
        let mut command = self.equiav();
        command.arg("probe").arg(folder).args(["--json", "--per-class", &per_class.to_string()]);
        let text = process::capture(&mut command)?;
        let all = text.lines().map(|line| read_json::<Probed>("equiav probe", line));
        let all: Vec<Probed> = all.collect::<Result<_>>()?;
        let linear = all.into_iter().filter(|one| one.method == "linear");
        linear
            .map(|one| {
                let first = one.test.first().context("equiav probe tells of no list")?;
                Ok((one.input, first.top1))
            })
            .collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[derive(Deserialize)]
struct Retrieved {
    found: usize,
    listed: usize,
    digest: String,
    ranks: Ranks,
}

#[derive(Deserialize)]
struct Ranks {
    visual_to_audio: Vec<f64>,
    audio_to_visual: Vec<f64>,
}

#[derive(Deserialize)]
struct Probed {
    input: String,
    method: String,
    test: Vec<Top1>,
}

#[derive(Deserialize)]
struct Top1 {
    top1: f64,
}

/// What a log of metrics tells.
#[derive(Debug, Default, PartialEq)]
struct Curve {
    /// After each record of training: clips seen, seconds.
    seen: Vec<(u64, f64)>,
    /// Of each evaluation: clips seen, seconds, R@1.
    measured: Vec<(u64, f64, f64)>,
}

/// Reads the log of a run, a JSON object a line.
fn curve(log: &str) -> Result<Curve> {
    let (mut curve, mut clips, mut seconds) = (Curve::default(), 0.0, 0.0);
    for line in log.lines() {
        let record: serde_json::Map<String, Value> = read_json("the log", line)?;
        let number = |key: &str| record.get(key).and_then(Value::as_f64);
        if let (Some(rate), Some(time)) =
            (number("train/samples_per_second"), number("train/batch_time"))
        {
            clips += rate * time;
            seconds += time;
            curve.seen.push((f64::round(clips) as u64, seconds));
        }
        let ways = record.iter().filter(|(key, _)| key.starts_with("val/") && key.ends_with("/r1"));
        let ways: Vec<f64> = ways.filter_map(|(_, value)| value.as_f64()).collect();
        if !ways.is_empty() {
            let mean = ways.iter().sum::<f64>() / ways.len() as f64;
            curve.measured.push((f64::round(clips) as u64, seconds, mean));
        }
    }
    Ok(curve)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_becomes_a_curve() {
        let step = r#"{"step":1,"train/samples_per_second":64.0,"train/batch_time":0.5}"#;
        let measured = r#"{"step":2,"val/x/audio_to_visual/r1":0.25,"val/x/visual_to_audio/r1":0.75,"val/x/audio_to_visual/r10":1}"#;
        let log = format!("{step}\n{step}\n{measured}\n");
        let curve = curve(&log).unwrap();
        assert_eq!(curve.seen, [(32, 0.5), (64, 1.0)]);
        assert_eq!(curve.measured, [(64, 1.0, 0.5)]);
    }
}
