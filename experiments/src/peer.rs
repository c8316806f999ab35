//! `bench --peer`: the sample path, the training step and retrieval beside a peer's, taking turns.

mod data;
// The stopping rule, once for both: a file that needs no crate.
#[path = "../../crates/equiav-train/src/bench/paired.rs"]
mod paired;
mod retrieve;
pub(crate) mod step;
mod turns;

use anyhow::{Result, ensure};

use crate::generated_docs;
use crate::process::print;
use crate::repository::Repository;

const PAGE: &str = "docs/performance.md";

/// What to compare; everything if not said.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Measure beside a peer
    #[arg(long)]
    peer: bool,
    /// What is measured beside its peer; everything if not said
    ///
    /// data: how many training samples a second our loader makes, and how many a Python script makes that does the
    /// same work with torchaudio, torchvision and Pillow (benches/peer/sample.py), on the same files, each pinned to
    /// the same core.
    ///
    /// step: how many samples a second our training step makes, its memory and its losses, and the same of a Python
    /// script that makes the step in plain eager PyTorch (benches/peer/step.py), from the same weights and batch,
    /// each on all cores. Needs 16 GB of memory.
    ///
    /// retrieve: how long ranks both ways and the best ten take among N x N seeded vectors of 512 numbers, beside
    /// the matrix product alone with the same tiles, and beside faiss-cpu's exact index (benches/peer/retrieve.py),
    /// on the same vectors with as many threads.
    #[arg(requires = "peer")]
    what: Option<What>,
    /// The most turns of each side
    ///
    /// The sides take turns (A B, B A) until the 95 % interval of every ratio is within a point of it, 6 turns at
    /// least; what is printed says where it is not.
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// How many seconds each measurement of the loader takes
    #[arg(long, value_name = "S", default_value_t = 5.0, value_parser = seconds)]
    seconds: f64,
    /// Rows, and columns, of retrieval
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(10..=10_000_000))]
    size: u32,
    /// Write the tables to their page in docs/, between their markers
    #[arg(long)]
    pub(crate) write: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, clap::ValueEnum)]
enum What {
    Data,
    Step,
    Retrieve,
}

fn seconds(text: &str) -> Result<f64> {
    let seconds: f64 = text.parse()?;
    ensure!((0.5..=3_600.0).contains(&seconds), "expected 0.5 to 3600");
    Ok(seconds)
}

/// Measures what was asked for; prints each section and, if asked to, writes it to its page.
pub(crate) fn run(repository: &Repository, options: &Options) -> Result<()> {
    for (what, begin, measure) in [
        (What::Data, data::BEGIN, data::measure as fn(&Repository, &Options) -> Result<String>),
        (What::Step, step::BEGIN, step::measure),
        (What::Retrieve, retrieve::BEGIN, retrieve::measure),
    ] {
        if options.what.is_none_or(|wanted| wanted == what) {
            let text = measure(repository, options)?;
            print(&text)?;
            if options.write {
                generated_docs::write_between(repository, PAGE, begin, &text)?;
            }
        }
    }
    Ok(())
}
