//! Measurements over programs that are built already, and the reports that come of them; computes nothing itself.
//!
//! `cargo xtask evaluate`, `search-stamps`, `bench --peer`, `bench --scaling` and `gpu run` set the machine up, build
//! what is measured, and start this program, which is why it depends on neither libtorch nor a crate of the workspace.

mod claims;
mod evaluate;
mod generated_docs;
mod gpu;
mod launch;
mod peer;
mod process;
mod repository;
mod scaling;
mod search_stamps;

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use repository::Repository;

/// What a program returns that SIGPIPE has ended: nobody reads what this one prints.
const CLOSED: u8 = 128 + 13;

#[derive(Parser)]
#[command(bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Claims(claims::Options),
    Evaluate(evaluate::Options),
    SearchStamps(search_stamps::Options),
    Bench(BenchOptions),
    #[command(subcommand)]
    Gpu(GpuCommand),
    #[command(hide = true)]
    Launch(launch::Options),
}

/// Compare with a peer, or several processes with one
///
/// Without --peer and --scaling, `cargo xtask bench` runs the criterion benches of benches/ and hands its arguments
/// to criterion. Where cmake and nasm are found, ours decodes jpgs by libjpeg-turbo, else by zune-jpeg.
///
/// With --scaling: what a step of 2 and 4 processes on this machine takes, beside what a model predicts from the
/// step of one process and the times of collectives; --write puts the tables into docs/scaling.md.
#[derive(clap::Args)]
struct BenchOptions {
    /// Measure several processes on this machine
    #[arg(long, conflicts_with_all = ["peer", "rounds", "seconds", "size"])]
    scaling: bool,
    #[command(flatten)]
    peer: peer::Options,
}

#[derive(Subcommand)]
enum GpuCommand {
    Run(gpu::Options),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<std::io::Error>() {
            Some(failure) if failure.kind() == ErrorKind::BrokenPipe => ExitCode::from(CLOSED),
            _ => {
                process::tell(&format!("error: {error:#}"));
                ExitCode::FAILURE
            }
        },
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let repository = Repository::find()?;
    match cli.command {
        Command::Claims(options) => claims::run(&repository, &options),
        Command::Evaluate(options) => evaluate::run(&repository, &options),
        Command::SearchStamps(options) => search_stamps::run(&repository, &options),
        Command::Bench(options) if options.scaling => scaling::run(&repository, options.peer.write),
        Command::Bench(options) => peer::run(&repository, &options.peer),
        Command::Gpu(GpuCommand::Run(options)) => gpu::run(&repository, &options),
        Command::Launch(options) => launch::run(&options),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        let words = ["experiments"].into_iter().chain(line.split_whitespace());
        Cli::try_parse_from(words).map(|cli| cli.command).map_err(|error| error.to_string())
    }

    #[test]
    fn options_are_read_or_refused() {
        for line in [
            "claims --only scratch/centroid --jobs 1 --minutes 30",
            "claims --quick",
            "evaluate --run a --out b",
            "search-stamps --write --run runs/mine",
            "bench --peer",
            "bench --rounds 3 --peer data --seconds 0.5 --write",
            "bench --scaling --write",
            "gpu run --device cpu --out here",
            "launch 2 equiav pretrain quick --set run.epochs=1",
        ] {
            assert!(parsed(line).is_ok(), "{line}");
        }
        for (line, reason) in [
            ("claims --quick --out a", "cannot be used with"),
            ("claims --jobs 0", "1.."),
            ("evaluate --fast", "--fast"),
            ("search-stamps --run", "a value is required"),
            ("bench --peer --rounds 0", "1..=1000"),
            ("bench --peer --seconds never", "invalid float"),
            ("bench --peer --seconds 0.1", "0.5 to 3600"),
            ("bench --peer --size 1", "10..=10000000"),
            ("bench --scaling --size 100", "cannot be used with"),
            ("gpu run --device tpu", "possible values: cuda, cpu"),
            ("launch 0 equiav", "1.."),
        ] {
            let message = parsed(line).err().unwrap_or_default();
            assert!(message.contains(reason), "{line}: {message}");
        }
    }
}
