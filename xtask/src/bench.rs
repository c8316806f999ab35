//! `bench`: the criterion benches.

use crate::workspace::Workspace;
use crate::{process, setup};

pub(crate) const HELP: &str = "\
usage: cargo xtask bench [ARGUMENTS]

Sets libtorch up and runs the criterion benches of benches/. ARGUMENTS go to criterion, such as a
part of a bench's name, `--quick`, or `--save-baseline NAME`.
";

/// `cargo xtask bench`.
pub(crate) fn command(workspace: &Workspace, arguments: &[String]) -> Result<(), String> {
    setup::ensure(workspace)?;
    let own = arguments.iter().filter(|argument| *argument != "--");
    let mut cargo = workspace.cargo();
    // Only the benches: the empty library's test harness does not know criterion's options.
    cargo.args(["bench", "--package", "equiav-benches", "--bench", "*", "--"]).args(own);
    process::run(&mut cargo)
}
