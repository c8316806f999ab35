//! Summarizes a run in a few numbers.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::metric_name::place_of;
use crate::run_folder::{Run, RunStatus};

/// Updates whose loss is averaged.
const LAST: usize = 50;

/// A run in numbers; `None` where the log has none.
#[derive(Clone, Debug, Serialize)]
pub struct RunSummary {
    /// The run's name.
    pub name: String,
    /// Its folder.
    pub folder: String,
    /// Its recipe's name.
    pub recipe: String,
    /// Its state.
    pub state: RunStatus,
    /// Finished epochs at the newest checkpoint.
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
    /// The metric by which the recipe chooses the best epoch; see [`Run::best_metric`].
    pub best_metric: String,
    /// That metric wherever it was measured, by list and the path below it, such as `LIST/visual_to_audio`.
    ///
    /// Serialized as `recall`, the name from when R@1 was the only such metric.
    #[serde(rename = "recall")]
    pub best: BTreeMap<String, MetricSummary>,
    /// The last value of every key of the log.
    pub last: BTreeMap<String, f64>,
    /// Lines of the log, from 1, that cannot be read.
    pub unreadable_lines: Vec<usize>,
}

/// One metric over the epochs of a run; larger is better.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MetricSummary {
    /// The largest value; that of a collapsed epoch only where all have collapsed.
    pub best: f64,
    /// The step at which it was first measured.
    pub best_step: u64,
    /// The newest value.
    pub last: f64,
}

impl RunSummary {
    /// Summarizes `run`.
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
            best_metric: run.best_metric().to_owned(),
            best: best(run),
            last,
            unreadable_lines: log.unreadable.clone(),
        }
    }
}

/// The best metric of `run` on every list.
fn best(run: &Run) -> BTreeMap<String, MetricSummary> {
    let mut all = BTreeMap::new();
    for key in run.log.keys() {
        let Some(name) = place_of(key, run.best_metric()) else { continue };
        let series = run.log.series(key);
        let collapsed = collapsed(run, name);
        // An epoch whose embeddings tell nothing apart is the best only where there is no other.
        let valid = series.iter().filter(|(step, _)| !collapsed.contains(step));
        let best = |best: (u64, f64), next: (u64, f64)| if next.1 > best.1 { next } else { best };
        let best = valid.copied().reduce(best).or(series.first().copied());
        if let (Some((best_step, best)), Some((_, last))) = (best, series.last().copied()) {
            all.insert(name.to_owned(), MetricSummary { best, best_step, last });
        }
    }
    all
}

/// The steps at which the model had collapsed on the list of `place`.
///
/// A place is a list's name with or without a path below it, and both may hold slashes: the list is the longest part
/// of which the log says whether it collapsed.
fn collapsed(run: &Run, place: &str) -> BTreeSet<u64> {
    let shorter = place.rmatch_indices('/').map(|(end, _)| end);
    let lists = [place.len()].into_iter().chain(shorter).map(|end| &place[..end]);
    let series = lists.map(|list| run.log.series(&format!("val/{list}/collapsed")));
    let series = { series }.find(|series| !series.is_empty()).unwrap_or_default();
    series.into_iter().filter(|(_, value)| *value > 0.0).map(|(step, _)| step).collect()
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
