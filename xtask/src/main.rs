//! Set-up, checks and the commands of a working day; knows no crate of the workspace, so it builds when they do not.

mod args;
mod check;
mod doctor;
mod experiments;
mod jpeg;
mod output;
mod process;
mod setup;
mod test;
mod train;
mod workspace;

use std::process::ExitCode;

use anyhow::{Context as _, Result};

use output::{errln, out, red};
use setup::ffmpeg;
use test::{endurance, fuzz};
use workspace::Workspace;

/// One command: what `help` says of it and what runs it.
struct Command {
    name: &'static str,
    summary: &'static str,
    help: &'static str,
    run: Run,
}

type Run = fn(&Workspace, &[String]) -> Result<()>;

#[rustfmt::skip]
const COMMANDS: &[Command] = &[
    command("setup", "find or fetch libtorch, so that plain cargo works", setup::HELP, setup::command),
    command("ffmpeg", "fetch a static FFmpeg, for videos", ffmpeg::HELP, ffmpeg::command),
    command("doctor", "check the environment and suggest fixes", doctor::HELP, doctor::command),
    command("train", "set up, build and pre-train the quick recipe", train::HELP, train::command),
    command("claims", "train a grid of variants and seeds, and write what comes of the claims", experiments::CLAIMS, experiments::claims),
    command("acceptance", "train every method on made worlds, and compare with bars", experiments::ACCEPTANCE, experiments::acceptance),
    command("evaluate", "fine-tune and probe what `train` left, and write the figures", experiments::EVALUATE, experiments::evaluate),
    command("test", "set up and run every test, the examples included", test::HELP, test::command),
    command("bench", "run the criterion benches, or compare with peers", experiments::BENCH, experiments::bench),
    command("search-stamps", "search the stamps with spoken words and write what is found", experiments::SEARCH_STAMPS, experiments::search_stamps),
    command("endurance", "kill a run again and again and compare the results", endurance::HELP, endurance::command),
    command("fuzz", "feed the readers of foreign bytes with nonsense", fuzz::HELP, fuzz::command),
    command("gpu", "pack what is to be tried on a GPU, and run it there", experiments::GPU, experiments::gpu),
    command("check", "the whole gate: run it before every change", check::HELP, check::command),
    command("edges", "compare docs/architecture.md with the crate graph", check::EDGES, check::edges),
    command("tidy", "rules of the tree that no compiler checks", check::TIDY, check::tidy),
    command("parity-notes", "compare docs/published.md with the marker comments", check::PARITY_NOTES, check::parity_notes),
    command("recipe-keys", "compare docs/recipes.md with the settings' doc comments", check::RECIPE_KEYS, check::recipe_keys),
];

/// Former names that still work.
const ALIASES: [(&str, &str); 1] = [("published", "parity-notes")];

const fn command(
    name: &'static str,
    summary: &'static str,
    help: &'static str,
    run: Run,
) -> Command {
    Command { name, summary, help, run }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            errln!("{} {error:#}", red("error:"));
            ExitCode::FAILURE
        }
    }
}

/// Finds the command and runs it, or prints its help.
fn dispatch(args: &[String]) -> Result<()> {
    let is_help = |arg: &String| arg == "--help" || arg == "-h";
    match args {
        [] => out!("{}", overview()),
        [first] if first == "help" || is_help(first) => out!("{}", overview()),
        [first, wanted, ..] if first == "help" => out!("{}", find(wanted)?.help),
        [name, rest @ ..] => {
            let command = find(name)?;
            // What follows `--` is meant for the program that the command starts.
            let asked = rest.iter().take_while(|arg| *arg != "--").any(is_help);
            if asked && !experiments::has_own_help(command.name, rest) {
                out!("{}", command.help);
            } else {
                (command.run)(&Workspace::find()?, rest)?;
            }
        }
    }
    Ok(())
}

fn find(name: &str) -> Result<&'static Command> {
    let alias = ALIASES.iter().find(|(old, _)| *old == name);
    let name = alias.map_or(name, |(_, new)| new);
    let command = COMMANDS.iter().find(|command| command.name == name);
    command.with_context(|| format!("`{name}` is no command: see `cargo xtask help`"))
}

fn overview() -> String {
    let line = |command: &Command| format!("  {:<13} {}\n", command.name, command.summary);
    format!(
        "usage: cargo xtask COMMAND [OPTIONS]\n\n{}\n\
         `cargo xtask help COMMAND` says more about one of them.\n",
        COMMANDS.iter().map(line).collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_help_that_names_it() {
        for Command { name, help, .. } in COMMANDS {
            assert!(help.starts_with(&format!("usage: cargo xtask {name}")), "{name}: {help}");
        }
        for (old, new) in ALIASES {
            assert_eq!(find(old).unwrap().name, new);
        }
    }

    #[test]
    fn an_unknown_command_names_the_way_out() {
        let error = dispatch(&["pirouette".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "`pirouette` is no command: see `cargo xtask help`");
    }
}
