//! What a run comes to in a few figures.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::folder::{Run, State};

/// Updates whose loss is averaged.
const LAST: usize = 50;

/// A run in figures; `None` where the log has none.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The run's name.
    pub name: String,
    /// Its folder.
    pub folder: String,
    /// Its recipe's name.
    pub recipe: String,
    /// What became of it.
    pub state: State,
    /// Epochs behind the newest checkpoint.
    pub epochs_done: u64,
    /// Epochs of the recipe.
    pub epochs: Option<u64>,
    /// Updates in the log.
    pub steps: u64,
    /// Mean of `train/loss` over the last 50 updates.
    pub loss: Option<f64>,
    /// Median of `train/samples_per_second`.
    pub samples_per_second: Option<f64>,
    /// Share of the time of all updates, 0 to 1, that went into waiting for data.
    pub data_wait: Option<f64>,
    /// Seconds since the newest checkpoint was written.
    pub checkpoint_age_seconds: Option<u64>,
    /// R@1 by list and way, `LIST/WAY`.
    pub recall: BTreeMap<String, Recall>,
    /// The last value of every key of the log.
    pub last: BTreeMap<String, f64>,
    /// Lines of the log, from 1, that are no records.
    pub unreadable_lines: Vec<usize>,
}

/// R@1 of one list and way, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Recall {
    /// The largest; of epochs that have collapsed only where there are no others.
    pub best: f64,
    /// The update after which it was first measured.
    pub best_step: u64,
    /// The newest.
    pub last: f64,
}

impl Summary {
    /// Summarises `run`.
    pub fn of(run: &Run) -> Self {
        let log = &run.log;
        let mut last = BTreeMap::new();
        for record in &log.records {
            last.extend(record.values.iter().map(|(key, value)| (key.clone(), *value)));
        }
        let losses = log.values("train/loss");
        Self {
            name: run.name.clone(),
            folder: run.folder.display().to_string(),
            recipe: run.recipe_name().to_owned(),
            state: run.state,
            epochs_done: run.epochs_done,
            epochs: run.epochs(),
            steps: log.records.iter().map(|record| record.step).max().unwrap_or(0),
            loss: mean(&losses[losses.len().saturating_sub(LAST)..]),
            samples_per_second: median(log.values("train/samples_per_second")),
            data_wait: data_wait(run),
            checkpoint_age_seconds: run.checkpoint_age.map(|age| age.as_secs()),
            recall: recall(run),
            last,
            unreadable_lines: log.unreadable.clone(),
        }
    }
}

fn recall(run: &Run) -> BTreeMap<String, Recall> {
    let mut all = BTreeMap::new();
    for key in run.log.keys() {
        let Some(name) = key.strip_prefix("val/").and_then(|key| key.strip_suffix("/r1")) else {
            continue;
        };
        let series = run.log.series(key);
        let list = name.rsplit_once('/').map_or(name, |(list, _)| list);
        let collapsed = collapsed(run, list);
        // An epoch whose embeddings tell nothing apart is the best only where there is no other.
        let sound = series.iter().filter(|(step, _)| !collapsed.contains(step));
        let best = |best: (u64, f64), next: (u64, f64)| if next.1 > best.1 { next } else { best };
        let best = sound.copied().reduce(best).or(series.first().copied());
        if let (Some((best_step, best)), Some((_, last))) = (best, series.last().copied()) {
            all.insert(name.to_owned(), Recall { best, best_step, last });
        }
    }
    all
}

/// The steps at which the embeddings of `list` had collapsed.
fn collapsed(run: &Run, list: &str) -> BTreeSet<u64> {
    let series = run.log.series(&format!("val/{list}/collapsed")).into_iter();
    series.filter(|(_, value)| *value > 0.0).map(|(step, _)| step).collect()
}

fn data_wait(run: &Run) -> Option<f64> {
    let total = |key| run.log.values(key).iter().sum::<f64>();
    let all = total("train/batch_time");
    (all > 0.0).then(|| total("train/data_time") / all)
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.get(values.len().saturating_sub(1) / 2)?, values[values.len() / 2]);
    Some((low + high) / 2.0)
}
