//! The command line of EquiAV: each command is its arguments and one call into a library.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "only this crate prints")]

mod bench;
mod data;
mod doctor;
mod export;
mod import;
mod localize;
mod localized;
mod parity;
mod pretrain;
mod progress;
mod report;
mod retrieve;
mod runs;
mod table;

use std::panic;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Equivariant audio-visual self-supervised learning.
#[derive(Parser)]
#[command(name = "equiav", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Pretrain(pretrain::Pretrain),
    Retrieve(retrieve::Retrieve),
    Localize(localize::Localize),
    Runs(runs::Runs),
    Report(report::Report),
    Import(import::Import),
    Export(export::Export),
    #[command(subcommand)]
    Data(data::Data),
    Bench(bench::Bench),
    Parity(parity::Parity),
    Doctor(doctor::Doctor),
}

/// Has memory that runs out told as the error that it becomes, and not as a panic before.
fn tell_memory_once() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !equiav_torch::is_out_of_memory(&equiav_data::panic_message(info.payload())) {
            usual(info);
        }
    }));
}

fn main() -> ExitCode {
    equiav_torch::keep_freed_memory();
    tell_memory_once();
    let result = match Cli::parse().command {
        Command::Pretrain(command) => command.run(),
        Command::Retrieve(command) => command.run(),
        Command::Localize(command) => command.run(),
        Command::Runs(command) => command.run(),
        Command::Report(command) => command.run(),
        Command::Import(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Data(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Parity(command) => command.run(),
        Command::Doctor(command) => command.run(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
