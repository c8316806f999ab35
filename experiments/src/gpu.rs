//! `gpu run`: the steps one after the other on the machine with the GPU, and what comes of them.

mod outcome;
mod programs;
mod trial;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::process::{self, note, print};
use crate::repository::{Repository, machine_and_date};
use outcome::{Done, Outcome};
use trial::{Step, Trial};

/// Try what `gpu pack` has packed, on a machine that may have neither Rust nor network
///
/// Finds libtorch, with CUDA, in python3, then does, each whatever came of the one before: `equiav doctor`; `equiav
/// parity` on the GPU; the tests; the recipe quick for 3 epochs; the same killed and resumed, compared; a group of one
/// process over NCCL with a long kernel before it; the training step of two ViT-B/16 in bf16 at batch 16, 32 and 64
/// beside PyTorch, eager and by torch.compile; and a profile. Each ends as passed, failed, skipped or not measured,
/// with the reason, in results.json and results.md, beside all that was printed. The exit code is 1 where a step
/// failed.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The GPU, or a trial of the same steps on the processor at sizes that take minutes
    #[arg(long, value_enum, default_value = "cuda")]
    device: Device,
    /// The Python with PyTorch
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: PathBuf,
    /// Where results go
    #[arg(long, value_name = "FOLDER", default_value = "gpu-results")]
    out: PathBuf,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Device {
    Cuda,
    Cpu,
}

/// Says by its presence that what is packed was built with the feature; `cargo xtask gpu pack` leaves it.
const WITH_NCCL: &str = "with-nccl";

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
pub(crate) fn run(repository: &Repository, options: &Options) -> Result<()> {
    let places = [repository.root.clone(), repository.target().join("gpu")];
    let packed = places.into_iter().find(|place| place.join("bin/equiav").exists());
    let root = packed.context("nothing is packed; help: `cargo xtask gpu pack` first")?;
    fs::create_dir_all(&options.out)
        .with_context(|| format!("cannot make {}", options.out.display()))?;
    let out = options.out.canonicalize()?;
    let torch = Torch::ask(&options.python)?;
    let device = if torch.device.is_empty() { "no GPU" } else { &torch.device };
    let title = format!("{device}; PyTorch {}; {}", torch.version, machine_and_date());
    note(&title);
    let trial = Trial {
        nccl: root.join(WITH_NCCL).exists(),
        root,
        out,
        python: options.python.clone(),
        libraries: torch.libraries.clone().into(),
        device: match options.device {
            Device::Cuda => "cuda",
            Device::Cpu => "cpu",
        },
    };
    let outcome = torch.fits(trial.device);
    let (name, seconds, tables) = ("PyTorch".to_owned(), 0.0, String::new());
    let mut done = vec![Done { name, outcome, seconds, tables }];
    print(&done[0].line())?;
    for step in trial::steps(&trial) {
        done.push(one(&trial, step));
        print(&done[done.len() - 1].line())?;
        // After each, so that nothing is lost where the machine is taken away.
        write(&trial.out, "results.md", &outcome::markdown(&title, &done))?;
        write(&trial.out, "results.json", &outcome::json(&title, &done))?;
    }
    conclude(&trial.out, &done)
}

fn one(trial: &Trial, step: Step) -> Done {
    note(&step.name);
    let started = Instant::now();
    let (outcome, tables) = (step.work)(trial);
    Done { name: step.name, outcome, seconds: started.elapsed().as_secs_f64(), tables }
}

/// All outcomes once more, and the error where one failed.
fn conclude(out: &Path, done: &[Done]) -> Result<()> {
    let lines: Vec<String> = done.iter().map(Done::line).collect();
    print(&format!("\n{}\nwritten to {}", lines.join("\n"), out.display()))?;
    let failed = done.iter().filter(|step| matches!(step.outcome, Outcome::Failed(_)));
    let names: Vec<&str> = failed.map(|step| step.name.as_str()).collect();
    if !names.is_empty() {
        bail!("failed: {}", names.join(", "));
    }
    Ok(())
}

fn write(out: &Path, name: &str, text: &str) -> Result<()> {
    fs::write(out.join(name), text).with_context(|| format!("cannot write {name}"))
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
    fn ask(python: &Path) -> Result<Self> {
        let text = process::capture(Command::new(python).args(["-c", ASK]))?;
        Self::read(&text).with_context(|| format!("{} told of no PyTorch", python.display()))
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
