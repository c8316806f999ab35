//! `fuzz`: every fuzz target for some seconds each.

use std::fs;

use crate::args::Args;
use crate::process;
use crate::terminal::note;
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
pub(crate) fn command(workspace: &Workspace, arguments: &[String]) -> Result<(), String> {
    let (targets, seconds) = parse(arguments)?;
    if process::first_line("cargo", &["fuzz", "--version"]).is_none() {
        return Err("cargo-fuzz is not installed: `cargo install cargo-fuzz`".to_owned());
    }
    for target in targets {
        note(&format!("{target}: {seconds} s"));
        run(workspace, target, seconds)?;
    }
    Ok(())
}

/// The targets and their seconds that `arguments` ask for.
fn parse(arguments: &[String]) -> Result<(Vec<&str>, u32), String> {
    let (mut targets, mut seconds) = (TARGETS.to_vec(), 30);
    let mut args = Args::new("fuzz", arguments);
    while let Some(option) = args.next() {
        match option {
            "--seconds" => {
                let value = args.value(option)?;
                let number = value.parse().ok().filter(|seconds| *seconds > 0);
                seconds = number.ok_or_else(|| format!("--seconds {value}: expected above 0"))?;
            }
            "--target" => {
                let value = args.value(option)?;
                targets.retain(|target| *target == value);
                if targets.is_empty() {
                    return Err(format!("--target {value}: expected {}", TARGETS.join(", ")));
                }
            }
            other => return Err(args.unknown(other)),
        }
    }
    Ok((targets, seconds))
}

fn run(workspace: &Workspace, target: &str, seconds: u32) -> Result<(), String> {
    let folder = workspace.root().join("fuzz");
    let (corpus, seeds) = (folder.join("corpus").join(target), folder.join("seeds").join(target));
    fs::create_dir_all(&corpus).map_err(|e| format!("cannot make {}: {e}", corpus.display()))?;
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
    fn arguments_are_understood_or_refused() {
        let parse = |text: &str| {
            let arguments: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            parse(&arguments).map(|(targets, seconds)| (targets.join(" "), seconds))
        };
        assert_eq!(parse(""), Ok((TARGETS.join(" "), 30)));
        assert_eq!(parse("--seconds 600 --target tar"), Ok(("tar".to_owned(), 600)));
        assert!(parse("--seconds 0").unwrap_err().contains("expected above 0"));
        assert!(parse("--target zip").unwrap_err().contains("expected manifest, tar"));
        assert!(parse("--speed 1").unwrap_err().contains("no option of `fuzz`"));
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
