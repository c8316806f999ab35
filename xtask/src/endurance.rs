//! `endurance`: the tests of interrupted runs, with as many kills as wanted.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::args::Args;
use crate::terminal::note;
use crate::workspace::Workspace;
use crate::{bench, process, setup};

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
pub(crate) fn command(workspace: &Workspace, arguments: &[String]) -> Result<(), String> {
    let Options { torchrun, kills, seed } = parse(arguments)?;
    setup::ensure(workspace)?;
    let mut cargo = workspace.cargo();
    let test = if torchrun { "torchrun" } else { "endurance" };
    cargo.args(["test", "--release", "--package", "equiav", "--test", test, "--"]);
    cargo.args(["--nocapture", "--test-threads", "1"]);
    let kills = kills.unwrap_or(if torchrun { 10 } else { 50 });
    if torchrun {
        note(&format!("{kills} processes killed under torchrun, seed {seed}"));
        cargo.env("EQUIAV_TORCHRUN", bench::peer_program(workspace, "torchrun")?);
    } else {
        note(&format!("{kills} kills for each number of threads, seed {seed}"));
    }
    cargo.env("EQUIAV_KILLS", kills.to_string()).env("EQUIAV_SEED", seed.to_string());
    process::run(&mut cargo)
}

#[derive(Debug, PartialEq)]
struct Options {
    torchrun: bool,
    kills: Option<u64>,
    seed: u64,
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_secs());
    let mut options = Options { torchrun: false, kills: None, seed: clock };
    let mut args = Args::new("endurance", arguments);
    while let Some(option) = args.next() {
        match option {
            "--torchrun" => options.torchrun = true,
            "--kills" => options.kills = Some(number(option, args.value(option)?)?),
            "--seed" => options.seed = number(option, args.value(option)?)?,
            other => return Err(args.unknown(other)),
        }
    }
    Ok(options)
}

fn number(option: &str, value: &str) -> Result<u64, String> {
    value.parse().map_err(|_| format!("{option} {value}: expected a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read() {
        let parsed =
            |line: &str| parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        let expected = Options { torchrun: true, kills: Some(3), seed: 7 };
        assert_eq!(parsed("--kills 3 --torchrun --seed 7"), Ok(expected));
        assert_eq!(parsed("").map(|options| options.kills), Ok(None));
        assert_eq!(parsed("--kills many"), Err("--kills many: expected a number".to_owned()));
    }
}
