//! Runs the training step of both sides in turn from the same weights and batch; knows nothing of tables.

mod figures;
mod section;

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Options, venv};
use crate::process;
use crate::terminal::note;
use crate::workspace::Workspace;
use figures::Figures;

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
/// Pairs of steps from which the centroid's cost is taken.
const PAIRS: &str = "6";

/// One comparison.
#[derive(Debug)]
struct Case {
    name: &'static str,
    recipe: &'static str,
    changes: &'static [&'static str],
    /// How many steps each run makes.
    steps: usize,
}

/// What the rounds are run with.
struct Setting {
    program: PathBuf,
    python: PathBuf,
    script: PathBuf,
    folder: PathBuf,
}

/// Measures, prints the section and, if asked to, writes it.
pub(super) fn run(workspace: &Workspace, options: &Options) -> Result<(), String> {
    let setting = Setting {
        program: workspace.target().join("release").join("equiav"),
        python: venv::python(workspace)?,
        script: workspace.root().join("benches/peer/step.py"),
        folder: workspace.target().join("peer-step"),
    };
    let mut all: Vec<Figures> = CASES.iter().map(|_| Figures::default()).collect();
    for round in 1..=options.rounds {
        for (case, figures) in CASES.iter().zip(&mut all) {
            note(&format!("round {round} of {}: {}", options.rounds, case.name));
            setting.round(case, figures)?;
        }
    }
    note("the centroid beside the clean pair");
    let [vit, ..] = &CASES;
    let mut centroid = setting.ours(vit);
    centroid.args(["--steps", PAIRS, "--centroid", "--json"]);
    let centroid = figures::centroid(&process::capture(&mut centroid)?)?;
    let cases: Vec<(&Case, &Figures)> = CASES.iter().zip(&all).collect();
    let text = section::render(&cases, centroid, options.rounds);
    println!("{text}");
    if options.write { section::write(workspace, &text) } else { Ok(()) }
}

impl Setting {
    /// One run of either side from the same start.
    fn round(&self, case: &Case, figures: &mut Figures) -> Result<(), String> {
        let steps = case.steps.to_string();
        let mut dump = self.ours(case);
        dump.args(["--steps", &steps, "--dump"]).arg(&self.folder);
        process::capture(&mut dump)?;
        let ours = process::capture(self.ours(case).args(["--steps", &steps, "--json"]))?;
        let peers =
            process::capture(Command::new(&self.python).arg(&self.script).arg(&self.folder))?;
        figures.add(&ours, &peers)
    }

    fn ours(&self, case: &Case) -> Command {
        bench(&self.program, case)
    }
}

/// `equiav bench` of `case`, on the processor with all of its cores.
fn bench(program: &Path, case: &Case) -> Command {
    let mut command = Command::new(program);
    command.args(["bench", case.recipe]);
    for change in ["compute.device=cpu", "compute.threads=0"].iter().chain(case.changes) {
        command.args(["--set", change]);
    }
    command
}
