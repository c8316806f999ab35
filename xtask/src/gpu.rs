//! `gpu`: what has to be seen on a GPU, packed here, and run on a machine that may have neither Rust nor network.

mod outcome;
mod pack;
mod programs;
mod run;
mod trial;

use std::path::PathBuf;

use crate::args::Args;
use crate::workspace::Workspace;

pub(crate) const HELP: &str = "\
usage: cargo xtask gpu pack [--dev] [--nccl] [--out FOLDER]
       cargo xtask gpu run [--device cuda|cpu] [--python PROGRAM] [--out FOLDER]

pack puts the release build of the program, the tests of equiav-torch, the recipes, the dumps of the published
implementation, the peer's script and this command itself into FOLDER (target/gpu if not said), less than 60 MB.
Copy the folder to a machine with a GPU and PyTorch 2.11 in its python3; that takes no Rust and no network:

  bash FOLDER/run

which is `run`. It finds libtorch, with CUDA, in that python3, then does, each whatever came of the one before:
`equiav doctor`; `equiav parity` on the GPU; the tests; the recipe quick for 3 epochs; the same killed and taken
up again, compared; a group of one process over NCCL with a long kernel before it; the training step of two
ViT-B/16 in bf16 at batch 16, 32 and 64 beside PyTorch, eager and by torch.compile; and a profile. Each ends as
passed, failed, skipped or not measured, with the reason, in results.json and results.md, beside all that was
printed. The exit code is 1 where something failed.

options of pack:
  --dev          the development build, for a trial
  --nccl         with the feature `nccl`, which needs CUDA's headers here
  --out FOLDER   where to, instead of target/gpu

options of run:
  --device NAME      cuda, or cpu: a trial of the same steps at sizes that take minutes
  --python PROGRAM   the Python with PyTorch, instead of python3
  --out FOLDER       where results go, instead of gpu-results
";

/// `cargo xtask gpu`.
pub(crate) fn command(workspace: &Workspace, arguments: &[String]) -> Result<(), String> {
    let options = parse(arguments)?;
    match options.what {
        What::Pack => pack::pack(workspace, &options),
        What::Run => run::run(workspace, &options),
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Pack,
    Run,
}

#[derive(Clone, Debug, PartialEq)]
struct Options {
    what: What,
    dev: bool,
    nccl: bool,
    device: &'static str,
    python: PathBuf,
    out: Option<PathBuf>,
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let mut args = Args::new("gpu", arguments);
    let what = match args.next() {
        Some("pack") => What::Pack,
        Some("run") => What::Run,
        _ => return Err("expected `pack` or `run`: see `cargo xtask help gpu`".to_owned()),
    };
    let (dev, nccl, python) = (false, false, PathBuf::from("python3"));
    let mut options = Options { what, dev, nccl, device: "cuda", python, out: None };
    while let Some(argument) = args.next() {
        match (argument, what) {
            ("--dev", What::Pack) => options.dev = true,
            ("--nccl", What::Pack) => options.nccl = true,
            ("--device", What::Run) => {
                options.device = match args.value(argument)? {
                    "cuda" => "cuda",
                    "cpu" => "cpu",
                    other => return Err(format!("--device {other}: expected cuda or cpu")),
                }
            }
            ("--python", What::Run) => options.python = PathBuf::from(args.value(argument)?),
            ("--out", _) => options.out = Some(PathBuf::from(args.value(argument)?)),
            (other, _) => return Err(args.unknown(other)),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_belong_to_their_half() {
        let parsed =
            |line: &str| parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        let options = parsed("run --device cpu --out here").unwrap();
        assert_eq!((options.what, options.device), (What::Run, "cpu"));
        assert_eq!(options.out, Some(PathBuf::from("here")));
        assert!(parsed("pack --nccl --dev").unwrap().nccl);
        assert!(parsed("pack --device cpu").unwrap_err().contains("no option"));
        assert!(parsed("run --device tpu").unwrap_err().contains("cuda or cpu"));
        assert!(parsed("").unwrap_err().contains("expected `pack` or `run`"));
    }
}
