//! The training step of both sides in turn, from the same weights and batch.

mod figures;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::Options;
use super::paired::{first_goes_first, until_settled};
use crate::process::{capture, note};
use crate::repository::{Repository, machine_and_date, peer_python};
pub(crate) use figures::{Figures, centroid, tables};

pub(super) const BEGIN: &str = "<!-- written by `cargo xtask bench --peer step --write` -->\n";

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

/// Measures, and renders the section.
pub(super) fn measure(repository: &Repository, options: &Options) -> Result<String> {
    let setting = Setting {
        program: repository.program(),
        python: peer_python()?,
        script: repository.root.join("benches/peer/step.py"),
        folder: repository.target().join("peer-step"),
        device: "cpu",
        libraries: None,
        peer: &[],
    };
    let rounds = options.rounds as usize;
    let compared = |case| Ok((case, setting.compare(case, rounds)?));
    let cases: Vec<(&Case, Figures)> = CASES.iter().map(compared).collect::<Result<_>>()?;
    note("the centroid beside the clean pair");
    let [vit, ..] = &CASES;
    let mut ours = setting.ours(vit);
    ours.args(["--steps", &rounds.to_string(), "--centroid", "--json"]);
    Ok(render(&cases, &centroid(&capture(&mut ours)?)?))
}

/// The section's text.
fn render(cases: &[(&Case, Figures)], centroid: &str) -> String {
    let first = cases.first().map(|(case, figures)| (case.name, &*figures.torch, figures.threads));
    let (name, torch, threads) = first.unwrap_or_default();
    format!(
        "{}. PyTorch {torch}, {threads} threads each. Medians (least to most) over pairs of turns (A B, B A), \
         each of which makes the steps of the last column and takes the median without the first. Ratios of \
         speed are the median of pairs with its 95 % interval; where that is wider than a point to either side, \
         the ratio is marked with a star.\n\n{}\n\
         What the centroid of 16 adds to a step of ours with the clean pair ({name}): {centroid}.\n",
        machine_and_date(),
        tables(cases)
    )
}

impl Setting {
    /// Both sides in turn until the ratio is settled, `most` times at most.
    pub(crate) fn compare(&self, case: &Case, most: usize) -> Result<Figures> {
        let mut figures = Figures::default();
        figures.rounds = until_settled(most, |round| {
            note(&format!("{}: round {} of at most {most}", case.name, round + 1));
            self.round(case, round, &mut figures).map(|()| figures.are_settled())
        })?;
        Ok(figures)
    }

    /// One run of either side from the same start.
    fn round(&self, case: &Case, round: usize, figures: &mut Figures) -> Result<()> {
        self.dump(case)?;
        let steps = case.steps.to_string();
        let ours = || capture(self.ours(case).args(["--steps", &steps, "--json"]));
        let peers = || capture(&mut self.peers());
        if first_goes_first(round) {
            figures.add(&ours()?, &peers()?)
        } else {
            let peers = peers()?;
            figures.add(&ours()?, &peers)
        }
    }

    /// Writes what both sides start from.
    pub(crate) fn dump(&self, case: &Case) -> Result<()> {
        let mut dump = self.ours(case);
        dump.args(["--steps", &case.steps.to_string(), "--dump"]).arg(&self.folder);
        capture(&mut dump).map(drop)
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

#[cfg(test)]
mod tests {
    use super::figures::tests::{OURS, PEERS};
    use super::*;

    #[test]
    fn the_section_has_its_two_tables() {
        let mut figures = Figures::default();
        figures.add(OURS, PEERS).unwrap();
        figures.add(&OURS.replace("6.0", "12.0"), PEERS).unwrap();
        figures.rounds = 2;
        let [case, ..] = &CASES;
        let text = render(&[(case, figures)], "1.23 %");
        let row = "| 9.000 (6.000 to 12.000) | 3.000 (3.000 to 3.000) | 3.000 * | 2.00 | 4.00 | 0.50 | 2.0e-3 | 2 | 3 |";
        assert!(text.contains(row) && text.contains("fp32 | 10.0 | 1.0 |"), "{text}");
        assert!(text.contains("PyTorch 2.11.0, 2 threads") && text.contains("fp32): 1.23 %."));
    }
}
