//! Runs as text.

use std::fmt::Write;

use crate::compare::differing_keys;
use crate::folder::{Found, State};
use crate::summary::Summary;

/// One line a run, R@1 of every list, the keys in which recipes differ, and what is broken.
pub fn table(found: &Found) -> String {
    let summaries: Vec<Summary> = found.runs.iter().map(Summary::of).collect();
    let head = ["run", "recipe", "state", "epochs", "steps", "loss", "samples/s", "wait", "saved"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(summaries.iter().map(row));
    let mut text = if summaries.is_empty() { "no runs\n".to_owned() } else { aligned(&rows) };
    let mut rows = vec![["run", "R@1", "last", "best", "at step"].map(str::to_owned).to_vec()];
    rows.extend(summaries.iter().flat_map(recall_rows));
    if rows.len() > 1 {
        text += &format!("\n{}", aligned(&rows));
    }
    text += &differences(found);
    for summary in summaries.iter().filter(|summary| !summary.unreadable_lines.is_empty()) {
        let (name, lines) = (&summary.name, &summary.unreadable_lines);
        let _ = writeln!(text, "\n{name}: metrics.jsonl: no records, passed over: lines {lines:?}");
    }
    for broken in &found.broken {
        let _ = writeln!(text, "\n{}: {}", broken.name, broken.reason);
    }
    text
}

fn row(summary: &Summary) -> Vec<String> {
    let state = match summary.state {
        State::Training => "training",
        State::Finished => "finished",
        State::Interrupted => "interrupted",
        State::NoCheckpoint => "no checkpoint",
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

fn recall_rows(summary: &Summary) -> Vec<Vec<String>> {
    let row = |(name, recall): (&String, &crate::Recall)| {
        let percent = |value: f64| format!("{:.1} %", 100.0 * value);
        let name = name.replace('_', " ").replace('/', ", ");
        let (last, best) = (percent(recall.last), percent(recall.best));
        vec![summary.name.clone(), name, last, best, recall.best_step.to_string()]
    };
    summary.recall.iter().map(row).collect()
}

fn differences(found: &Found) -> String {
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
