//! `check`: the gate, stage by stage, with a line for each at the end.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::args::Args;
use crate::output::{columns, errln, green, note, outln, red};
use crate::workspace::Workspace;
use crate::{process, setup, test};

pub(crate) const HELP: &str = "\
usage: cargo xtask check [--skip STAGE]... [--fail-fast]

The whole gate, in this order: setup, fmt, edges, tidy, parity-notes, recipe-keys, clippy,
rustdoc, tests, numerics (`cargo xtask test --numerics`).
Every stage is run even after one has failed, unless nothing could be built; at the end each has
a line with its seconds and, where it failed, the command that shows it alone.

options:
  --skip STAGE  leave a stage out (may be repeated)
  --fail-fast   stop at the first failure
";

pub(crate) const EDGES: &str = "\
usage: cargo xtask edges

Fails unless the table `| crate | holds | depends on |` of docs/architecture.md names exactly the
crates of the workspace and exactly the edges between them (normal, build and development), and
unless the crates that promise to do without libtorch cannot reach it through any dependency.
";

pub(crate) const TIDY: &str = "\
usage: cargo xtask tidy

Reads every file that git tracks or would track, and fails where one breaks a rule:
  - a Rust file opens with `//!` and has at most 300 lines without its tests
  - at most 12 modules on one level of a `src` folder; `a.rs` and the folder `a` are one
  - no note of work left undone, no ignored test, no module named utils, common or helpers
  - unsafe code in equiav-torch only
  - no public type has the name of another one in any crate of crates/
  - American spelling in identifiers
  - no path of one machine, no host of a package index
  - no white space at a line's end, a line's end at the file's
  - every relative link in Markdown leads somewhere
  - fixtures at most 15 MB, any other file at most 5 MB
What is excepted stands in checks/src/tidy/exceptions.rs, and fails once it is no longer needed.
";

pub(crate) const PARITY_NOTES: &str = "\
usage: cargo xtask parity-notes [--write]

Every place in crates/ where we follow or leave the published implementation on purpose carries a
comment `// PUBLISHED: key`, and docs/published.md one row `| key | published | here | where |` for
each key. Fails unless both agree and the last column links to exactly the files that carry the key.

options:
  --write  fills the last column from the comments
";

pub(crate) const RECIPE_KEYS: &str = "\
usage: cargo xtask recipe-keys [--write]

Fails unless docs/recipes.md is what the doc comments of the recipes' settings say: every key with
its type, its meaning and the file where it acts.

options:
  --write  writes the page
";

/// One part of the gate: its name, what a developer runs to see it alone or to mend it, and what runs it.
type Stage = (&'static str, &'static str, fn(&Workspace) -> Result<()>);

const STAGES: &[Stage] = &[
    (SETUP, "cargo xtask doctor", |workspace| {
        setup::ensure(workspace).map(|found| outln!("{}", found.describe()))
    }),
    ("fmt", "cargo fmt --all", |workspace| cargo(workspace, &["fmt", "--all", "--", "--check"])),
    ("edges", "cargo xtask edges", |workspace| edges(workspace, &[])),
    ("tidy", "cargo xtask tidy", |workspace| tidy(workspace, &[])),
    ("parity-notes", "cargo xtask parity-notes", |workspace| parity_notes(workspace, &[])),
    ("recipe-keys", "cargo xtask recipe-keys --write", |workspace| recipe_keys(workspace, &[])),
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

/// `cargo xtask edges`.
pub(crate) fn edges(workspace: &Workspace, args: &[String]) -> Result<()> {
    rules(workspace, "edges", args)
}

/// `cargo xtask tidy`.
pub(crate) fn tidy(workspace: &Workspace, args: &[String]) -> Result<()> {
    rules(workspace, "tidy", args)
}

/// `cargo xtask parity-notes`.
pub(crate) fn parity_notes(workspace: &Workspace, args: &[String]) -> Result<()> {
    rules(workspace, "parity-notes", args)
}

/// `cargo xtask recipe-keys`.
pub(crate) fn recipe_keys(workspace: &Workspace, args: &[String]) -> Result<()> {
    rules(workspace, "recipe-keys", args)
}

/// The program of `checks/`; cargo builds it if need be.
fn rules(workspace: &Workspace, command: &str, args: &[String]) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["run", "--quiet", "--package", "equiav-checks", "--", command]).args(args);
    process::run(&mut cargo)
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
