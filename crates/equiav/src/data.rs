//! `equiav data`: corpora and what a recipe must know of one; one file a command.

mod pack;
mod stamps;
mod stats;
mod synth;
mod verify;

use std::process::ExitCode;

use pack::Pack;
use stamps::Stamps;
use stats::Stats;
use synth::Synth;
use verify::Verify;

/// Make, fetch, pack and measure data
#[derive(clap::Subcommand)]
pub(crate) enum Data {
    Synth(Synth),
    Stats(Stats),
    Stamps(Stamps),
    Pack(Pack),
    Verify(Verify),
}

impl Data {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Data::Synth(command) => command.run(),
            Data::Stats(command) => command.run(),
            Data::Stamps(command) => command.run(),
            Data::Pack(command) => command.run(),
            Data::Verify(command) => command.run(),
        }
    }
}
