//! Looks at run folders: reads, lists, compares, plots and reports them. Knows no model and no libtorch.

mod compare;
mod folder;
mod log;
mod plot;
mod records;
pub mod report;
mod smooth;
mod summary;
mod table;

pub use compare::differing_keys;
pub use folder::{Broken, Found, Run, State, find};
pub use log::{Log, Record};
pub use plot::{curves, default_metrics, plot};
pub use records::write_csv;
pub use summary::{Recall, Summary};
pub use table::table;
