//! `test`: every test of the workspace, and the crates outside it that use ours.

mod binaries;
pub(crate) mod endurance;
mod examples;
pub(crate) mod fuzz;
mod numerics;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::output::out;
use crate::setup::{self, ffmpeg};
use crate::workspace::Workspace;
use crate::{experiments, jpeg, process};
pub(crate) use binaries::built;
pub(crate) use numerics::run as run_numerics;

pub(crate) const HELP: &str = "\
usage: cargo xtask test [ARGUMENTS]
       cargo xtask test --numerics [--all]

Sets libtorch up, fetches an FFmpeg where there is none, runs `cargo test --workspace`, the tests of equiav-data once more with libjpeg-turbo
where cmake and nasm are found, then builds the crates in examples/ as a stranger would: two on equiav-augment alone, which must not
reach libtorch, one that trains EquiAV with a predictor of its own, and one that trains a method of its own; at last `cargo xtask claims --quick`.
ARGUMENTS go to `cargo test`; with any, the examples and the claims are skipped.
At the end stand the tests that had nothing to test on this machine, each with its reason.

With --numerics: the tests that compare numbers (equiav-torch, -loss, -models, -parity and -train, but for its runs and for memory)
again, under two settings that round otherwise: kernels without vectors and MKL's for any processor on one
thread, kernels of AVX2 on two. With --all: under four. What was built for `cargo xtask test` is run as it is.
";

/// Where tests that have nothing to test leave a line: `skipped: NAME: REASON`.
const SKIPPED: &str = "EQUIAV_SKIPPED_TESTS";

/// `cargo xtask test`.
pub(crate) fn command(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => return run(workspace),
        ["--numerics"] => return numerics::run(workspace),
        ["--numerics", "--all"] => return numerics::run_all(workspace),
        _ => {}
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
    counting(workspace, cargo.args(arguments), || Ok(()))
}

/// All tests.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    setup::ensure(workspace)?;
    ffmpeg::ensure()?;
    counting(workspace, workspace.cargo().args(["test", "--workspace"]), || {
        other_decoder(workspace)?;
        examples::run(workspace)?;
        claims(workspace)
    })
}

/// Runs `tests` and `then`, and tells at the end which tests had nothing to test.
fn counting(
    workspace: &Workspace,
    tests: &mut Command,
    then: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let list = list(workspace);
    fs::create_dir_all(workspace.target())
        .and_then(|()| fs::write(&list, ""))
        .with_context(|| format!("cannot write {}", list.display()))?;
    let result = process::run(tests.env(SKIPPED, &list)).and_then(|()| then());
    out!("{}", skipped(&fs::read_to_string(&list).unwrap_or_default()));
    result
}

/// The file that tests leave a line in which have nothing to test.
fn list(workspace: &Workspace) -> PathBuf {
    workspace.target().join("skipped-tests.txt")
}

/// What is told of the tests that left `lines`: nothing where there are none.
fn skipped(lines: &str) -> String {
    let mut lines: Vec<&str> = lines.lines().filter(|line| !line.is_empty()).collect();
    lines.sort_unstable();
    match lines.len() {
        0 => String::new(),
        1 => format!("\n{}\n1 test had nothing to test here\n", lines[0]),
        many => format!("\n{}\n{many} tests had nothing to test here\n", lines.join("\n")),
    }
}

/// The tests of data once more with the decoder of jpgs that optimized builds have where its build tools
/// are found; the tests before this ran with the one that needs none.
fn other_decoder(workspace: &Workspace) -> Result<()> {
    let missing = jpeg::missing(&jpeg::tools());
    if !missing.is_empty() {
        let missing = missing.join(" and ");
        let line =
            format!("skipped: equiav-data with libjpeg-turbo: {missing} not found on PATH\n");
        let append = fs::OpenOptions::new().append(true).open(list(workspace));
        return append
            .and_then(|mut list| list.write_all(line.as_bytes()))
            .with_context(|| format!("cannot write {}", list(workspace).display()));
    }
    let mut cargo = workspace.cargo();
    process::run(cargo.args(["test", "--package", "equiav-data", "--features", "turbojpeg"]))
}

/// `cargo xtask claims` itself, on two variants for a few steps each.
fn claims(workspace: &Workspace) -> Result<()> {
    let program = workspace.target().join("debug/equiav");
    process::run(
        experiments::program(workspace)?.args(["claims", "--quick", "--program"]).arg(program),
    )
}

fn picks_packages(argument: &str) -> bool {
    argument == "-p" || argument == "--workspace" || argument.starts_with("--package")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_had_nothing_to_test_are_counted() {
        assert_eq!(skipped(""), "");
        assert_eq!(
            skipped("skipped: b: no GPU\n"),
            "\nskipped: b: no GPU\n1 test had nothing to test here\n"
        );
        let two = skipped("skipped: b: no GPU\nskipped: a: one host\n");
        assert!(two.ends_with("skipped: b: no GPU\n2 tests had nothing to test here\n"), "{two}");
        assert!(two.starts_with("\nskipped: a: one host\n"), "{two}");
    }

    #[test]
    fn a_chosen_package_is_not_widened_to_all() {
        assert!(picks_packages("-p") && picks_packages("--package=equiav-loss"));
        assert!(!picks_packages("--release") && !picks_packages("info_nce"));
    }
}
