//! `check`: the gate, stage by stage, with a line for each at the end.

use std::time::{Duration, Instant};

use crate::args::Args;
use crate::output::{errln, outln};
use crate::terminal::{columns, green, note, red};
use crate::workspace::Workspace;
use crate::{edges, process, published, setup, test, tidy};

pub(crate) const HELP: &str = "\
usage: cargo xtask check [--skip STAGE]... [--fail-fast]

The whole gate, in this order: setup, fmt, edges, tidy, published, clippy, rustdoc, tests,
numerics (`cargo xtask test --numerics`).
Every stage is run even after one has failed, unless nothing could be built; at the end each has
a line with its seconds and, where it failed, the command that shows it alone.

options:
  --skip STAGE  leave a stage out (may be repeated)
  --fail-fast   stop at the first failure
";

/// One part of the gate.
struct Stage {
    name: &'static str,
    /// What a developer runs to see this stage alone, or to mend it.
    mend: &'static str,
    run: fn(&Workspace) -> Result<(), String>,
    /// Whether the stages after it make no sense without it.
    needed: bool,
}

const STAGES: &[Stage] = &[
    Stage {
        name: "setup",
        mend: "cargo xtask doctor",
        run: |workspace| setup::ensure(workspace).map(|found| outln!("{}", found.describe())),
        needed: true,
    },
    stage("fmt", "cargo fmt --all", |workspace| {
        cargo(workspace, &["fmt", "--all", "--", "--check"])
    }),
    stage("edges", "cargo xtask edges", edges::run),
    stage("tidy", "cargo xtask tidy", tidy::run),
    stage("published", "cargo xtask published", published::run),
    stage("clippy", CLIPPY, |workspace| {
        cargo(workspace, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])
    }),
    stage("rustdoc", RUSTDOC, rustdoc),
    stage("tests", "cargo xtask test", test::run),
    stage("numerics", "cargo xtask test --numerics", test::run_numerics),
];

const CLIPPY: &str = "cargo clippy --workspace --all-targets -- -D warnings";
const RUSTDOC: &str = "RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps";

const fn stage(
    name: &'static str,
    mend: &'static str,
    run: fn(&Workspace) -> Result<(), String>,
) -> Stage {
    Stage { name, mend, run, needed: false }
}

fn cargo(workspace: &Workspace, args: &[&str]) -> Result<(), String> {
    process::run(workspace.cargo().args(args))
}

fn rustdoc(workspace: &Workspace) -> Result<(), String> {
    let mut cargo = workspace.cargo();
    process::run(cargo.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
}

/// What a stage came to.
enum Outcome {
    Passed(Duration),
    Failed(Duration, String),
    Skipped,
}

/// `cargo xtask check`.
pub(crate) fn command(workspace: &Workspace, args: &[String]) -> Result<(), String> {
    let options = parse(args)?;
    let outcomes = run(STAGES, workspace, &options);
    summarize(STAGES, &outcomes)
}

#[derive(Debug, Default, Eq, PartialEq)]
struct Options {
    skipped: Vec<String>,
    fail_fast: bool,
}

fn parse(args: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut args = Args::new("check", args);
    while let Some(arg) = args.next() {
        match arg {
            "--fail-fast" => options.fail_fast = true,
            "--skip" => {
                let name = args.value("--skip")?;
                if !STAGES.iter().any(|stage| stage.name == name) {
                    return Err(format!("`{name}` is no stage: see `cargo xtask help check`"));
                }
                options.skipped.push(name.to_owned());
            }
            other => return Err(args.unknown(other)),
        }
    }
    Ok(options)
}

fn run(stages: &[Stage], workspace: &Workspace, options: &Options) -> Vec<Outcome> {
    let mut stopped = false;
    let mut outcomes = Vec::new();
    for stage in stages {
        if stopped || options.skipped.iter().any(|name| name == stage.name) {
            outcomes.push(Outcome::Skipped);
            continue;
        }
        note(stage.name);
        let start = Instant::now();
        outcomes.push(match (stage.run)(workspace) {
            Ok(()) => Outcome::Passed(start.elapsed()),
            Err(message) => {
                errln!("{} {message}", red("failed:"));
                stopped = stage.needed || options.fail_fast;
                Outcome::Failed(start.elapsed(), message)
            }
        });
    }
    outcomes
}

/// Prints a line for each stage; an error names those that failed.
fn summarize(stages: &[Stage], outcomes: &[Outcome]) -> Result<(), String> {
    let seconds = |time: &Duration| format!("{:>7.1} s", time.as_secs_f64());
    let mut failed = Vec::new();
    let mut rows = Vec::new();
    for (stage, outcome) in stages.iter().zip(outcomes) {
        let (result, time, rest) = match outcome {
            Outcome::Passed(time) => (green("ok"), seconds(time), String::new()),
            Outcome::Skipped => ("skipped".to_owned(), String::new(), String::new()),
            Outcome::Failed(time, message) => {
                failed.push(stage.name);
                (red("FAILED"), seconds(time), format!("{message}; run `{}`", stage.mend))
            }
        };
        rows.push(vec![stage.name.to_owned(), result, time, rest]);
    }
    outln!("");
    for line in columns(&rows) {
        outln!("{line}");
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("check failed: {}", failed.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAKE: &[Stage] = &[
        stage("good", "-", |_| Ok(())),
        stage("bad", "mend it", |_| Err("broken".to_owned())),
        stage("after", "-", |_| Ok(())),
    ];

    fn names(options: &Options, stages: &[Stage]) -> Vec<&'static str> {
        let outcomes = run(stages, &Workspace::find().unwrap(), options);
        let name = |outcome: &Outcome| match outcome {
            Outcome::Passed(_) => "passed",
            Outcome::Failed(..) => "failed",
            Outcome::Skipped => "skipped",
        };
        outcomes.iter().map(name).collect()
    }

    #[test]
    fn a_failure_does_not_hide_the_next_stage() {
        assert_eq!(names(&Options::default(), FAKE), ["passed", "failed", "passed"]);
        let fast = Options { fail_fast: true, ..Options::default() };
        assert_eq!(names(&fast, FAKE), ["passed", "failed", "skipped"]);
    }

    #[test]
    fn nothing_is_built_without_what_is_needed() {
        let needed = Stage { needed: true, ..stage("bad", "-", |_| Err("broken".to_owned())) };
        let stages = [needed, stage("after", "-", |_| Ok(()))];
        assert_eq!(names(&Options::default(), &stages), ["failed", "skipped"]);
    }

    #[test]
    fn the_summary_fails_with_the_names() {
        let outcomes = run(FAKE, &Workspace::find().unwrap(), &Options::default());
        assert_eq!(summarize(FAKE, &outcomes).unwrap_err(), "check failed: bad");
    }

    #[test]
    fn only_real_stages_can_be_skipped() {
        let skip = |name: &str| parse(&["--skip".to_owned(), name.to_owned()]);
        assert_eq!(skip("tests").unwrap().skipped, ["tests"]);
        assert_eq!(skip("test").unwrap_err(), "`test` is no stage: see `cargo xtask help check`");
    }
}
