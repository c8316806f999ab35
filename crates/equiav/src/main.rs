//! The command line of EquiAV: each command is its arguments and one call into a library.

mod args;
mod cca;
mod data;
mod doctor;
mod files;
mod output;
mod parity;
mod report;
mod runs;
mod train;

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
    Pretrain(train::pretrain::Pretrain),
    Finetune(train::finetune::Finetune),
    Probe(train::probe::Probe),
    Retrieve(train::retrieve::Retrieve),
    Embed(files::embed::Embed),
    Index(files::index::Index),
    Search(Box<files::search::Search>),
    Localize(files::localize::Localize),
    Cca(cca::CcaCommand),
    Runs(runs::Runs),
    Report(report::Report),
    Import(train::import::Import),
    Export(train::export::Export),
    #[command(subcommand)]
    Data(data::Data),
    Bench(train::bench::Bench),
    Parity(parity::Parity),
    Doctor(doctor::Doctor),
}

/// Has what becomes an error told as that, and not as a panic before: memory that runs out, and an index
/// that is damaged.
fn tell_errors_once() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let message = equiav_data::panic_message(info.payload());
        if !equiav_torch::is_out_of_memory(&message) && !equiav_search::index::is_guarded() {
            usual(info);
        }
    }));
}

fn main() -> ExitCode {
    equiav_torch::keep_freed_memory();
    tell_errors_once();
    let command = match Cli::try_parse() {
        Ok(arguments) => arguments.command,
        Err(message) => return output::parsed(&message),
    };
    let result = match command {
        Command::Pretrain(command) => command.run(),
        Command::Finetune(command) => command.run(),
        Command::Probe(command) => command.run(),
        Command::Retrieve(command) => command.run(),
        Command::Embed(command) => command.run(),
        Command::Index(command) => command.run(),
        Command::Search(command) => command.run(),
        Command::Localize(command) => command.run(),
        Command::Cca(command) => command.run(),
        Command::Runs(command) => command.run(),
        Command::Report(command) => command.run(),
        Command::Import(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Data(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Parity(command) => command.run(),
        Command::Doctor(command) => command.run(),
    };
    result.unwrap_or_else(|error| output::failed(&error))
}
