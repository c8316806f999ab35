//! Runs retrieval of both sides in turn on the same vectors; knows nothing of tables.

mod figures;
mod section;

use std::path::{Path, PathBuf};
use std::process::Command;

use super::paired::{first_goes_first, until_settled};
use super::{Options, venv};
use crate::output::outln;
use crate::process;
use crate::terminal::note;
use crate::workspace::Workspace;
use figures::Figures;

/// Numbers a vector.
const WIDTH: &str = "512";

/// What the rounds are run with.
struct Setting {
    program: PathBuf,
    python: PathBuf,
    script: PathBuf,
    folder: PathBuf,
    size: String,
}

/// Measures, prints the section and, if asked to, writes it.
pub(super) fn run(workspace: &Workspace, options: &Options) -> Result<(), String> {
    let mut build = workspace.cargo();
    build.args(["build", "--release", "--package", "equiav-benches", "--example", "retrieval"]);
    process::run(&mut build)?;
    let setting = Setting {
        program: workspace.target().join("release/examples/retrieval"),
        python: venv::python(workspace)?,
        script: workspace.root().join("benches/peer/retrieve.py"),
        folder: workspace.target().join("peer-retrieval"),
        size: options.size.to_string(),
    };
    process::run(&mut setting.ours("make"))?;
    let mut figures = Figures::default();
    // The peer is told the threads of ours, and reads the positions that the best ten leave.
    let threads = figures.threads_of_top(&process::capture(&mut setting.ours("top"))?)?;
    let rounds = until_settled(options.rounds, |round| {
        let (most, size) = (options.rounds, &setting.size);
        note(&format!("round {} of at most {most}: {size} x {size}", round + 1));
        setting.round(round, threads, &mut figures).map(|()| figures.are_settled())
    })?;
    let text = section::render(&figures, options, rounds);
    outln!("{text}");
    if options.write { section::write(workspace, &text) } else { Ok(()) }
}

impl Setting {
    /// Every side once, those that are compared beside each other; every second round in the other order.
    fn round(&self, round: usize, threads: usize, figures: &mut Figures) -> Result<(), String> {
        let mut turns = ["top", "peer", "product", "ranks"];
        if !first_goes_first(round) {
            turns.reverse();
        }
        for turn in turns {
            let mut side = if turn == "peer" { self.peer(threads) } else { self.ours(turn) };
            let text = process::capture(&mut side)?;
            match turn {
                "peer" => figures.add_peers(&text)?,
                "ranks" => figures.add_ranks(&text)?,
                "top" => figures.add_top(&text)?,
                _ => figures.add_product(&text)?,
            }
        }
        Ok(())
    }

    fn ours(&self, what: &str) -> Command {
        ours(&self.program, what, &self.folder, &self.size)
    }

    fn peer(&self, threads: usize) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(&self.script).arg(&self.folder).args([WIDTH, &threads.to_string()]);
        command
    }
}

fn ours(program: &Path, what: &str, folder: &Path, size: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(what).arg(folder).args([size, WIDTH]);
    command
}
