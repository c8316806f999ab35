//! The steps one after the other on the machine with the GPU, and what comes of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Options;
use super::outcome::{self, Done, Outcome};
use super::pack::WITH_NCCL;
use super::trial::{self, Step, Trial};
use crate::output::outln;
use crate::terminal::{columns, green, note, red, yellow};
use crate::workspace::Workspace;
use crate::{machine, process};

/// Tells of PyTorch: version, folder of its libraries with those of its packages, device.
const ASK: &str = "\
import glob, os, torch
lib = os.path.join(os.path.dirname(torch.__file__), 'lib')
beside = os.path.join(os.path.dirname(os.path.dirname(torch.__file__)), 'nvidia', '*', 'lib')
print(torch.__version__)
print(':'.join([lib] + sorted(glob.glob(beside))))
print(torch.cuda.get_device_name(0) if torch.cuda.is_available() else '')
";

/// The PyTorch that the packed program was built for.
const PYTORCH: &str = "2.11.";

/// Runs every step and writes `results.json` and `results.md`; an error names those that failed.
pub(super) fn run(workspace: &Workspace, options: &Options) -> Result<(), String> {
    let root = packed(workspace)?;
    let out = options.out.clone().unwrap_or_else(|| PathBuf::from("gpu-results"));
    fs::create_dir_all(&out).map_err(|e| format!("cannot make {}: {e}", out.display()))?;
    let out = out.canonicalize().map_err(|e| format!("{}: {e}", out.display()))?;
    let torch = Torch::ask(&options.python)?;
    let device = if torch.device.is_empty() { "no GPU" } else { &torch.device };
    let title = format!("{device}; PyTorch {}; {}", torch.version, machine::and_date());
    note(&title);
    let trial = Trial {
        nccl: root.join(WITH_NCCL).exists(),
        root,
        out,
        python: options.python.clone(),
        libraries: torch.libraries.clone().into(),
        device: options.device,
    };
    let mut done = vec![Done {
        name: "PyTorch".to_owned(),
        outcome: torch.fits(options.device),
        seconds: 0.0,
        tables: String::new(),
    }];
    show(&done[0]);
    for step in trial::steps(&trial) {
        done.push(one(&trial, step));
        // After each, so that nothing is lost where the machine is taken away.
        write(&trial.out, "results.md", &outcome::markdown(&title, &done))?;
        write(&trial.out, "results.json", &outcome::json(&title, &done)?)?;
    }
    conclude(&trial.out, &done)
}

/// The folder that was packed.
fn packed(workspace: &Workspace) -> Result<PathBuf, String> {
    let places = [workspace.root().to_owned(), workspace.target().join("gpu")];
    let found = places.into_iter().find(|place| place.join("bin/equiav").exists());
    found.ok_or_else(|| "nothing is packed: `cargo xtask gpu pack` first".to_owned())
}

fn one(trial: &Trial, step: Step) -> Done {
    note(&step.name);
    let started = Instant::now();
    let (outcome, tables) = (step.work)(trial);
    let done = Done { name: step.name, outcome, seconds: started.elapsed().as_secs_f64(), tables };
    show(&done);
    done
}

fn line(done: &Done) -> Vec<String> {
    let (word, more) = done.outcome.parts();
    let word = match done.outcome {
        Outcome::Passed(_) => green(word),
        Outcome::Failed(_) => red(word),
        Outcome::Skipped(_) | Outcome::NotMeasured(_) => yellow(word),
    };
    vec![done.name.clone(), word, more.replace('\n', " ")]
}

fn show(done: &Done) {
    for line in columns(&[line(done)]) {
        outln!("{line}");
    }
}

/// All outcomes once more, and the error where one failed.
fn conclude(out: &Path, done: &[Done]) -> Result<(), String> {
    outln!("");
    for line in columns(&done.iter().map(line).collect::<Vec<_>>()) {
        outln!("{line}");
    }
    outln!("written to {}", out.display());
    let failed = done.iter().filter(|step| matches!(step.outcome, Outcome::Failed(_)));
    let names: Vec<&str> = failed.map(|step| step.name.as_str()).collect();
    if names.is_empty() { Ok(()) } else { Err(format!("failed: {}", names.join(", "))) }
}

fn write(out: &Path, name: &str, text: &str) -> Result<(), String> {
    fs::write(out.join(name), text).map_err(|e| format!("cannot write {name}: {e}"))
}

/// What Python says of its PyTorch.
#[derive(Debug, PartialEq)]
struct Torch {
    version: String,
    /// For `LD_LIBRARY_PATH`, which goes before what the program was linked with.
    libraries: String,
    /// The GPU's name; empty where there is none.
    device: String,
}

impl Torch {
    fn ask(python: &Path) -> Result<Self, String> {
        let mut command = std::process::Command::new(python);
        let text = process::capture(command.args(["-c", ASK]))?;
        Self::read(&text).ok_or_else(|| format!("{} said what is not understood", python.display()))
    }

    fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::to_owned);
        let (version, libraries) = (lines.next()?, lines.next()?);
        Some(Self { version, libraries, device: lines.next().unwrap_or_default() })
    }

    fn fits(&self, device: &str) -> Outcome {
        if !self.version.starts_with(PYTORCH) {
            return Outcome::Failed(format!("it is {}, {PYTORCH}x is needed", self.version));
        }
        if device == "cuda" && self.device.is_empty() {
            return Outcome::Failed(format!("{} finds no GPU", self.version));
        }
        Outcome::Passed(format!("{} {}", self.version, self.device).trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_pytorch_and_a_missing_gpu_are_told() {
        let torch = Torch::read("2.11.0+cu130\n/t/lib:/n/lib\nNVIDIA H100\n").unwrap();
        assert_eq!(torch.fits("cuda"), Outcome::Passed("2.11.0+cu130 NVIDIA H100".to_owned()));
        assert_eq!(torch.libraries, "/t/lib:/n/lib");
        let bare = Torch::read("2.11.0+cpu\n/t/lib\n\n").unwrap();
        assert!(matches!(bare.fits("cuda"), Outcome::Failed(why) if why.contains("no GPU")));
        assert_eq!(bare.fits("cpu"), Outcome::Passed("2.11.0+cpu".to_owned()));
        let old = Torch { version: "2.5.1".to_owned(), ..bare };
        assert!(matches!(old.fits("cpu"), Outcome::Failed(why) if why.contains("2.5.1")));
        assert_eq!(Torch::read(""), None);
    }
}
