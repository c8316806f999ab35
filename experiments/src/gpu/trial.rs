//! What is tried on the machine with the GPU, step by step.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::outcome::Outcome;
use super::programs::LIMIT;
use crate::peer::step::{Case, Setting, centroid, tables};
use crate::process;

/// The most pairs of turns of a comparison.
const MOST: usize = 20;

/// What the steps work with.
#[derive(Debug)]
pub(super) struct Trial {
    /// The packed folder.
    pub(super) root: PathBuf,
    /// Where everything goes.
    pub(super) out: PathBuf,
    pub(super) python: PathBuf,
    /// `LD_LIBRARY_PATH` of our programs.
    pub(super) libraries: OsString,
    /// `cuda` or `cpu`.
    pub(super) device: &'static str,
    /// Whether the feature was packed.
    pub(super) nccl: bool,
}

/// A step: its outcome, and tables as Markdown where there are any.
type Work = Box<dyn Fn(&Trial) -> (Outcome, String)>;

/// One thing to be tried.
pub(super) struct Step {
    pub(super) name: String,
    pub(super) work: Work,
}

/// Ours and the peer's attention, predictor and update in bf16, as a large run would have them.
const LARGE: [Case; 3] = [
    large("two ViT-B/16, batch 16, bf16", &["run.batch=16", BF16, HIGHEST]),
    large("two ViT-B/16, batch 32, bf16", &["run.batch=32", BF16, HIGHEST]),
    large("two ViT-B/16, batch 64, bf16", &["run.batch=64", BF16, HIGHEST]),
];
const BF16: &str = "compute.precision=bf16";
/// PyTorch's default, as the peer has it.
const HIGHEST: &str = "compute.matmul_precision=highest";

const fn large(name: &'static str, changes: &'static [&'static str]) -> Case {
    Case { name, recipe: "audioset2m", changes, steps: 12 }
}

/// In place of these, for a trial on the processor.
const SMALL: [Case; 1] = [Case {
    name: "recipe quick, batch 8, bf16",
    recipe: "quick",
    changes: &["run.batch=8", BF16],
    steps: 4,
}];

/// What makes the recipe quick a matter of seconds on a processor.
const TINY: [&str; 7] = [
    "data.source={ kind=\"synthetic\", classes=4, instances=96, held_out=32, image=96, seconds=2.0, frames=2 }",
    "front_end.frames=96",
    "model.encoder.width=32",
    "model.encoder.depth=1",
    "model.encoder.heads=2",
    "objective.centroid=3",
    "run.batch=8",
];

/// Everything, in order.
pub(super) fn steps(trial: &Trial) -> Vec<Step> {
    let plain = |name: &str, work: fn(&Trial) -> Outcome| {
        let work: Work = Box::new(move |trial| (work(trial), String::new()));
        Step { name: name.to_owned(), work }
    };
    let mut steps = vec![
        plain("doctor", doctor),
        plain("parity", |trial| trial.parity().into()),
        plain("tests", |trial| trial.tests("").into()),
        plain("quick, 3 epochs", |trial| trial.quick("quick").into()),
        plain("quick, killed and taken up", killed),
        plain("NCCL, one process", nccl),
    ];
    let cases: &'static [Case] = if trial.device == "cuda" { &LARGE } else { &SMALL };
    let peers: [(&str, &'static [&'static str]); 2] =
        [("eager", &[]), ("torch.compile", &["--compile"])];
    for (peer, arguments) in peers {
        for case in cases {
            let work: Work = Box::new(move |trial| trial.compare(case, arguments));
            steps.push(Step { name: format!("{}, beside {peer}", case.name), work });
        }
    }
    let last = &cases[cases.len() - 1];
    let work: Work = Box::new(move |trial| trial.centroid(last));
    steps.push(Step { name: format!("{}, the centroid", last.name), work });
    let work: Work = Box::new(move |trial| trial.profile(last));
    steps.push(Step { name: format!("{}, profile of PyTorch", last.name), work });
    steps
}

/// Whether the program finds what it is to be tried on.
fn doctor(trial: &Trial) -> Outcome {
    let text = match trial.logged("doctor", trial.equiav().arg("doctor")) {
        Ok(text) => text,
        Err(error) => return Err(error).into(),
    };
    let cuda = text.lines().find(|line| line.starts_with("CUDA")).unwrap_or_default().to_owned();
    let missing = cuda.contains("none") || cuda.contains(" 0 device");
    if trial.device == "cuda" && (cuda.is_empty() || missing) {
        return Outcome::Failed(format!("the program finds no GPU: {cuda}"));
    }
    Outcome::Passed(cuda.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The same run, killed after its first checkpoint and started again by the same command.
fn killed(trial: &Trial) -> Outcome {
    let run = trial.out.join("killed");
    let mut child = match trial.spawn("killed", &mut trial.pretrain("killed")) {
        Ok(child) => child,
        Err(error) => return Err(error).into(),
    };
    let started = Instant::now();
    while newest(&run).is_none() && started.elapsed() < LIMIT {
        if let Ok(Some(status)) = child.try_wait() {
            return if status.success() {
                Outcome::NotMeasured("it was over before it could be killed".to_owned())
            } else {
                Outcome::Failed(format!("it ended by itself ({status}): see killed.txt"))
            };
        }
        sleep(Duration::from_millis(5));
    }
    // The process is SIGKILLed: it saves nothing.
    let ended = child.kill().and_then(|()| child.wait());
    if ended.is_ok_and(|status| status.success()) {
        return Outcome::NotMeasured("it was over before it could be killed".to_owned());
    }
    match trial.logged("taken-up", &mut trial.pretrain("killed")) {
        Ok(_) => same_runs(&trial.out.join("quick"), &run, trial.device),
        Err(error) => Err(error).into(),
    }
}

/// Whether two runs came to the same: to the bit on a processor; sums of a GPU may come in another order.
fn same_runs(one: &Path, other: &Path, device: &str) -> Outcome {
    let model = |run: &Path| fs::read(newest(run)?.join("model.safetensors")).ok();
    let (Some(ours), Some(theirs)) = (model(one), model(other)) else {
        return Outcome::NotMeasured("there are no two runs to compare".to_owned());
    };
    if ours == theirs {
        return Outcome::Passed("equal to the bit".to_owned());
    }
    let (Some(one), Some(other)) = (last_loss(one), last_loss(other)) else {
        return Outcome::Failed("weights differ, and there are no losses to compare".to_owned());
    };
    let text = format!("not equal to the bit; the last losses are {one:.5} and {other:.5}");
    if device == "cuda" && (one / other - 1.0).abs() < 0.05 {
        Outcome::Passed(text)
    } else {
        Outcome::Failed(text)
    }
}

/// A group of one process over NCCL, with a long kernel before the collective.
fn nccl(trial: &Trial) -> Outcome {
    if trial.device == "cpu" {
        return Outcome::Skipped("no GPU was asked for".to_owned());
    }
    if !trial.nccl {
        let help = "help: `cargo xtask gpu pack --nccl` where CUDA's headers are";
        return Outcome::Skipped(format!("it was packed without the feature nccl ({help})"));
    }
    trial.tests("nccl").into()
}

impl Trial {
    fn parity(&self) -> Result<String> {
        let mut parity = self.equiav();
        parity.arg("parity").arg(self.root.join("fixtures")).args(["--device", self.device]);
        let text = self.logged("parity", &mut parity)?;
        Ok(text.lines().last().unwrap_or_default().to_owned())
    }

    fn pretrain(&self, run: &str) -> Command {
        let mut command = self.equiav();
        // By its path: beside the program's folder of that name a bare `quick` would be taken for it.
        command.arg("pretrain").arg(self.root.join("recipes/quick.toml"));
        command.args(["--set", "run.epochs=3", "--out"]).arg(self.out.join(run));
        command.args(["--set", &format!("compute.device={}", self.device)]);
        let tiny: &[&str] = if self.device == "cpu" { &TINY } else { &[] };
        for change in tiny {
            command.args(["--set", change]);
        }
        command
    }

    fn quick(&self, run: &str) -> Result<String> {
        self.logged(run, &mut self.pretrain(run))?;
        let loss = last_loss(&self.out.join(run)).context("it left no loss")?;
        if !loss.is_finite() {
            bail!("loss {loss}");
        }
        Ok(format!("last loss {loss:.5}"))
    }

    fn setting(&self, peer: &'static [&'static str]) -> Setting {
        Setting {
            program: self.root.join("bin/equiav"),
            python: self.python.clone(),
            script: self.root.join("benches/peer/step.py"),
            folder: self.out.join("step"),
            device: self.device,
            libraries: Some(self.libraries.clone()),
            peer,
        }
    }

    fn compare(&self, case: &Case, peer: &'static [&'static str]) -> (Outcome, String) {
        let most = if self.device == "cuda" { MOST } else { 2 };
        match self.setting(peer).compare(case, most) {
            Ok(figures) => {
                let seen = figures.summary();
                let settled = figures.are_settled();
                let outcome =
                    if settled { Outcome::Passed(seen) } else { Outcome::NotMeasured(seen) };
                (outcome, tables(&[(case, figures)]))
            }
            Err(error) => (Err(error).into(), String::new()),
        }
    }

    fn centroid(&self, case: &Case) -> (Outcome, String) {
        let most = if self.device == "cuda" { "200" } else { "8" };
        let mut ours = self.setting(&[]).ours(case);
        let text = process::capture(ours.args(["--steps", most, "--centroid", "--json"]));
        let outcome = match text.and_then(|text| centroid(&text)) {
            Ok(seen) => match seen.strip_prefix("not measured: ") {
                Some(why) => Outcome::NotMeasured(why.to_owned()),
                None => Outcome::Passed(format!("adds {seen}")),
            },
            Err(error) => Err(error).into(),
        };
        (outcome, String::new())
    }

    /// Where PyTorch's time goes, kernel by kernel; ours is in the tables, phase by phase.
    fn profile(&self, case: &Case) -> (Outcome, String) {
        let (setting, file) = (self.setting(&[]), self.out.join("profile.txt"));
        let profiled = setting.dump(case).and_then(|()| {
            process::capture(setting.peers().arg("--profile").arg(&file))?;
            fs::read_to_string(&file).context("profile.txt")
        });
        match profiled {
            Ok(table) => {
                (Outcome::Passed("in profile.txt".to_owned()), format!("```text\n{table}```\n"))
            }
            Err(error) => (Err(error).into(), String::new()),
        }
    }
}

/// The newest checkpoint of a run, once it is whole.
fn newest(run: &Path) -> Option<PathBuf> {
    let whole = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("step-"))
    };
    entries(&run.join("checkpoints")).ok()?.into_iter().rfind(whole)
}

/// The last loss that a run has logged.
fn last_loss(run: &Path) -> Option<f64> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).ok()?;
    text.lines()
        .rev()
        .find_map(|line| serde_json::from_str::<Value>(line).ok()?.get("train/loss")?.as_f64())
}

/// What is in a folder, by name.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>());
    let mut paths = read.with_context(|| format!("cannot list {}", folder.display()))?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::programs::tests::{program, trial};
    use super::*;

    #[test]
    fn a_step_that_fails_says_why_and_the_others_go_on() {
        let scratch = TempDir::new().unwrap();
        let trial = trial(&scratch);
        program(&trial.root.join("bin/equiav"), "echo 'CUDA none (why)'; echo broken >&2; exit 3");
        let outcomes: Vec<Outcome> =
            steps(&trial).iter().take(6).map(|step| (step.work)(&trial).0).collect();
        assert!(
            matches!(&outcomes[0], Outcome::Failed(why) if why.contains("broken (doctor.txt)"))
        );
        assert!(matches!(&outcomes[2], Outcome::Failed(why) if why.contains("cannot list")));
        assert!(matches!(&outcomes[4], Outcome::Failed(why) if why.contains("by itself")));
        assert_eq!(outcomes[5], Outcome::Skipped("no GPU was asked for".to_owned()));
    }

    #[test]
    fn runs_are_compared_by_their_weights_and_on_a_gpu_by_their_losses() {
        let scratch = TempDir::new().unwrap();
        let run = |name: &str, weights: &str, loss: f64| {
            let folder = scratch.path().join(name);
            let checkpoint = folder.join("checkpoints/step-000000004");
            fs::create_dir_all(&checkpoint).unwrap();
            fs::create_dir_all(folder.join("checkpoints/.writing-9")).unwrap();
            fs::write(checkpoint.join("model.safetensors"), weights).unwrap();
            let log = format!("{{\"train/loss\": {loss}, \"step\": 4}}\n{{\"step\": 4}}\n");
            fs::write(folder.join("metrics.jsonl"), log).unwrap();
            folder
        };
        let (one, same) = (run("one", "weights", 1.0), run("same", "weights", 1.0));
        let (near, far) = (run("near", "others", 1.01), run("far", "others", 1.2));
        assert!(matches!(same_runs(&one, &same, "cpu"), Outcome::Passed(_)));
        assert!(matches!(same_runs(&one, &near, "cpu"), Outcome::Failed(_)));
        assert!(matches!(same_runs(&one, &near, "cuda"), Outcome::Passed(_)));
        assert!(matches!(same_runs(&one, &far, "cuda"), Outcome::Failed(_)));
        let gone = scratch.path().join("gone");
        assert!(matches!(same_runs(&one, &gone, "cuda"), Outcome::NotMeasured(_)));
    }
}
