//! The program under test, called as a user calls it, and a run of it that takes seconds.
#![allow(dead_code, reason = "each test program uses its part")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

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

/// The number that the environment gives under `name`.
pub(crate) fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Numbers below `bound`, the same for the same state.
pub(crate) fn below(bound: u64, state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % bound
}

/// The files of the newest checkpoint, and the metrics without what depends on the clock.
pub(crate) fn result(run: &Path) -> (BTreeMap<String, Vec<u8>>, Vec<Value>) {
    let entries = fs::read_dir(run.join("checkpoints")).expect("checkpoints").flatten();
    let newest = entries.map(|entry| entry.path()).max().expect("a checkpoint");
    let files = fs::read_dir(newest).expect("a checkpoint").flatten();
    let read = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, fs::read(entry.path()).expect("a file"))
    };
    let timeless = |line: &str| {
        let mut record: Value = serde_json::from_str(line).expect("one object a line");
        let clock = ["time", "per_second", "memory"];
        let keep = |key: &String, _: &mut Value| !clock.iter().any(|part| key.contains(part));
        record.as_object_mut().expect("an object").retain(keep);
        record
    };
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).expect("metrics");
    (files.map(read).collect(), metrics.lines().map(timeless).collect())
}

pub(crate) fn assert_same(ours: &Path, theirs: &Path) {
    let ((files, metrics), (others, other_metrics)) = (result(ours), result(theirs));
    assert_eq!(files.keys().collect::<Vec<_>>(), others.keys().collect::<Vec<_>>());
    for (name, bytes) in &files {
        assert!(*bytes == others[name], "{name} differs");
    }
    assert_eq!(metrics.len(), other_metrics.len());
    metrics.iter().zip(&other_metrics).for_each(|(a, b)| assert_eq!(a, b));
}

/// How many records the log of `run` holds.
pub(crate) fn records(run: &Path) -> usize {
    fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default().lines().count()
}
