//! `equiav runs`.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use equiav_report::{RunFolders, RunSummary};
use serde_json::json;

use crate::output::{out, outln};

/// List and compare run folders, as a table, JSON, CSV or curves
///
/// A folder that is no run is searched for runs below it; one that cannot be read is named with its
/// reason and does not stop the others.
#[derive(clap::Args)]
pub(crate) struct Runs {
    /// Run folders, or folders that hold some
    #[arg(default_value = "runs", value_name = "FOLDER")]
    folders: Vec<PathBuf>,

    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,

    /// Draw curves over steps into a .png or .svg
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,

    /// A key of metrics.jsonl to plot, e.g. train/loss; may be repeated; loss and R@1 without one
    #[arg(long = "metric", value_name = "KEY", requires = "plot")]
    metrics: Vec<String>,

    /// Write all figures of the runs as CSV: run, step, epoch and every key
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

impl Runs {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let found = equiav_report::find(&self.folders);
        if let Some(path) = &self.csv {
            let file = File::create(path).with_context(|| format!("writing {}", path.display()))?;
            equiav_report::write_csv(&found.runs, file)
                .with_context(|| format!("writing {}", path.display()))?;
        }
        if let Some(path) = &self.plot {
            let metrics = match self.metrics.is_empty() {
                true => equiav_report::default_metrics(&found.runs),
                false => self.metrics,
            };
            equiav_report::plot(&found.runs, &metrics, path)?;
        }
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&as_json(&found))?)?;
        } else {
            out!("{}", equiav_report::table(&found))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn as_json(found: &RunFolders) -> serde_json::Value {
    let runs: Vec<RunSummary> = found.runs.iter().map(RunSummary::of).collect();
    let differing = equiav_report::differing_keys(&found.runs);
    json!({"runs": runs, "differing": differing, "broken": found.broken})
}
