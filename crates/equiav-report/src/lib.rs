//! Reads run folders, compares and plots them, and writes self-contained HTML pages. Knows no model and no libtorch.
//!
//! Metrics are open: every number of a run's `metrics.jsonl` is read, plotted and listed under its own name.

mod compare;
mod csv;
pub mod html;
mod metric_name;
mod metrics_log;
pub mod page;
mod plot;
mod run_folder;
mod summary;
mod table;

pub use compare::differing_keys;
pub use csv::write_csv;
pub use metrics_log::{Log, Record};
pub use plot::{curves, default_metrics, online_curves, plot};
pub use run_folder::{Run, RunFolders, RunStatus, UnreadableRun, find};
pub use summary::{MetricSummary, RunSummary};
pub use table::table;
