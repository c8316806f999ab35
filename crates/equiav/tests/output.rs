//! Output that nobody reads, or that finds no room: no command panics, and a training run goes on.

#[path = "support/program.rs"]
mod program;

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use program::{assert_same, command, corpus, pretrain, succeeds};

/// The exit code of a command whose reader has gone, as of one that SIGPIPE has ended.
const CLOSED: i32 = 141;

/// A stream on which there is never room.
fn full() -> Stdio {
    File::options().write(true).open("/dev/full").expect("a device that is full").into()
}

/// `equiav ARGUMENTS` in `folder` with a standard output that nobody reads; its exit code and errors.
fn unread(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    told(&command(folder, arguments).stdout(writer).output().expect("over"))
}

/// The same with a standard output that is full.
fn on_full(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    told(&command(folder, arguments).stdout(full()).output().expect("over"))
}

fn told(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// `equiav ARGUMENTS` as a word for a shell.
fn words(arguments: &[&str]) -> String {
    let quoted: Vec<String> = arguments.iter().map(|word| format!("'{word}'")).collect();
    format!("{} {}", env!("CARGO_BIN_EXE_equiav"), quoted.join(" "))
}

#[test]
fn what_is_printed_meets_closed_and_full_streams() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    corpus(folder);
    succeeds(folder, &["data", "pack", "corpus/train.json", "--out", "shards"]);
    let run = folder.join("runs/mine");
    fs::create_dir_all(&run).expect("a folder");
    fs::write(run.join("recipe.toml"), "name = \"quick\"\n[run]\nepochs = 2\n").expect("a recipe");
    let small = ["--set", "front_end.frames=96", "--set", "front_end.image=48"];
    let stats = [&["data", "stats", "corpus/valid.json"][..], &small].concat();
    let short = ["--seconds", "0.1", "--workers", "1", "--batch", "4"];
    let bench = [&["data", "bench", "corpus/valid.json"][..], &small, &short].concat();
    let printing: [&[&str]; 9] = [
        &["doctor"],
        &["--help"],
        &["--version"],
        &["help", "pretrain"],
        &["runs"],
        &["runs", "--json", "--csv", "all.csv"],
        &["data", "verify", "shards"],
        &stats,
        &bench,
    ];
    for arguments in printing {
        assert_eq!(unread(folder, arguments), (Some(CLOSED), String::new()), "{arguments:?}");
        let (code, errors) = on_full(folder, arguments);
        let expected = "error: standard output: No space left on device (os error 28)\n";
        assert_eq!((code, errors.as_str()), (Some(1), expected), "{arguments:?}");
        let line = format!("{} >&- 2>&-", words(arguments));
        let status = Command::new("sh").args(["-c", &line]).current_dir(folder).status();
        assert!(status.expect("a shell").success(), "{arguments:?} with nothing to write to");
    }
    let all = fs::read_to_string(folder.join("all.csv")).expect("a table");
    assert!(all.starts_with("run,"), "files are written where nobody reads: {all}");
}

#[test]
fn files_are_made_and_errors_counted_where_nothing_can_be_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let synth = |out| ["data", "synth", "--out", out, "--instances", "2", "--held-out", "2"];
    assert_eq!(unread(folder, &synth("one")), (Some(0), String::new()));
    let (code, errors) = on_full(folder, &synth("two"));
    assert_eq!(code, Some(0), "{errors}");
    let expected = "warning: standard output: No space left on device (os error 28): this goes on without it\n";
    assert_eq!(errors, expected, "told once");
    for out in ["one", "two"] {
        assert!(folder.join(out).join("valid.json").is_file());
    }
    // What is wrong decides how it ends, whether that can be told or not.
    for (arguments, code) in [(&["retrieve", "nowhere"][..], 1), (&["nonsense"][..], 2)] {
        let status = command(folder, arguments).stderr(full()).status().expect("over");
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn a_run_goes_on_when_its_progress_cannot_be_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    corpus(folder);
    let arguments = pretrain(&["run.epochs=3", "evaluation.every=1"]);
    succeeds(folder, &arguments);
    let undisturbed = folder.join("undisturbed");
    fs::rename(folder.join("run"), &undisturbed).expect("the run is over");
    let again = |what: &str, end: Option<i32>| {
        assert_eq!(end, Some(0), "{what}");
        assert_same(&folder.join("run"), &undisturbed);
        fs::remove_dir_all(folder.join("run")).expect("the run is over");
    };
    let (code, errors) = unread(folder, &arguments);
    assert_eq!(errors, "");
    again("nobody reads", code);
    let (code, errors) = on_full(folder, &arguments);
    // A slow machine tells the steps of a minute as well.
    let told = errors.lines().filter(|line| !line.starts_with("epoch "));
    let told: Vec<&str> = told.collect();
    assert!(told.len() == 1 && told[0].starts_with("warning: standard output: "), "{errors}");
    again("a full standard output", code);
    let both = command(folder, &arguments).stdout(full()).stderr(full()).status().expect("over");
    again("both full", both.code());
    for redirections in [">&-", "2>&-", ">&- 2>&-", "2>/dev/full | head -1", "2>&1 | head -1"] {
        let line = format!("{} {redirections}", words(&arguments));
        let script = format!("set -o pipefail; {line}");
        let mut shell = Command::new("bash");
        shell.args(["-c", &script]).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
        again(redirections, shell.status().expect("a shell").code());
    }
}
