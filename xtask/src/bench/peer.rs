//! Runs both sides in turn on the same files and the same core; knows nothing of tables.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::figures::Figures;
use super::paired::{first_goes_first, until_settled};
use super::{Options, section, venv};
use crate::output::outln;
use crate::process;
use crate::terminal::{note, warn};
use crate::workspace::Workspace;

/// Samples a batch, on both sides.
const BATCH: &str = "16";

/// What the rounds are run with.
struct Setting {
    program: PathBuf,
    python: PathBuf,
    script: PathBuf,
    list: PathBuf,
    seconds: String,
    core: Option<usize>,
}

/// Measures, prints the section and, if asked to, writes it.
pub(super) fn run(workspace: &Workspace, options: &Options) -> Result<(), String> {
    let python = venv::python(workspace)?;
    let list = make_files(workspace, &python)?;
    let setting = Setting {
        program: workspace.target().join("release").join("equiav"),
        python,
        script: workspace.root().join("benches/peer/sample.py"),
        list,
        seconds: options.seconds.to_string(),
        core: core(),
    };
    if setting.core.is_none() {
        warn("there is no `taskset` here: nothing keeps either side on one core");
    }
    let mut figures = Figures::default();
    let rounds = until_settled(options.rounds, |round| {
        note(&format!("round {} of at most {}", round + 1, options.rounds));
        setting.round(round, &mut figures).map(|()| figures.are_settled())
    })?;
    let text = section::render(&figures, options, rounds, setting.core.is_some());
    outln!("{text}");
    if options.write { section::write(workspace, &text) } else { Ok(()) }
}

/// The clips, made anew: that takes seconds, and nothing old can be among them.
fn make_files(workspace: &Workspace, python: &Path) -> Result<PathBuf, String> {
    let folder = workspace.target().join("peer-clips");
    let mut script = Command::new(python);
    process::run(script.arg(workspace.root().join("benches/peer/files.py")).arg(&folder))?;
    Ok(folder.join("clips.json"))
}

/// The last core, on which the system does least by itself; none where a program cannot be pinned.
fn core() -> Option<usize> {
    let core = std::thread::available_parallelism().ok()?.get() - 1;
    process::capture(Command::new("taskset").args(["-c", &core.to_string(), "true"])).ok()?;
    Some(core)
}

impl Setting {
    fn round(&self, round: usize, figures: &mut Figures) -> Result<(), String> {
        let ours_first = first_goes_first(round);
        for ours in [ours_first, !ours_first] {
            if ours {
                let mut ours = self.pinned(&self.program);
                figures.add_ours(&process::capture(self.bench(&mut ours, "1"))?)?;
            } else {
                let mut peer = self.pinned(&self.python);
                peer.arg(&self.script).arg(&self.list);
                peer.args(["--batch", BATCH, "--seconds", &self.seconds]);
                figures.add_peers(&process::capture(&mut peer)?)?;
            }
        }
        let workers = if ours_first { "1,2" } else { "2,1" };
        let mut free = Command::new(&self.program);
        figures.add_two_workers(&process::capture(self.bench(&mut free, workers))?, ours_first)
    }

    /// Adds to `command`, our program, what it is to measure.
    fn bench<'a>(&self, command: &'a mut Command, workers: &str) -> &'a mut Command {
        command.args(["data", "bench"]).arg(&self.list).args(["--recipe", "audioset2m", "--json"]);
        command.args(["--batch", BATCH, "--seconds", &self.seconds, "--workers", workers])
    }

    /// `program`, kept on one core where that is possible.
    fn pinned(&self, program: &Path) -> Command {
        let Some(core) = self.core else { return Command::new(program) };
        let mut command = Command::new("taskset");
        command.args(["-c", &core.to_string()]).arg(program);
        command
    }
}
