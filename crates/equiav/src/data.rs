//! `equiav data`: corpora and what a recipe must know of one; one file a command.

mod cutting;
mod ingest;
mod scan;
mod stamps;
mod stats;
mod synth;

use std::process::ExitCode;

use ingest::Ingest;
use scan::Scan;
use stamps::Stamps;
use stats::Stats;
use synth::Synth;

/// Make, fetch, ingest, scan and measure data
#[derive(clap::Subcommand)]
pub(crate) enum Data {
    Synth(Synth),
    Stats(Stats),
    Stamps(Stamps),
    Ingest(Box<Ingest>),
    Scan(Box<Scan>),
}

impl Data {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Data::Synth(command) => command.run(),
            Data::Stats(command) => command.run(),
            Data::Stamps(command) => command.run(),
            Data::Ingest(command) => command.run(),
            Data::Scan(command) => command.run(),
        }
    }
}
