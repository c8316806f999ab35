//! The commands that measure: sets up, builds what is measured, and starts the program of `experiments/`.

mod pack;

use std::process::Command;

use anyhow::{Result, bail};

use crate::setup::{self, peers};
use crate::workspace::Workspace;
use crate::{jpeg, process};

pub(crate) const CLAIMS: &str = "\
usage: cargo xtask claims [--only REGIME[/VARIANT]] [--jobs N] [--minutes M] [--quick] [--write]

Sets libtorch up, builds with optimisation, trains the grid of experiments/claims.toml as far as it is not trained,
and writes docs/claims.md. `cargo xtask claims --help` says more about the options.
";

pub(crate) const ACCEPTANCE: &str = "\
usage: cargo xtask acceptance [METHOD ...] [--seeds N]

Sets libtorch up, builds, trains every method, or those named, on made worlds whose answers are known, prints each figure
beside its bar, and writes the table of docs/methods.md. Fails where a figure misses its bar. Seeds are 0, 1 and 2 if not said.
";

pub(crate) const EVALUATE: &str = "\
usage: cargo xtask evaluate [--run DIR] [--out DIR]

Sets libtorch up, builds with optimisation, fine-tunes and probes the pre-trained run and writes the figures to
docs/results.md. `cargo xtask evaluate --help` says more about the options.
";

pub(crate) const SEARCH_STAMPS: &str = "\
usage: cargo xtask search-stamps [--run DIR] [--write]

Sets libtorch up, builds with optimisation, trains the recipe stamps if need be and searches the stamps with spoken
words. `cargo xtask search-stamps --help` says more about the options.
";

pub(crate) const BENCH: &str = "\
usage: cargo xtask bench [ARGUMENTS]
       cargo xtask bench --peer [data|step|retrieve] [--rounds N] [--seconds S] [--size N] [--write]
       cargo xtask bench --scaling [--write]

Sets libtorch up and runs the criterion benches of benches/. ARGUMENTS go to criterion, such as a
part of a bench's name, `--quick`, or `--save-baseline NAME`.

With --peer: the loader, the training step and retrieval beside Python programs that do the same. The scripts' packages
go to an environment of their own in the cache folder, several GB, or come from the Python that $EQUIAV_PEER_PYTHON
names. With --scaling: several processes beside one. `cargo xtask bench --help` says more about the options.
";

pub(crate) const GPU: &str = "\
usage: cargo xtask gpu pack [--dev] [--nccl] [--out FOLDER]
       cargo xtask gpu run [--device cuda|cpu] [--python PROGRAM] [--out FOLDER]

pack puts the release build of the program, the tests of equiav-torch, the recipes, the dumps of the published
implementation, the peer's script and the program of experiments/ into FOLDER (target/gpu if not said), less than
60 MB. Copy the folder to a machine with a GPU and PyTorch 2.11 in its python3; that takes no Rust and no network:

  bash FOLDER/run

which is `run`: `cargo xtask gpu run --help` says what it does.

options of pack:
  --dev          the development build, for a trial
  --nccl         with the feature `nccl`, which needs CUDA's headers here
  --out FOLDER   where to, instead of target/gpu
";

/// Whether help about `command` with these arguments is that of the program which it starts.
pub(crate) fn has_own_help(command: &str, arguments: &[String]) -> bool {
    match command {
        "claims" | "evaluate" | "search-stamps" | "bench" => true,
        "gpu" => arguments.first().is_some_and(|argument| argument == "run"),
        _ => false,
    }
}

/// `cargo xtask claims`.
pub(crate) fn claims(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    measure(workspace, "claims", arguments)
}

/// `cargo xtask acceptance`.
pub(crate) fn acceptance(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    setup::ensure(workspace)?;
    let mut cargo = workspace.cargo();
    cargo.args(["run", "--quiet", "--package", "equiav-acceptance", "--"]).args(arguments);
    let page = workspace.root().join("docs/methods.md");
    process::run(cargo.arg("--page").arg(page))
}

/// `cargo xtask evaluate`.
pub(crate) fn evaluate(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    measure(workspace, "evaluate", arguments)
}

/// `cargo xtask search-stamps`.
pub(crate) fn search_stamps(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    measure(workspace, "search-stamps", arguments)
}

fn measure(workspace: &Workspace, command: &str, arguments: &[String]) -> Result<()> {
    if !asks_for_help(arguments) {
        setup::ensure(workspace)?;
        build(workspace, "equiav", jpeg::features())?;
    }
    start(workspace, command, arguments)
}

/// `cargo xtask bench`.
pub(crate) fn bench(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let has = |wanted: &str| arguments.iter().any(|argument| argument == wanted);
    if asks_for_help(arguments) {
        return start(workspace, "bench", arguments);
    }
    setup::ensure(workspace)?;
    if has("--scaling") {
        build(workspace, "equiav", &[])?;
        build(workspace, "equiav-torch", &["--example", "collectives"])?;
        return start(workspace, "bench", arguments);
    }
    if has("--peer") {
        let retrieves = has("retrieve");
        if !retrieves {
            build(workspace, "equiav", jpeg::features())?;
        }
        if retrieves || !(has("data") || has("step")) {
            build(workspace, "equiav-benches", &["--example", "retrieval"])?;
        }
        let mut program = program(workspace)?;
        program.env("EQUIAV_PEER_PYTHON", peers::python(workspace)?);
        return process::run(program.arg("bench").args(arguments));
    }
    let own = arguments.iter().filter(|argument| *argument != "--");
    let mut cargo = workspace.cargo();
    // Only the benches: the empty library's test harness does not know criterion's options.
    cargo.args(["bench", "--package", "equiav-benches", "--bench", "*"]).args(jpeg::features());
    process::run(cargo.arg("--").args(own))
}

/// `cargo xtask gpu`.
pub(crate) fn gpu(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    match arguments.split_first() {
        Some((what, own)) if what == "pack" => pack::command(workspace, own),
        Some((what, _)) if what == "run" => start(workspace, "gpu", arguments),
        _ => bail!("expected `pack` or `run`: see `cargo xtask help gpu`"),
    }
}

fn asks_for_help(arguments: &[String]) -> bool {
    arguments.iter().any(|argument| argument == "--help" || argument == "-h")
}

/// An optimized build of `package`.
fn build(workspace: &Workspace, package: &str, options: &[&str]) -> Result<()> {
    process::run(workspace.cargo().args(["build", "--release", "--package", package]).args(options))
}

fn start(workspace: &Workspace, command: &str, arguments: &[String]) -> Result<()> {
    process::run(program(workspace)?.arg(command).args(arguments))
}

/// The program of `experiments/`, started where the user is; cargo builds it if need be.
pub(crate) fn program(workspace: &Workspace) -> Result<Command> {
    let mut cargo = workspace.cargo();
    cargo.current_dir(std::env::current_dir()?).args(["run", "--quiet", "--manifest-path"]);
    cargo.arg(workspace.root().join("Cargo.toml")).args(["--package", "equiav-experiments", "--"]);
    Ok(cargo)
}
