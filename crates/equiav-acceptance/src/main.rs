//! Runs what tells that the methods work, and writes the table of docs/methods.md; started by `cargo xtask acceptance`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::ensure;
use clap::Parser;
use equiav_acceptance::{ALL, Criterion, table};

/// Train methods on made worlds whose answers are known, and compare with bars
#[derive(Parser)]
#[command(name = "acceptance")]
struct Arguments {
    /// Only these methods, by their names in a recipe
    methods: Vec<String>,

    /// How many seeds, from 0 on, where anything is drawn
    #[arg(long, value_name = "N", default_value_t = 3)]
    seeds: u64,

    /// The page whose table is written; none is without it
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every figure clears its bar.
fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let Arguments { methods, seeds, page } = arguments;
    ensure!(*seeds > 0, "--seeds 0: nothing can be measured without a seed");
    let known: Vec<&str> = ALL.iter().map(|one| one.method).collect();
    if let Some(unknown) = methods.iter().find(|name| !known.contains(&name.as_str())) {
        anyhow::bail!("`{unknown}` has no tests (help: one of {})", known.join(", "));
    }
    // Networks of a few thousand numbers: a second thread costs more than it brings.
    tch::set_num_threads(1);
    let seeds: Vec<u64> = (0..*seeds).collect();
    print!("{}", table::HEAD);
    let mut all_hold = true;
    for one in
        ALL.iter().filter(|one| methods.is_empty() || methods.iter().any(|name| name == one.method))
    {
        let started = Instant::now();
        let figures = (one.run)(&seeds)?;
        print!("{}", table::rows(one.method, &figures));
        eprintln!("{}: {:.0} s", one.method, started.elapsed().as_secs_f64());
        all_hold &= figures.iter().all(Criterion::holds);
        if let Some(page) = page {
            table::write(page, one.method, &figures)?;
        }
    }
    Ok(all_hold)
}
