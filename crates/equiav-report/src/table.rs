//! Shows runs as a table of text.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::compare::differing_keys;
use crate::metric_name::{label, shown};
use crate::run_folder::{RunFolders, RunStatus};
use crate::summary::RunSummary;

/// One line a run, its best metric on every list, the keys in which recipes differ, and folders that cannot be
/// read.
pub fn table(found: &RunFolders) -> String {
    let summaries: Vec<RunSummary> = found.runs.iter().map(RunSummary::of).collect();
    let head = ["run", "recipe", "state", "epochs", "steps", "loss", "samples/s", "wait", "saved"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(summaries.iter().map(row));
    let mut text = if summaries.is_empty() { "no runs\n".to_owned() } else { aligned(&rows) };
    text += &best(&summaries);
    text += &differences(found);
    for summary in summaries.iter().filter(|summary| !summary.unreadable_lines.is_empty()) {
        let (name, lines) = (&summary.name, &summary.unreadable_lines);
        let _ = writeln!(
            text,
            "\n{name}: metrics.jsonl: lines that cannot be read, skipped: {lines:?}"
        );
    }
    for broken in &found.broken {
        let _ = writeln!(text, "\n{}: {}", broken.name, broken.reason);
    }
    text
}

fn row(summary: &RunSummary) -> Vec<String> {
    let state = match summary.state {
        RunStatus::Training => "training",
        RunStatus::Finished => "finished",
        RunStatus::Interrupted => "interrupted",
        RunStatus::NoCheckpoint => "no checkpoint",
    };
    let shown = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    vec![
        summary.name.clone(),
        summary.recipe.clone(),
        state.to_owned(),
        format!("{}/{}", summary.epochs_done, shown(summary.epochs.map(|all| all.to_string()))),
        summary.steps.to_string(),
        shown(summary.loss.map(|loss| format!("{loss:.3}"))),
        shown(summary.samples_per_second.map(|speed| format!("{speed:.1}"))),
        shown(summary.data_wait.map(|share| format!("{:.1} %", 100.0 * share))),
        shown(summary.checkpoint_age_seconds.map(age)),
    ]
}

/// The best metric of every run on every list, one table for each metric; empty where nothing was measured.
fn best(summaries: &[RunSummary]) -> String {
    let metrics: BTreeSet<&str> = summaries.iter().map(|run| run.best_metric.as_str()).collect();
    let mut text = String::new();
    for metric in metrics {
        let head = ["run", &label(metric), "last", "best", "at step"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        let chosen = summaries.iter().filter(|run| run.best_metric == metric);
        rows.extend(chosen.flat_map(best_rows));
        if rows.len() > 1 {
            text += &format!("\n{}", aligned(&rows));
        }
    }
    text
}

fn best_rows(run: &RunSummary) -> impl Iterator<Item = Vec<String>> + '_ {
    run.best.iter().map(|(place, metric)| {
        let value = |value| shown(&run.best_metric, value);
        let (last, best) = (value(metric.last), value(metric.best));
        let place = place.replace('_', " ").replace('/', ", ");
        vec![run.name.clone(), place, last, best, metric.best_step.to_string()]
    })
}

fn differences(found: &RunFolders) -> String {
    let keys = if found.runs.len() > 1 { differing_keys(&found.runs) } else { Default::default() };
    if keys.is_empty() {
        return String::new();
    }
    let names = found.runs.iter().map(|run| run.name.clone());
    let mut rows = vec![std::iter::once("differs".to_owned()).chain(names).collect::<Vec<_>>()];
    for (key, values) in keys {
        let values = values.into_iter().map(|value| value.unwrap_or_else(|| "-".to_owned()));
        rows.push(std::iter::once(key).chain(values).collect());
    }
    format!("\n{}", aligned(&rows))
}

/// `4 min ago`.
fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7200 => format!("{} min ago", seconds / 60),
        7200..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// Columns as wide as their widest cell, two blanks apart.
fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..rows[0].len()).filter_map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}
