//! `equiav data`: corpora and what a recipe must know of one; one file a command.

mod bench;
mod stamps;
mod stats;
mod synth;

use std::process::ExitCode;

use bench::Bench;
use stamps::Stamps;
use stats::Stats;
use synth::Synth;

/// Make, fetch and measure data
#[derive(clap::Subcommand)]
pub(crate) enum Data {
    Synth(Synth),
    Stats(Stats),
    Stamps(Stamps),
    Bench(Bench),
}

impl Data {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Data::Synth(command) => command.run(),
            Data::Stats(command) => command.run(),
            Data::Stamps(command) => command.run(),
            Data::Bench(command) => command.run(),
        }
    }
}
