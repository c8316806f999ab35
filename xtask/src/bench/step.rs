//! Runs the training step of both sides in turn from the same weights and batch; knows nothing of tables.

mod figures;
mod section;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use super::paired::{first_goes_first, until_settled};
use super::{Options, venv};
use crate::output::outln;
use crate::process;
use crate::terminal::note;
use crate::workspace::Workspace;
pub(crate) use figures::{Figures, centroid};
pub(crate) use section::tables;

/// The steps that are compared, as recipes and what is changed in them.
const CASES: [Case; 4] = [
    Case {
        name: "two ViT-B/16, batch 4, fp32",
        recipe: "audioset2m",
        changes: &["run.batch=4", FP32, MEDIUM],
        steps: 3,
    },
    Case {
        name: "two ViT-B/16, batch 4, bf16",
        recipe: "audioset2m",
        changes: &["run.batch=4", BF16, MEDIUM],
        steps: 3,
    },
    Case {
        name: "recipe quick, batch 64, fp32",
        recipe: "quick",
        changes: &[BATCH, FP32, HIGHEST],
        steps: 20,
    },
    Case {
        name: "recipe quick, batch 64, bf16",
        recipe: "quick",
        changes: &[BATCH, BF16, HIGHEST],
        steps: 20,
    },
];
const BATCH: &str = "run.batch=64";
const FP32: &str = "compute.precision=fp32";
const BF16: &str = "compute.precision=bf16";
/// Ours, where matrices are large; the peer's products are those of PyTorch's default.
const MEDIUM: &str = "compute.matmul_precision=medium";
/// PyTorch's default, which is the quicker one for the small matrices of a small network.
const HIGHEST: &str = "compute.matmul_precision=highest";

/// One comparison.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) recipe: &'static str,
    pub(crate) changes: &'static [&'static str],
    /// How many steps each run makes.
    pub(crate) steps: usize,
}

/// What the rounds are run with.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) program: PathBuf,
    pub(crate) python: PathBuf,
    pub(crate) script: PathBuf,
    pub(crate) folder: PathBuf,
    /// `cpu` or `cuda`, for both sides.
    pub(crate) device: &'static str,
    /// Where our program looks for libraries, if not where it was built.
    pub(crate) libraries: Option<OsString>,
    /// Further arguments of the script.
    pub(crate) peer: &'static [&'static str],
}

/// Measures, prints the section and, if asked to, writes it.
pub(super) fn run(workspace: &Workspace, options: &Options) -> Result<(), String> {
    let setting = Setting {
        program: workspace.target().join("release").join("equiav"),
        python: venv::python(workspace)?,
        script: workspace.root().join("benches/peer/step.py"),
        folder: workspace.target().join("peer-step"),
        device: "cpu",
        libraries: None,
        peer: &[],
    };
    let compared = |case| Ok((case, setting.compare(case, options.rounds)?));
    let all: Vec<(&Case, Figures)> = CASES.iter().map(compared).collect::<Result<_, String>>()?;
    note("the centroid beside the clean pair");
    let [vit, ..] = &CASES;
    let mut ours = setting.ours(vit);
    ours.args(["--steps", &options.rounds.to_string(), "--centroid", "--json"]);
    let text = section::render(&all, &centroid(&process::capture(&mut ours)?)?);
    outln!("{text}");
    if options.write { section::write(workspace, &text) } else { Ok(()) }
}

impl Setting {
    /// Both sides in turn until the ratio is settled, `most` times at most.
    pub(crate) fn compare(&self, case: &Case, most: usize) -> Result<Figures, String> {
        let mut figures = Figures::default();
        figures.rounds = until_settled(most, |round| {
            note(&format!("{}: round {} of at most {most}", case.name, round + 1));
            self.round(case, round, &mut figures).map(|()| figures.are_settled())
        })?;
        Ok(figures)
    }

    /// One run of either side from the same start.
    fn round(&self, case: &Case, round: usize, figures: &mut Figures) -> Result<(), String> {
        self.dump(case)?;
        let steps = case.steps.to_string();
        let ours = || process::capture(self.ours(case).args(["--steps", &steps, "--json"]));
        let peers = || process::capture(&mut self.peers());
        if first_goes_first(round) {
            figures.add(&ours()?, &peers()?)
        } else {
            let peers = peers()?;
            figures.add(&ours()?, &peers)
        }
    }

    /// Writes what both sides start from.
    pub(crate) fn dump(&self, case: &Case) -> Result<(), String> {
        let mut dump = self.ours(case);
        dump.args(["--steps", &case.steps.to_string(), "--dump"]).arg(&self.folder);
        process::capture(&mut dump).map(drop)
    }

    /// The peer's steps from there.
    pub(crate) fn peers(&self) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(&self.script).arg(&self.folder).args(self.peer);
        command
    }

    /// `equiav bench` of `case`, with all cores of the processor.
    pub(crate) fn ours(&self, case: &Case) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["bench", case.recipe, "--set", "compute.threads=0"]);
        command.args(["--set", &format!("compute.device={}", self.device)]);
        for change in case.changes {
            command.args(["--set", change]);
        }
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
    }
}
