//! `claims`: does a method learn what it claims? Variants in regimes with seeds, differences with intervals.

mod claim;
mod grid;
mod limit;
mod page;
mod picture;
mod record;
mod statistics;
mod training;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::process::note;
use crate::repository::Repository;
use grid::{Cell, Grid};
use limit::Limits;
use record::Records;
use training::Training;

/// Train a grid of variants, regimes and seeds, and write what comes of the claims
///
/// Reads experiments/claims.toml. Runs that are finished are not made again: what is kept of each stands in
/// docs/claims/records.jsonl, so that a grid may be worked off on several days and machines. Runs that were
/// interrupted go on where they were. At the end, and with --write alone, docs/claims.md is written anew: recall both
/// ways, differences paired by seed and clip with intervals that count both, curves, costs.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The grid
    #[arg(long, value_name = "FILE", default_value = "experiments/claims.toml")]
    grid: PathBuf,
    /// Where run folders are
    #[arg(long, value_name = "DIR", default_value = "runs/claims")]
    out: PathBuf,
    /// Where the page, its pictures and the records go
    #[arg(long, value_name = "DIR", default_value = "docs")]
    docs: PathBuf,
    /// Runs side by side [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Only this regime, or REGIME/VARIANT; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Only this seed; may be repeated
    #[arg(long = "seed", value_name = "N")]
    seeds: Vec<u64>,
    /// Stop after so many minutes; the same command goes on
    #[arg(long, value_name = "M")]
    minutes: Option<f64>,
    /// Two variants for a few steps each, into target/: a trial of this command itself
    #[arg(long, conflicts_with_all = ["grid", "out", "docs"])]
    quick: bool,
    /// Train nothing, write the page from the records; only what an oracle finds in a list is measured, once
    #[arg(long)]
    write: bool,
    /// The program that trains, instead of the optimized build
    #[arg(long, value_name = "FILE", hide = true)]
    program: Option<PathBuf>,
}

/// `cargo xtask claims`.
pub(crate) fn run(repository: &Repository, options: &Options) -> Result<()> {
    let root = &repository.root;
    let trial = repository.target().join("claims");
    let (file, out, docs) = match options.quick {
        true => {
            (root.join("experiments/claims-quick.toml"), trial.join("runs"), trial.join("docs"))
        }
        false => (root.join(&options.grid), root.join(&options.out), root.join(&options.docs)),
    };
    if options.quick && trial.exists() {
        // A trial that finds its runs finished would try nothing.
        std::fs::remove_dir_all(&trial)
            .with_context(|| format!("cannot remove {}", trial.display()))?;
    }
    let grid = Grid::read(&file)?;
    let cells = grid.cells(root)?;
    let mut chosen = chosen(&cells, &options.only)?;
    chosen.retain(|cell| options.seeds.is_empty() || options.seeds.contains(&cell.seed));
    let mut records = Records::read(docs.join("claims/records.jsonl"))?;
    let mut limits = Limits::read(docs.join("claims/limits.jsonl"))?;
    let mut whole = true;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let minutes = |minutes: f64| Instant::now() + Duration::from_secs_f64(60.0 * minutes);
    let training = Training {
        repository,
        program: options.program.clone().unwrap_or_else(|| repository.program()),
        out,
        starting: std::sync::Mutex::new(()),
        jobs: options.jobs.map_or(cores, usize::from),
        until: options.minutes.map(minutes),
    };
    if !options.write {
        whole = training.run(&chosen, &mut records)?;
    }
    limits.measure(&grid, &cells, &records, || training.equiav())?;
    page::write(&page::Results::new(&grid, &cells, (&records, &limits)), &docs)?;
    note(&format!("written: {}", docs.join("claims.md").display()));
    if !whole {
        note("time is up; the same command goes on with the runs that are left");
    }
    Ok(())
}

/// The cells of the regimes and variants that `only` names, all if it names none.
fn chosen(cells: &[Cell], only: &[String]) -> Result<Vec<Cell>> {
    let named = |cell: &Cell, name: &String| {
        *name == cell.regime || *name == format!("{}/{}", cell.regime, cell.variant)
    };
    for name in only {
        ensure!(cells.iter().any(|cell| named(cell, name)), "the grid has no `{name}`");
    }
    let wanted = |cell: &&Cell| only.is_empty() || only.iter().any(|name| named(cell, name));
    Ok(cells.iter().filter(wanted).cloned().collect())
}
