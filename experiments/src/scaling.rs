//! How the step goes with several processes on this machine, beside what a model of its parts says.

mod model;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::process::{note, print, read_json};
use crate::repository::{Repository, machine_and_date};
use crate::{generated_docs, launch};
use model::{Collectives, Parts, Prediction};

const BEGIN: &str = "<!-- written by `cargo xtask bench --scaling --write` -->\n";
/// Numbers of processes.
const WORLDS: [usize; 2] = [2, 4];
/// Clips a process.
const SHARES: [usize; 3] = [8, 16, 32];
const STEPS: &str = "12";

/// The programs that are measured.
struct Programs {
    equiav: PathBuf,
    collectives: PathBuf,
}

/// Measures, prints the section and, if asked to, writes it to docs/scaling.md.
pub(crate) fn run(repository: &Repository, write: bool) -> Result<()> {
    let collectives = repository.target().join("release/examples/collectives");
    let programs = Programs { equiav: repository.program(), collectives };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut text = format!(
        "{}. The recipe quick, fp32, one thread a process, {STEPS} steps, medians.\n\n\
         | processes | clips a process | one process alone, ms | gather, ms | average, ms | \
         predicted, ms | measured, ms | clips/s over one process's |\n\
         |--|--|--:|--:|--:|--:|--:|--:|\n",
        machine_and_date()
    );
    let mut tables = String::new();
    for world in WORLDS {
        let collectives = programs.collectives(world)?;
        tables += &collectives.table();
        for share in SHARES {
            note(&format!("{world} processes, {share} clips each"));
            // In turn, since machines are noisy.
            let alone = programs.step(1, share)?;
            let all_keys = programs.step(1, world * share)?;
            let measured = programs.step(world, share)?;
            let prediction = Prediction::new(&alone, &all_keys, &collectives, world, share, cores);
            let Prediction { gather, average, least, most } = prediction;
            let gain = world as f64 * alone.whole / measured.whole;
            let _ = writeln!(
                text,
                "| {world} | {share} | {:.1} | {gather:.1} | {average:.1} | {least:.1} to {most:.1} \
                 | {:.1} | {gain:.2} |",
                alone.whole, measured.whole
            );
        }
    }
    text += &format!("\n{tables}");
    print(&text)?;
    if write {
        generated_docs::write_between(repository, "docs/scaling.md", BEGIN, &text)?;
    }
    Ok(())
}

impl Programs {
    /// The phases of a step of `world` processes with `share` clips each.
    fn step(&self, world: usize, share: usize) -> Result<Parts> {
        let batch = format!("run.batch={}", world * share);
        let text = launch::capture(world, || {
            let mut command = Command::new(&self.equiav);
            command.args(["bench", "quick", "--json", "--steps", STEPS]);
            command.args(["--set", &batch, "--set", "compute.threads=1"]);
            command
        })?;
        read_json("equiav bench", &text).map(Parts::new)
    }

    fn collectives(&self, world: usize) -> Result<Collectives> {
        read_json("collectives", &launch::capture(world, || Command::new(&self.collectives))?)
    }
}
