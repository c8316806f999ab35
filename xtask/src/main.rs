//! Set-up, checks and the commands of a working day; knows no crate of the workspace, so it builds when they do not.

mod args;
mod bench;
mod check;
mod doctor;
mod edges;
mod endurance;
mod evaluate;
mod external;
mod ffmpeg;
mod fuzz;
mod gpu;
mod jpeg;
mod libtorch;
mod machine;
mod markdown;
mod metadata;
mod output;
mod problem;
mod process;
mod published;
mod python;
mod rust_source;
mod search_stamps;
mod setup;
mod terminal;
mod test;
mod tidy;
mod together;
mod train;
mod wheels;
mod workspace;
mod written;

use std::process::ExitCode;

use output::{errln, out};
use workspace::Workspace;

/// One command: what `help` says of it and what runs it.
struct Command {
    name: &'static str,
    summary: &'static str,
    help: &'static str,
    run: fn(&Workspace, &[String]) -> Result<(), String>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "setup",
        summary: "find or fetch libtorch, so that plain cargo works",
        help: setup::HELP,
        run: setup::command,
    },
    Command {
        name: "ffmpeg",
        summary: "fetch a static FFmpeg, for videos",
        help: ffmpeg::HELP,
        run: ffmpeg::command,
    },
    Command {
        name: "doctor",
        summary: "say what this machine has, lacks, and what mends it",
        help: doctor::HELP,
        run: doctor::command,
    },
    Command {
        name: "train",
        summary: "set up, build and pre-train the quick recipe",
        help: train::HELP,
        run: train::command,
    },
    Command {
        name: "evaluate",
        summary: "fine-tune and probe what `train` left, and write what comes of it",
        help: evaluate::HELP,
        run: evaluate::command,
    },
    Command {
        name: "test",
        summary: "set up and run every test, the external crates included",
        help: test::HELP,
        run: test::command,
    },
    Command {
        name: "bench",
        summary: "set up and run the criterion benches",
        help: bench::HELP,
        run: bench::command,
    },
    Command {
        name: "search-stamps",
        summary: "search the stamps with spoken words and write what is found",
        help: search_stamps::HELP,
        run: search_stamps::command,
    },
    Command {
        name: "endurance",
        summary: "kill a run again and again and compare what comes of it",
        help: endurance::HELP,
        run: endurance::command,
    },
    Command {
        name: "fuzz",
        summary: "feed the readers of foreign bytes with nonsense",
        help: fuzz::HELP,
        run: fuzz::command,
    },
    Command {
        name: "gpu",
        summary: "pack what is to be seen on a GPU, and run it there",
        help: gpu::HELP,
        run: gpu::command,
    },
    Command {
        name: "check",
        summary: "the whole gate: run it before every change",
        help: check::HELP,
        run: check::command,
    },
    Command {
        name: "edges",
        summary: "hold docs/architecture.md to the crate graph",
        help: edges::HELP,
        run: edges::command,
    },
    Command {
        name: "tidy",
        summary: "rules of the tree that no compiler checks",
        help: tidy::HELP,
        run: tidy::command,
    },
    Command {
        name: "published",
        summary: "hold docs/published.md to the marker comments",
        help: published::HELP,
        run: published::command,
    },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            errln!("{} {message}", terminal::red("error:"));
            ExitCode::FAILURE
        }
    }
}

/// Finds the command and runs it, or prints its help.
fn dispatch(args: &[String]) -> Result<(), String> {
    let Some((name, rest)) = args.split_first() else {
        out!("{}", overview());
        return Ok(());
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        match rest.first() {
            Some(wanted) => out!("{}", find(wanted)?.help),
            None => out!("{}", overview()),
        }
        return Ok(());
    }
    let command = find(name)?;
    // What follows `--` is meant for the program that the command starts.
    let mut own = rest.iter().take_while(|arg| *arg != "--");
    if own.any(|arg| arg == "--help" || arg == "-h") {
        out!("{}", command.help);
        return Ok(());
    }
    (command.run)(&Workspace::find()?, rest)
}

fn find(name: &str) -> Result<&'static Command, String> {
    COMMANDS
        .iter()
        .find(|command| command.name == name)
        .ok_or_else(|| format!("`{name}` is no command: see `cargo xtask help`"))
}

fn overview() -> String {
    let mut text = String::from("usage: cargo xtask COMMAND [OPTIONS]\n\n");
    for command in COMMANDS {
        text.push_str(&format!("  {:<13} {}\n", command.name, command.summary));
    }
    text.push_str("\n`cargo xtask help COMMAND` says more about one of them.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_help_that_names_it() {
        for command in COMMANDS {
            assert!(
                command.help.starts_with(&format!("usage: cargo xtask {}", command.name)),
                "{}: {}",
                command.name,
                command.help
            );
        }
    }

    #[test]
    fn an_unknown_command_names_the_way_out() {
        let message = dispatch(&["pirouette".to_owned()]).unwrap_err();
        assert_eq!(message, "`pirouette` is no command: see `cargo xtask help`");
    }
}
