//! `equiav data`: corpora and what a recipe must know of one; one file a command.

mod stamps;
mod stats;
mod synth;

use std::process::ExitCode;

use stamps::Stamps;
use stats::Stats;
use synth::Synth;

/// Make, fetch and measure data
#[derive(clap::Subcommand)]
pub(crate) enum Data {
    Synth(Synth),
    Stats(Stats),
    Stamps(Stamps),
}

impl Data {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Data::Synth(command) => command.run(),
            Data::Stats(command) => command.run(),
            Data::Stamps(command) => command.run(),
        }
    }
}
