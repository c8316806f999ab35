//! `bench`: the criterion benches, or the whole sample path and the training step beside a peer's.

mod figures;
mod peer;
mod section;
mod step;
mod venv;

pub(crate) use section::machine_and_date;

use crate::args::Args;
use crate::workspace::Workspace;
use crate::{jpeg, process, setup};

pub(crate) const HELP: &str = "\
usage: cargo xtask bench [ARGUMENTS]
       cargo xtask bench --peer [data|step] [--rounds N] [--seconds S] [--write]

Sets libtorch up and runs the criterion benches of benches/. ARGUMENTS go to criterion, such as a
part of a bench's name, `--quick`, or `--save-baseline NAME`. Where cmake and nasm are found, ours
decodes jpgs by libjpeg-turbo here and below, else by zune-jpeg.

With --peer data: how many training samples a second our loader makes, and how many a Python script of
ours makes that does the same work with torchaudio, torchvision and Pillow (benches/peer/sample.py),
on the same files, each pinned to the same core, taking turns.

With --peer step: how many samples a second our training step makes, its memory and its losses, and
the same of a Python script of ours that makes the step in plain eager PyTorch (benches/peer/step.py),
from the same weights and batch, each on all cores, taking turns. Needs 16 GB of memory.

With --peer alone: both. The scripts' packages go to an environment of their own in the cache folder,
several GB, or come from the Python that $EQUIAV_PEER_PYTHON names.

options of --peer:
  --rounds N   turns of each side, 5 if not given; medians are compared
  --seconds S  how long each measurement of the loader takes, 5 if not given
  --write      write the tables to docs/performance.md, between their markers
";

/// `cargo xtask bench`.
pub(crate) fn command(workspace: &Workspace, arguments: &[String]) -> Result<(), String> {
    if arguments.iter().any(|argument| argument == "--peer") {
        return beside_peers(workspace, &parse(arguments)?);
    }
    setup::ensure(workspace)?;
    let own = arguments.iter().filter(|argument| *argument != "--");
    let mut cargo = workspace.cargo();
    // Only the benches: the empty library's test harness does not know criterion's options.
    cargo.args(["bench", "--package", "equiav-benches", "--bench", "*"]).args(jpeg::features());
    cargo.arg("--").args(own);
    process::run(&mut cargo)
}

fn beside_peers(workspace: &Workspace, options: &Options) -> Result<(), String> {
    setup::ensure(workspace)?;
    let mut build = workspace.cargo();
    build.args(["build", "--release", "--package", "equiav"]).args(jpeg::features());
    process::run(&mut build)?;
    if options.what != What::Step {
        peer::run(workspace, options)?;
    }
    if options.what != What::Data { step::run(workspace, options) } else { Ok(()) }
}

/// What is set beside a peer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Both,
    Data,
    Step,
}

/// What `--peer` was asked for.
#[derive(Clone, Debug, PartialEq)]
struct Options {
    what: What,
    rounds: usize,
    seconds: f64,
    write: bool,
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options { what: What::Both, rounds: 5, seconds: 5.0, write: false };
    let mut args = Args::new("bench", arguments);
    while let Some(argument) = args.next() {
        match argument {
            "--peer" => {}
            "data" => options.what = What::Data,
            "step" => options.what = What::Step,
            "--write" => options.write = true,
            "--rounds" => {
                let rounds = args.value("--rounds")?.parse().ok();
                let rounds = rounds.filter(|rounds| (1..=1_000).contains(rounds));
                options.rounds = rounds.ok_or("--rounds takes a number from 1 to 1000")?;
            }
            "--seconds" => {
                let seconds = args.value("--seconds")?.parse().ok();
                let seconds = seconds.filter(|seconds| (0.5..=3_600.0).contains(seconds));
                options.seconds = seconds.ok_or("--seconds takes a number from 0.5 to 3600")?;
            }
            other => return Err(args.unknown(other)),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Options, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_of_the_comparison_are_read() {
        let usual = Options { what: What::Both, rounds: 5, seconds: 5.0, write: false };
        assert_eq!(parsed("--peer"), Ok(usual.clone()));
        assert_eq!(parsed("--peer step"), Ok(Options { what: What::Step, ..usual.clone() }));
        let all = parsed("--rounds 3 --peer data --seconds 0.5 --write");
        let options = Options { what: What::Data, rounds: 3, seconds: 0.5, write: true };
        assert_eq!(all, Ok(options));
    }

    #[test]
    fn wrong_options_are_refused() {
        assert!(parsed("--peer --rounds 0").unwrap_err().contains("1 to 1000"));
        assert!(parsed("--peer --seconds never").unwrap_err().contains("0.5 to 3600"));
        assert!(parsed("--peer --seconds").unwrap_err().contains("needs a value"));
        assert!(parsed("--peer --quick").unwrap_err().contains("`--quick` is no option"));
    }
}
