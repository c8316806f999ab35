//! `fuzz`: every fuzz target for some seconds each.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use crate::args::Args;
use crate::output::note;
use crate::process;
use crate::workspace::Workspace;

pub(crate) const HELP: &str = "\
usage: cargo xtask fuzz [--seconds N] [--target NAME]

Runs every target of fuzz/ for N seconds (30 if not said), or the one of that name. Inputs of
interest are kept in fuzz/corpus; what a target stumbles over, in fuzz/artifacts. Needs cargo-fuzz:
`cargo install cargo-fuzz`.
";

/// What reads bytes by others; each has its file in fuzz/fuzz_targets and its folder in fuzz/seeds.
const TARGETS: [&str; 5] = ["manifest", "tar", "json_index", "sound", "jpeg"];
/// More memory than this is a finding, in MB.
const MOST_MEMORY: u32 = 2_048;
/// A slower answer than this is a finding, in seconds.
const LONGEST_ANSWER: u32 = 10;

/// `cargo xtask fuzz`.
pub(crate) fn command(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let (targets, seconds) = parse(arguments)?;
    let installed = process::first_line("cargo", &["fuzz", "--version"]).is_some();
    ensure!(installed, "cargo-fuzz is not installed: `cargo install cargo-fuzz`");
    for target in targets {
        note(&format!("{target}: {seconds} s"));
        run(workspace, target, seconds)?;
    }
    Ok(())
}

/// The targets and their seconds that `arguments` ask for.
fn parse(arguments: &[String]) -> Result<(Vec<&str>, u32)> {
    let mut args = Args::new("fuzz", arguments);
    let seconds = args.number("--seconds")?.unwrap_or(30);
    let mut targets = TARGETS.to_vec();
    if let Some(wanted) = args.value("--target")? {
        targets.retain(|target| *target == wanted);
        let known = TARGETS.join(", ");
        ensure!(!targets.is_empty(), "--target {wanted}: expected {known}");
    }
    args.finish().map(|()| (targets, seconds))
}

fn run(workspace: &Workspace, target: &str, seconds: u32) -> Result<()> {
    let folder = workspace.root().join("fuzz");
    let (corpus, seeds) = (folder.join("corpus").join(target), folder.join("seeds").join(target));
    fs::create_dir_all(&corpus).with_context(|| format!("cannot make {}", corpus.display()))?;
    let mut cargo = workspace.cargo();
    // The fuzzer's instrumentation is an unstable option of the compiler, which stable ones take
    // when told to. There is no unsafe code of ours to watch, so no sanitizer slows it down.
    cargo.env("RUSTC_BOOTSTRAP", "1").current_dir(workspace.root());
    cargo.args(["fuzz", "run", "--sanitizer", "none", target]).arg(corpus).arg(seeds).arg("--");
    cargo.arg(format!("-max_total_time={seconds}"));
    cargo.arg(format!("-rss_limit_mb={MOST_MEMORY}")).arg(format!("-timeout={LONGEST_ANSWER}"));
    cargo.args(["-max_len=65536", "-print_final_stats=1"]);
    process::run(&mut cargo)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_chosen_or_refused() {
        let arguments = ["--seconds", "600", "--target", "tar"].map(str::to_owned);
        assert_eq!(parse(&arguments).unwrap(), (vec!["tar"], 600));
        let error = parse(&["--target=zip".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("expected manifest, tar"), "{error}");
    }

    #[test]
    fn every_target_has_its_file_and_seeds() {
        let fuzz = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
        for target in TARGETS {
            assert!(fuzz.join(format!("fuzz_targets/{target}.rs")).is_file(), "{target}");
            assert!(fuzz.join("seeds").join(target).is_dir(), "{target}");
        }
        assert_eq!(fs::read_dir(fuzz.join("fuzz_targets")).unwrap().count(), TARGETS.len());
    }
}
