//! `train`: from a fresh clone to a trained model and its figures in one command.

use anyhow::{Context as _, Result};

use crate::workspace::Workspace;
use crate::{experiments, jpeg, process, setup};

pub(crate) const HELP: &str = "\
usage: cargo xtask train [--procs N] [ARGUMENTS]

Sets libtorch up, builds with optimisation and pre-trains the quick recipe on the embedded corpus.
ARGUMENTS go to `equiav pretrain quick`, such as `--help` after `--`, or settings of the recipe.
With --procs, N processes on this machine share every batch, connected as torchrun would have them.
Where cmake and nasm are found the program decodes jpgs by libjpeg-turbo, else by zune-jpeg.
";

/// `cargo xtask train`.
pub(crate) fn command(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let (processes, own) = parse(arguments)?;
    setup::ensure(workspace)?;
    let mut cargo = workspace.cargo();
    let command = if processes == 1 { "run" } else { "build" };
    cargo.args([command, "--release", "--package", "equiav"]).args(jpeg::features());
    if processes == 1 {
        return process::run(cargo.args(["--", "pretrain", "quick"]).args(own));
    }
    process::run(&mut cargo)?;
    let mut launch = experiments::program(workspace)?;
    launch.args(["launch", &processes.to_string()]).arg(workspace.target().join("release/equiav"));
    process::run(launch.args(["pretrain", "quick"]).args(own))
}

/// How many processes, and what is for `equiav pretrain`.
fn parse(arguments: &[String]) -> Result<(usize, Vec<&String>)> {
    let mut processes = 1;
    let mut own = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--procs" => {
                let value = arguments.next().map_or("", String::as_str);
                processes = value.parse().ok().filter(|number| *number > 0).with_context(|| {
                    format!("--procs {value}: expected a number of processes, at least 1")
                })?;
            }
            "--" => {}
            _ => own.push(argument),
        }
    }
    Ok((processes, own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_ours_and_the_rest_is_passed_on() {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let arguments = words("--procs 2 -- --set run.epochs=1");
        let (processes, own) = parse(&arguments).unwrap();
        assert_eq!((processes, own), (2, vec![&arguments[3], &arguments[4]]));
        assert_eq!(parse(&words("")).unwrap().0, 1);
        for wrong in ["--procs", "--procs 0", "--procs two"] {
            assert!(
                parse(&words(wrong)).unwrap_err().to_string().contains("at least 1"),
                "{wrong}"
            );
        }
    }
}
