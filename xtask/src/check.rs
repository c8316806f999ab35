//! `check`: the gate, stage by stage, with a line for each at the end.

pub(crate) mod edges;
pub(crate) mod graph;
mod markdown;
pub(crate) mod parity_notes;
mod problem;
pub(crate) mod tidy;
mod tokens;

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::args::Args;
use crate::output::{columns, errln, green, note, outln, red};
use crate::workspace::Workspace;
use crate::{process, setup, test};

pub(crate) const HELP: &str = "\
usage: cargo xtask check [--skip STAGE]... [--fail-fast]

The whole gate, in this order: setup, fmt, edges, tidy, parity-notes, clippy, rustdoc, tests,
numerics (`cargo xtask test --numerics`).
Every stage is run even after one has failed, unless nothing could be built; at the end each has
a line with its seconds and, where it failed, the command that shows it alone.

options:
  --skip STAGE  leave a stage out (may be repeated)
  --fail-fast   stop at the first failure
";

/// One part of the gate: its name, what a developer runs to see it alone or to mend it, and what runs it.
type Stage = (&'static str, &'static str, fn(&Workspace) -> Result<()>);

const STAGES: &[Stage] = &[
    (SETUP, "cargo xtask doctor", |workspace| {
        setup::ensure(workspace).map(|found| outln!("{}", found.describe()))
    }),
    ("fmt", "cargo fmt --all", |workspace| cargo(workspace, &["fmt", "--all", "--", "--check"])),
    ("edges", "cargo xtask edges", edges::run),
    ("tidy", "cargo xtask tidy", tidy::run),
    ("parity-notes", "cargo xtask parity-notes", parity_notes::run),
    ("clippy", "cargo clippy --workspace --all-targets -- -D warnings", |workspace| {
        cargo(workspace, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])
    }),
    ("rustdoc", "RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps", |workspace| {
        let mut cargo = workspace.cargo();
        cargo.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
        process::run(&mut cargo)
    }),
    ("tests", "cargo xtask test", test::run),
    ("numerics", "cargo xtask test --numerics", test::run_numerics),
];

/// The stage without which no other makes sense.
const SETUP: &str = "setup";

/// A former name of a stage that still works.
const ALIAS: (&str, &str) = ("published", "parity-notes");

fn cargo(workspace: &Workspace, args: &[&str]) -> Result<()> {
    process::run(workspace.cargo().args(args))
}

/// What a stage came to: nothing where it was skipped, else its seconds and, where it failed, why.
type Outcome = Option<(f64, Option<String>)>;

/// `cargo xtask check`.
pub(crate) fn command(workspace: &Workspace, args: &[String]) -> Result<()> {
    let options = parse(args)?;
    let outcomes = run(STAGES, workspace, &options);
    summarize(STAGES, &outcomes)
}

#[derive(Default)]
struct Options<'a> {
    skipped: Vec<&'a str>,
    fail_fast: bool,
}

fn parse(args: &[String]) -> Result<Options<'_>> {
    let mut args = Args::new("check", args);
    let mut options = Options { fail_fast: args.flag("--fail-fast"), ..Options::default() };
    while let Some(name) = args.value("--skip")? {
        let name = if name == ALIAS.0 { ALIAS.1 } else { name };
        let known = STAGES.iter().any(|(stage, ..)| *stage == name);
        ensure!(known, "`{name}` is no stage: see `cargo xtask help check`");
        options.skipped.push(name);
    }
    args.finish().map(|()| options)
}

fn run(stages: &[Stage], workspace: &Workspace, options: &Options) -> Vec<Outcome> {
    let mut stopped = false;
    let mut outcomes = Vec::new();
    for (name, _, run) in stages {
        if stopped || options.skipped.contains(name) {
            outcomes.push(None);
            continue;
        }
        note(name);
        let start = Instant::now();
        let error = run(workspace).err().map(|error| format!("{error:#}"));
        if let Some(message) = &error {
            errln!("{} {message}", red("failed:"));
            stopped = *name == SETUP || options.fail_fast;
        }
        outcomes.push(Some((start.elapsed().as_secs_f64(), error)));
    }
    outcomes
}

/// Prints a line for each stage; an error names those that failed.
fn summarize(stages: &[Stage], outcomes: &[Outcome]) -> Result<()> {
    let mut failed = Vec::new();
    let mut rows = Vec::new();
    for ((name, mend, _), outcome) in stages.iter().zip(outcomes) {
        let mut row = vec![(*name).to_owned()];
        match outcome {
            None => row.push("skipped".to_owned()),
            Some((seconds, None)) => row.extend([green("ok"), format!("{seconds:>7.1} s")]),
            Some((seconds, Some(message))) => {
                failed.push(*name);
                row.extend([red("FAILED"), format!("{seconds:>7.1} s")]);
                row.push(format!("{message}; run `{mend}`"));
            }
        }
        rows.push(row);
    }
    outln!("");
    for line in columns(&rows) {
        outln!("{line}");
    }
    ensure!(failed.is_empty(), "check failed: {}", failed.join(", "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    const FAKE: &[Stage] =
        &[("good", "-", |_| Ok(())), ("bad", "-", |_| bail!("broken")), ("after", "-", |_| Ok(()))];

    fn outcomes(stages: &[Stage], fail_fast: bool) -> Vec<&'static str> {
        let options = Options { fail_fast, skipped: Vec::new() };
        let outcomes = run(stages, &Workspace::find().unwrap(), &options);
        let name = |outcome: &Outcome| match outcome {
            None => "skipped",
            Some((_, None)) => "passed",
            Some((_, Some(_))) => "failed",
        };
        outcomes.iter().map(name).collect()
    }

    #[test]
    fn a_failure_does_not_hide_the_next_stage_but_one_of_setup_does() {
        assert_eq!(outcomes(FAKE, false), ["passed", "failed", "passed"]);
        assert_eq!(outcomes(FAKE, true), ["passed", "failed", "skipped"]);
        let needed: [Stage; 2] = [(SETUP, "-", |_| bail!("broken")), FAKE[2]];
        assert_eq!(outcomes(&needed, false), ["failed", "skipped"]);
    }

    #[test]
    fn the_summary_fails_with_the_names() {
        let outcomes = run(FAKE, &Workspace::find().unwrap(), &Options::default());
        let error = summarize(FAKE, &outcomes).unwrap_err().to_string();
        assert_eq!(error, "check failed: bad");
    }

    #[test]
    fn only_real_stages_can_be_skipped() {
        let words = ["--skip", "tests", "--skip", "published"].map(str::to_owned);
        assert_eq!(parse(&words).unwrap().skipped, ["tests", "parity-notes"]);
        let error = parse(&["--skip=test".to_owned()]).err().unwrap().to_string();
        assert_eq!(error, "`test` is no stage: see `cargo xtask help check`");
    }
}
