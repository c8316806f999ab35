//! `bench`: the criterion benches, or the sample path, the training step and retrieval beside a peer's.

mod figures;
// The stopping rule, once for both: a file that needs no crate.
#[path = "../../crates/equiav-train/src/paired.rs"]
mod paired;
mod peer;
mod retrieve;
mod scaling;
mod section;
pub(crate) mod step;
mod venv;

use std::path::PathBuf;

use crate::args::Args;
use crate::workspace::Workspace;
use crate::{jpeg, process, setup};

pub(crate) const HELP: &str = "\
usage: cargo xtask bench [ARGUMENTS]
       cargo xtask bench --peer [data|step|retrieve] [--rounds N] [--seconds S] [--size N] [--write]
       cargo xtask bench --scaling [--write]

Sets libtorch up and runs the criterion benches of benches/. ARGUMENTS go to criterion, such as a
part of a bench's name, `--quick`, or `--save-baseline NAME`. Where cmake and nasm are found, ours
decodes jpgs by libjpeg-turbo here and below, else by zune-jpeg.

With --peer data: how many training samples a second our loader makes, and how many a Python script of
ours makes that does the same work with torchaudio, torchvision and Pillow (benches/peer/sample.py),
on the same files, each pinned to the same core, taking turns.

With --peer step: how many samples a second our training step makes, its memory and its losses, and
the same of a Python script of ours that makes the step in plain eager PyTorch (benches/peer/step.py),
from the same weights and batch, each on all cores, taking turns. Needs 16 GB of memory.

With --peer retrieve: how long ranks both ways and the best ten take among N x N seeded vectors of 512
numbers, beside the matrix product alone with the same tiles, and beside faiss-cpu's exact index
(benches/peer/retrieve.py), on the same vectors with as many threads, taking turns.

With --peer alone: all of these. The scripts' packages go to an environment of their own in the cache folder,
several GB, or come from the Python that $EQUIAV_PEER_PYTHON names.

With --scaling: what a step of 2 and 4 processes on this machine takes, beside what a model says from the
step of one process and the times of collectives; --write puts the tables into docs/scaling.md.

options of --peer:
  --rounds N   the most turns of each side, 40 if not given: the sides take turns (A B, B A) until the 95 %
               interval of every ratio is within a point of it (6 turns at least), and what is printed
               says where it is not
  --seconds S  how long each measurement of the loader takes, 5 if not given
  --size N     rows, and columns, of retrieval, 100000 if not given
  --write      write the tables to docs/performance.md, between their markers
";

/// `cargo xtask bench`.
pub(crate) fn command(workspace: &Workspace, arguments: &[String]) -> Result<(), String> {
    if arguments.iter().any(|argument| argument == "--peer") {
        return beside_peers(workspace, &parse(arguments)?);
    }
    setup::ensure(workspace)?;
    if let [first, rest @ ..] = arguments
        && first == "--scaling"
    {
        let write = rest == ["--write"];
        return if write || rest.is_empty() {
            scaling::run(workspace, write)
        } else {
            Err("--scaling takes --write and nothing else".to_owned())
        };
    }
    let own = arguments.iter().filter(|argument| *argument != "--");
    let mut cargo = workspace.cargo();
    // Only the benches: the empty library's test harness does not know criterion's options.
    cargo.args(["bench", "--package", "equiav-benches", "--bench", "*"]).args(jpeg::features());
    cargo.arg("--").args(own);
    process::run(&mut cargo)
}

fn beside_peers(workspace: &Workspace, options: &Options) -> Result<(), String> {
    setup::ensure(workspace)?;
    if options.what != What::Retrieve {
        let mut build = workspace.cargo();
        build.args(["build", "--release", "--package", "equiav"]).args(jpeg::features());
        process::run(&mut build)?;
    }
    let asked = |what| options.what == What::All || options.what == what;
    if asked(What::Data) {
        peer::run(workspace, options)?;
    }
    if asked(What::Step) {
        step::run(workspace, options)?;
    }
    if asked(What::Retrieve) { retrieve::run(workspace, options) } else { Ok(()) }
}

/// What is set beside a peer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    All,
    Data,
    Step,
    Retrieve,
}

/// What `--peer` was asked for.
#[derive(Clone, Debug, PartialEq)]
struct Options {
    what: What,
    rounds: usize,
    seconds: f64,
    size: usize,
    write: bool,
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let mut options =
        Options { what: What::All, rounds: 40, seconds: 5.0, size: 100_000, write: false };
    let mut args = Args::new("bench", arguments);
    while let Some(argument) = args.next() {
        match argument {
            "--peer" => {}
            "data" => options.what = What::Data,
            "step" => options.what = What::Step,
            "retrieve" => options.what = What::Retrieve,
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
            "--size" => {
                let size = args.value("--size")?.parse().ok();
                let size = size.filter(|size| (10..=10_000_000).contains(size));
                options.size = size.ok_or("--size takes a number from 10 to 10000000")?;
            }
            other => return Err(args.unknown(other)),
        }
    }
    Ok(options)
}

/// A program of the peer's environment, such as torchrun.
pub(crate) fn peer_program(workspace: &Workspace, name: &str) -> Result<PathBuf, String> {
    let python = venv::python(workspace)?;
    let program = python.with_file_name(name);
    if program.exists() { Ok(program) } else { Err(format!("{} is not there", program.display())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Options, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_of_the_comparison_are_read() {
        let usual =
            Options { what: What::All, rounds: 40, seconds: 5.0, size: 100_000, write: false };
        assert_eq!(parsed("--peer"), Ok(usual.clone()));
        assert_eq!(parsed("--peer step"), Ok(Options { what: What::Step, ..usual.clone() }));
        let all = parsed("--rounds 3 --peer data --seconds 0.5 --write");
        let options =
            Options { what: What::Data, rounds: 3, seconds: 0.5, size: 100_000, write: true };
        assert_eq!(all, Ok(options));
        let small = Options { what: What::Retrieve, size: 5000, ..usual };
        assert_eq!(parsed("--peer retrieve --size 5000"), Ok(small));
    }

    #[test]
    fn wrong_options_are_refused() {
        assert!(parsed("--peer --rounds 0").unwrap_err().contains("1 to 1000"));
        assert!(parsed("--peer --seconds never").unwrap_err().contains("0.5 to 3600"));
        assert!(parsed("--peer --seconds").unwrap_err().contains("needs a value"));
        assert!(parsed("--peer --size 1").unwrap_err().contains("10 to 10000000"));
        assert!(parsed("--peer --quick").unwrap_err().contains("`--quick` is no option"));
    }
}
