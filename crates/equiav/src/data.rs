//! `equiav data`: corpora, and what there is to know, to see and to measure of one; one file a command.

mod bench;
mod clip_args;
mod ingest;
mod overlap;
mod pack;
mod preview;
mod scan;
mod stamps;
mod stats;
mod synth;
mod verify;
mod window_args;

use std::process::ExitCode;

use bench::Bench;
use ingest::Ingest;
use overlap::OverlapCommand;
use pack::Pack;
use preview::Preview;
use scan::Scan;
use stamps::Stamps;
use stats::Stats;
use synth::{OracleCommand, Synth};
use verify::Verify;

/// Make, fetch, ingest, pack, look at and measure data
#[derive(clap::Subcommand)]
pub(crate) enum Data {
    Synth(Synth),
    Stats(Stats),
    Stamps(Stamps),
    Ingest(Box<Ingest>),
    Scan(Box<Scan>),
    Preview(Preview),
    Bench(Bench),
    Pack(Pack),
    Verify(Verify),
    Overlap(OverlapCommand),
    Oracle(OracleCommand),
}

impl Data {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Data::Synth(command) => command.run(),
            Data::Stats(command) => command.run(),
            Data::Stamps(command) => command.run(),
            Data::Ingest(command) => command.run(),
            Data::Scan(command) => command.run(),
            Data::Preview(command) => command.run(),
            Data::Bench(command) => command.run(),
            Data::Pack(command) => command.run(),
            Data::Verify(command) => command.run(),
            Data::Overlap(command) => command.run(),
            Data::Oracle(command) => command.run(),
        }
    }
}
