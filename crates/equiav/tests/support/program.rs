//! The program under test, called as a user calls it, and a run of it that takes seconds.
#![allow(dead_code, reason = "each test program uses its part")]

use std::path::Path;
use std::process::{Command, Output};

/// `equiav ARGUMENTS`, in `folder`.
pub(crate) fn equiav(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("the program starts")
}

pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_equiav"));
    command.args(arguments).current_dir(folder);
    command
}

/// What a run that must succeed printed.
pub(crate) fn succeeds(folder: &Path, arguments: &[&str]) -> String {
    let output = equiav(folder, arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout) + &text(&output.stderr)
}

/// The one-line error of a run that must fail.
pub(crate) fn fails(folder: &Path, arguments: &[&str]) -> String {
    let output = equiav(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
    let line = errors.lines().last().unwrap_or_default().to_owned();
    assert!(line.starts_with("error: "), "{errors}");
    line
}

/// A small corpus in `folder/corpus`.
pub(crate) fn corpus(folder: &Path) {
    let sizes = ["--instances", "24", "--held-out", "8", "--classes", "4"];
    succeeds(folder, &[&["data", "synth", "--out", "corpus"][..], &sizes].concat());
}

/// `pretrain` on that corpus with a network that trains in seconds, and `changes`.
pub(crate) fn pretrain<'a>(changes: &[&'a str]) -> Vec<&'a str> {
    let source = "data.source={ kind = \"manifest\", train = \"corpus/train.json\", \
                  evaluate = { held-out = \"corpus/valid.json\" } }";
    let small = [
        source,
        "front_end.frames=96",
        "front_end.image=48",
        "model.encoder.width=32",
        "model.encoder.depth=1",
        "model.encoder.heads=2",
        "objective.centroid=2",
        "run.batch=8",
        "run.epochs=4",
        "evaluation.every=4",
        "compute.matmul_precision=highest",
        "compute.threads=1",
    ];
    let mut arguments = vec!["pretrain", "quick", "--out", "run"];
    for change in small.iter().chain(changes) {
        arguments.extend(["--set", change]);
    }
    arguments
}
