//! `test`: every test of the workspace, and the crates outside it that use ours.

use crate::workspace::Workspace;
use crate::{external, ffmpeg, process, setup};

pub(crate) const HELP: &str = "\
usage: cargo xtask test [ARGUMENTS]

Sets libtorch up, fetches an FFmpeg where there is none, runs `cargo test --workspace`, then builds the crates in examples/ as a stranger
would: one on equiav-augment alone, which must not reach libtorch, and one with a predictor of its
own, which trains three steps. ARGUMENTS go to `cargo test`; with any, the examples are left out.
";

/// `cargo xtask test`.
pub(crate) fn command(workspace: &Workspace, arguments: &[String]) -> Result<(), String> {
    if arguments.is_empty() {
        return run(workspace);
    }
    setup::ensure(workspace)?;
    let mut cargo = workspace.cargo();
    cargo.arg("test");
    let picked = arguments.iter().any(|argument| picks_packages(argument));
    if !picked {
        cargo.arg("--workspace");
    }
    if !picked || arguments.iter().any(|argument| argument.contains("ingest")) {
        ffmpeg::ensure()?;
    }
    process::run(cargo.args(arguments))
}

/// All tests.
pub(crate) fn run(workspace: &Workspace) -> Result<(), String> {
    setup::ensure(workspace)?;
    ffmpeg::ensure()?;
    process::run(workspace.cargo().args(["test", "--workspace"]))?;
    external::run(workspace)
}

fn picks_packages(argument: &str) -> bool {
    argument == "-p" || argument == "--workspace" || argument.starts_with("--package")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_package_is_not_widened_to_all() {
        assert!(picks_packages("-p") && picks_packages("--package=equiav-loss"));
        assert!(!picks_packages("--release") && !picks_packages("info_nce"));
    }
}
