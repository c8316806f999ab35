//! `train`: from a fresh clone to a trained model and its figures in one command.

use crate::workspace::Workspace;
use crate::{jpeg, process, setup};

pub(crate) const HELP: &str = "\
usage: cargo xtask train [ARGUMENTS]

Sets libtorch up, builds with optimisation and pre-trains the quick recipe on the embedded corpus.
ARGUMENTS go to `equiav pretrain quick`, such as `--help` after `--`, or settings of the recipe.
Where cmake and nasm are found the program decodes jpgs by libjpeg-turbo, else by zune-jpeg.
";

/// `cargo xtask train`.
pub(crate) fn command(workspace: &Workspace, arguments: &[String]) -> Result<(), String> {
    setup::ensure(workspace)?;
    let own = arguments.iter().filter(|argument| *argument != "--");
    let mut cargo = workspace.cargo();
    cargo.args(["run", "--release", "--package", "equiav"]).args(jpeg::features());
    cargo.args(["--", "pretrain", "quick"]).args(own);
    process::run(&mut cargo)
}
