//! `endurance`: the tests of interrupted runs, with as many kills as wanted.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};

use crate::args::Args;
use crate::output::note;
use crate::process;
use crate::setup::{self, peers};
use crate::workspace::Workspace;

pub(crate) const HELP: &str = "\
usage: cargo xtask endurance [--torchrun] [--kills N] [--seed S]

Trains a small run that saves at every step, then the same run again, ended N times (50 if not said) at
random moments by SIGKILL, SIGTERM and SIGUSR1 and taken up by the same command, with one loader thread
and with three: weights, moments, state and metrics must be those of the undisturbed run to the bit.
The moments come from the seed S, which is printed; the clock's if not said.

With --torchrun: a run of two processes that torchrun starts (PyTorch's, installed into the cache folder), one
of which is killed by SIGKILL N times (10 if not said).
";

/// `cargo xtask endurance`.
pub(crate) fn command(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_secs());
    let mut args = Args::new("endurance", arguments);
    let torchrun = args.flag("--torchrun");
    let kills = args.number("--kills")?.unwrap_or(if torchrun { 10 } else { 50_u64 });
    let seed = match args.value("--seed")? {
        Some(seed) => seed.parse().with_context(|| format!("--seed {seed}: expected a number"))?,
        None => clock,
    };
    args.finish()?;
    setup::ensure(workspace)?;
    let mut cargo = workspace.cargo();
    let test = if torchrun { "torchrun" } else { "endurance" };
    cargo.args(["test", "--release", "--package", "equiav", "--test", test, "--"]);
    cargo.args(["--nocapture", "--test-threads", "1"]);
    if torchrun {
        note(&format!("{kills} processes killed under torchrun, seed {seed}"));
        cargo.env("EQUIAV_TORCHRUN", peers::program(workspace, "torchrun")?);
    } else {
        note(&format!("{kills} kills for each number of threads, seed {seed}"));
    }
    cargo.env("EQUIAV_KILLS", kills.to_string()).env("EQUIAV_SEED", seed.to_string());
    process::run(&mut cargo)
}
