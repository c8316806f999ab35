//! Finds run folders and reads them: recipe, metrics, state, and why one cannot be read.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use serde::Serialize;
use toml::{Table, Value};

use crate::metrics_log::Log;

/// How deep below a folder runs are looked for.
const DEPTH: usize = 4;

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// A process holds its lock.
    Training,
    /// All epochs of the recipe have a checkpoint behind them.
    Finished,
    /// There is a checkpoint to resume from.
    Interrupted,
    /// There is no checkpoint.
    NoCheckpoint,
}

/// A run folder and what was read from it.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its path below the folder that was searched, or its last part.
    pub name: String,
    /// Where it is.
    pub folder: PathBuf,
    /// Its recipe.
    pub recipe: Table,
    /// Its metrics.
    pub log: Log,
    /// Its state.
    pub state: RunStatus,
    /// Finished epochs at the newest checkpoint.
    pub epochs_done: u64,
    /// Time since the newest checkpoint was written.
    pub checkpoint_age: Option<Duration>,
}

/// A folder that cannot be read as a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnreadableRun {
    /// As the name of a [`Run`].
    pub name: String,
    /// Why, in one line.
    pub reason: String,
}

/// What the searched folders hold, each part sorted by name.
#[derive(Clone, Debug, Default)]
pub struct RunFolders {
    /// Runs.
    pub runs: Vec<Run>,
    /// Folders that are no runs, or that cannot be read.
    pub broken: Vec<UnreadableRun>,
}

/// Reads each of `folders` that is a run, and every run below the others.
pub fn find(folders: &[PathBuf]) -> RunFolders {
    let mut found = RunFolders::default();
    for folder in folders {
        if is_run(folder) {
            let name = folder.canonicalize().unwrap_or_else(|_| folder.clone());
            let name = name.file_name().unwrap_or(folder.as_os_str()).to_string_lossy();
            found.add(name.into_owned(), folder);
        } else if !found.search(folder, folder, DEPTH) {
            let name = folder.display().to_string();
            let reason = match folder.is_dir() {
                true => "holds no recipe.toml: no run folder",
                false => "no such folder",
            };
            found.broken.push(UnreadableRun { name, reason: reason.to_owned() });
        }
    }
    found.runs.sort_by(|a, b| (&a.name, &a.folder).cmp(&(&b.name, &b.folder)));
    found.runs.dedup_by(|a, b| a.folder == b.folder);
    distinguish(&mut found.runs);
    found.broken.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Gives runs of one name their whole paths as names.
fn distinguish(runs: &mut [Run]) {
    let names: Vec<String> = runs.iter().map(|run| run.name.clone()).collect();
    for run in runs {
        if names.iter().filter(|name| **name == run.name).count() > 1 {
            run.name = run.folder.display().to_string();
        }
    }
}

fn is_run(folder: &Path) -> bool {
    folder.join("recipe.toml").exists()
}

impl RunFolders {
    /// Adds every run below `folder`; whether anything was added.
    fn search(&mut self, root: &Path, folder: &Path, depth: usize) -> bool {
        let Ok(entries) = fs::read_dir(folder) else { return false };
        let mut any = false;
        for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()) {
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            if is_run(&path) {
                self.add(name, &path);
                any = true;
            } else if depth > 1 && self.search(root, &path, depth - 1) {
                any = true;
            } else if folder == root {
                let reason = "holds no recipe.toml: no run folder".to_owned();
                self.broken.push(UnreadableRun { name, reason });
                any = true;
            }
        }
        any
    }

    fn add(&mut self, name: String, folder: &Path) {
        match Run::open(name.clone(), folder) {
            Ok(run) => self.runs.push(run),
            Err(error) => {
                let reason = format!("{error:#}").trim().replace('\n', " ");
                self.broken.push(UnreadableRun { name, reason });
            }
        }
    }
}

impl Run {
    /// Reads the run in `folder`.
    ///
    /// # Errors
    ///
    /// If its recipe or its figures cannot be read.
    pub fn open(name: String, folder: &Path) -> anyhow::Result<Self> {
        let recipe = fs::read_to_string(folder.join("recipe.toml")).context("recipe.toml")?;
        let recipe: Table = toml::from_str(&recipe)
            .map_err(|error| anyhow::anyhow!("recipe.toml is no TOML: {}", error.message()))?;
        let path = folder.join("metrics.jsonl");
        let log = match fs::read(&path) {
            Ok(bytes) => Log::parse(&bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Log::default(),
            Err(error) => return Err(error).context("metrics.jsonl"),
        };
        if log.records.is_empty() && !log.unreadable.is_empty() {
            bail!("metrics.jsonl holds no record: not written by a run");
        }
        let newest = newest_checkpoint(&folder.join("checkpoints"));
        let epochs_done = newest.as_ref().and_then(|(_, path)| finished_epochs(path)).unwrap_or(0);
        let age = |path: PathBuf| SystemTime::now().duration_since(modified(&path)?).ok();
        let state = state(folder, newest.is_some(), epochs_done, epochs(&recipe))?;
        let checkpoint_age = newest.and_then(|(_, path)| age(path));
        Ok(Self {
            name,
            folder: folder.to_owned(),
            recipe,
            log,
            state,
            epochs_done,
            checkpoint_age,
        })
    }

    /// The recipe's name.
    pub fn recipe_name(&self) -> &str {
        self.recipe.get("name").and_then(Value::as_str).unwrap_or("-")
    }

    /// The metric by which the recipe chooses the best epoch: `evaluation.best`, or `evaluation.choose_by` of a
    /// fine-tuning recipe; `r1` where the recipe names none, as recipes of earlier versions.
    pub fn best_metric(&self) -> &str {
        let evaluation = self.recipe.get("evaluation");
        let named = |key| evaluation?.get(key)?.as_str();
        named("best").or_else(|| named("choose_by")).unwrap_or("r1")
    }

    /// The epochs that the recipe asks for.
    pub fn epochs(&self) -> Option<u64> {
        epochs(&self.recipe)
    }
}

fn epochs(recipe: &Table) -> Option<u64> {
    recipe.get("run")?.get("epochs")?.as_integer()?.try_into().ok()
}

fn modified(checkpoint: &Path) -> Option<SystemTime> {
    fs::metadata(checkpoint.join("state.json")).ok()?.modified().ok()
}

/// The epochs that lie behind a checkpoint.
fn finished_epochs(checkpoint: &Path) -> Option<u64> {
    let text = fs::read(checkpoint.join("state.json")).ok()?;
    serde_json::from_slice::<serde_json::Value>(&text).ok()?.get("epoch")?.as_u64()
}

/// The most steps behind a whole checkpoint, and its folder.
fn newest_checkpoint(folder: &Path) -> Option<(u64, PathBuf)> {
    let checkpoint = |path: PathBuf| {
        let step = path.file_name()?.to_str()?.strip_prefix("step-")?.parse().ok()?;
        path.join("state.json").exists().then_some((step, path))
    };
    let entries = fs::read_dir(folder).ok()?.flatten();
    entries.filter_map(|entry| checkpoint(entry.path())).max()
}

fn state(folder: &Path, saved: bool, done: u64, epochs: Option<u64>) -> anyhow::Result<RunStatus> {
    // Shared, so that two who look at once do not take each other for a training process.
    if let Ok(lock) = File::open(folder.join("lock")) {
        match lock.try_lock_shared() {
            Err(TryLockError::WouldBlock) => return Ok(RunStatus::Training),
            Err(TryLockError::Error(error)) => return Err(error).context("lock"),
            Ok(()) => (),
        }
    }
    Ok(match saved {
        false => RunStatus::NoCheckpoint,
        true if epochs.is_some_and(|epochs| done >= epochs) => RunStatus::Finished,
        true => RunStatus::Interrupted,
    })
}
