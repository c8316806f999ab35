//! `endurance`: the tests of interrupted runs, with as many kills as wanted.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::args::Args;
use crate::terminal::note;
use crate::workspace::Workspace;
use crate::{process, setup};

pub(crate) const HELP: &str = "\
usage: cargo xtask endurance [--kills N] [--seed S]

Trains a small run that saves at every step, then the same run again, ended N times (50 if not said) at
random moments by SIGKILL, SIGTERM and SIGUSR1 and taken up by the same command, with one loader thread
and with three: weights, moments, state and metrics must be those of the undisturbed run to the bit.
The moments come from the seed S, which is printed; the clock's if not said.
";

/// `cargo xtask endurance`.
pub(crate) fn command(workspace: &Workspace, arguments: &[String]) -> Result<(), String> {
    let (kills, seed) = parse(arguments)?;
    setup::ensure(workspace)?;
    note(&format!("{kills} kills for each number of threads, seed {seed}"));
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--release", "--package", "equiav", "--test", "endurance", "--"]);
    cargo.args(["--nocapture", "--test-threads", "1"]);
    cargo.env("EQUIAV_KILLS", kills.to_string()).env("EQUIAV_SEED", seed.to_string());
    process::run(&mut cargo)
}

fn parse(arguments: &[String]) -> Result<(u64, u64), String> {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_secs());
    let (mut kills, mut seed) = (50, clock);
    let mut args = Args::new("endurance", arguments);
    while let Some(option) = args.next() {
        let target = match option {
            "--kills" => &mut kills,
            "--seed" => &mut seed,
            other => return Err(args.unknown(other)),
        };
        let value = args.value(option)?;
        *target = value.parse().map_err(|_| format!("{option} {value}: expected a number"))?;
    }
    Ok((kills, seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read() {
        let parsed =
            |line: &str| parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(parsed("--kills 3 --seed 7"), Ok((3, 7)));
        assert_eq!(parsed("").map(|(kills, _)| kills), Ok(50));
        assert_eq!(parsed("--kills many"), Err("--kills many: expected a number".to_owned()));
    }
}
