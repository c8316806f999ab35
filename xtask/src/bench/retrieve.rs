//! Runs retrieval of both sides in turn on the same vectors; knows nothing of tables.

mod figures;
mod section;

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Options, venv};
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
    for round in 1..=options.rounds {
        note(&format!("round {round} of {}: {} x {}", options.rounds, setting.size, setting.size));
        setting.round(round, &mut figures)?;
    }
    let text = section::render(&figures, options);
    println!("{text}");
    if options.write { section::write(workspace, &text) } else { Ok(()) }
}

impl Setting {
    /// Every side once; every second round in the other order.
    fn round(&self, round: usize, figures: &mut Figures) -> Result<(), String> {
        let top = process::capture(&mut self.ours("top"))?;
        let threads = figures.add_top(&top)?;
        let mut turns = ["product", "ranks", "peer"];
        if round.is_multiple_of(2) {
            turns.reverse();
        }
        for turn in turns {
            match turn {
                "peer" => figures.add_peers(&process::capture(&mut self.peer(threads))?)?,
                "ranks" => figures.add_ranks(&process::capture(&mut self.ours(turn))?)?,
                _ => figures.add_product(&process::capture(&mut self.ours(turn))?)?,
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
