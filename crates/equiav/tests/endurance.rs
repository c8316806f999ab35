//! Runs that meet what runs meet: kills at any moment, full disks, each other.
//!
//! `EQUIAV_KILLS` sets how often a run is killed, `EQUIAV_SEED` when; `cargo xtask endurance` sets both.

#![allow(clippy::print_stdout, reason = "what was met is of interest")]

#[path = "support/program.rs"]
mod program;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use program::{assert_same, below, command, corpus, fails, pretrain, records, setting, succeeds};

/// Ways to end a process.
const SIGNALS: [&str; 4] = ["KILL", "KILL", "TERM", "USR1"];
/// The exit code of a run that was asked to stop and has saved.
const STOPPED: i32 = 75;

fn spawn(folder: &Path, arguments: &[&str]) -> Child {
    let mut command = command(folder, arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
}

fn send(signal: &str, child: &Child) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args([&format!("-{signal}"), &pid]).status();
    assert!(sent.expect("there is a `kill`").success(), "{signal} reaches {pid}");
}

/// A run in which much of the time goes into saving.
fn restless(workers: &str) -> Vec<&str> {
    pretrain(&["run.epochs=6", "run.save_every=1", "evaluation.every=2", workers])
}

#[test]
fn a_run_that_is_killed_at_random_moments_ends_as_the_undisturbed_one() {
    let folder = tempfile::tempdir().expect("a folder");
    corpus(folder.path());
    let (run, undisturbed) = (folder.path().join("run"), folder.path().join("undisturbed"));
    let started = Instant::now();
    succeeds(folder.path(), &restless("data.workers=1"));
    let whole = started.elapsed().as_millis() as u64;
    fs::rename(&run, &undisturbed).expect("the run is over");

    let (kills, seed) = (setting("EQUIAV_KILLS", 6), setting("EQUIAV_SEED", 1));
    for workers in ["data.workers=1", "data.workers=3"] {
        let mut state = seed;
        let (mut stopped, mut finished) = (0, 0);
        for kill in 0..kills {
            let mut child = spawn(folder.path(), &restless(workers));
            std::thread::sleep(Duration::from_millis(below(whole, &mut state)));
            if child.try_wait().expect("a child").is_none() {
                send(SIGNALS[kill as usize % SIGNALS.len()], &child);
            }
            match child.wait().expect("over").code() {
                Some(STOPPED) => stopped += 1,
                // It had come to its end: begin anew, so that every kill meets a run.
                Some(0) => {
                    finished += 1;
                    assert_same(&run, &undisturbed);
                    fs::remove_dir_all(&run).expect("the run is over");
                }
                Some(code) => panic!("exit code {code} after kill {kill} (seed {seed})"),
                None => {}
            }
        }
        println!("{workers}: {kills} moments, {stopped} stops, {finished} after the end of a run");
        succeeds(folder.path(), &restless(workers));
        assert_same(&run, &undisturbed);
        fs::remove_dir_all(&run).expect("the run is over");
    }
}

/// Waits until `run` has made some steps beyond its first `before` records.
fn await_steps(run: &Path, before: usize) {
    let begun = Instant::now();
    while records(run) < before + 3 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the run makes no steps");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn every_signal_finishes_the_step_and_saves() {
    let folder = tempfile::tempdir().expect("a folder");
    corpus(folder.path());
    let arguments = pretrain(&["run.epochs=400", "evaluation.every=400"]);
    let run = folder.path().join("run");
    for signal in ["TERM", "INT", "USR1"] {
        let before = records(&run);
        let mut child = spawn(folder.path(), &arguments);
        await_steps(&run, before);
        send(signal, &child);
        assert_eq!(child.wait().expect("over").code(), Some(STOPPED), "{signal}");
        let saved = fs::read_dir(run.join("checkpoints")).expect("checkpoints");
        let steps = saved.flatten().filter_map(|entry| {
            entry.file_name().to_string_lossy().strip_prefix("step-")?.parse::<usize>().ok()
        });
        assert_eq!(steps.max(), Some(records(&run)), "the step under way was finished");
    }
}

#[test]
fn a_folder_serves_one_run_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    corpus(folder.path());
    let arguments = pretrain(&["run.epochs=400", "evaluation.every=400"]);
    let mut first = spawn(folder.path(), &arguments);
    await_steps(&folder.path().join("run"), 0);
    let message = fails(folder.path(), &arguments);
    assert!(message.contains("run is in use by another run: wait for it"), "{message}");
    send("KILL", &first);
    first.wait().expect("over");
}

/// Runs `script` by the shell in a name space of its own, in which `folder/small` is a file system made
/// with `options`; nothing where the system does not allow that.
fn on_a_file_system(folder: &Path, options: &str, script: &str) -> Option<Output> {
    let mount = format!("mkdir -p small && mount -t tmpfs -o {options} none small || exit 99");
    let whole = format!("{mount}\n{script}");
    let tries = [&["--mount"][..], &["--user", "--map-root-user", "--mount"]];
    let output = tries.into_iter().find_map(|flags| {
        let mut command = Command::new("unshare");
        let output = command.args(flags).args(["sh", "-c", &whole]).current_dir(folder).output();
        // What ends before the program has said anything was not allowed to begin.
        output.ok().filter(|output| !output.stdout.is_empty())
    });
    if output.is_none() {
        println!("not run: this system gives no file system of our own");
    }
    output
}

/// `equiav ARGUMENTS` for a shell, with the run in `small`.
fn shell_call(arguments: &[&str]) -> String {
    let quoted = arguments.iter().map(|word| match *word {
        "run" => "small/run".to_owned(),
        word => format!("'{word}'"),
    });
    let words: Vec<String> = quoted.collect();
    format!("{} {}", env!("CARGO_BIN_EXE_equiav"), words.join(" "))
}

/// The error that a script's program has ended with.
fn error_line(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = errors.lines().find(|line| line.starts_with("error: "));
    line.map_or_else(|| panic!("no error: {errors}"), str::to_owned)
}

#[test]
fn a_full_disk_leaves_the_earlier_checkpoints_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    corpus(folder.path());
    let arguments = pretrain(&["run.epochs=6", "evaluation.every=6", "run.save_every=1"]);
    succeeds(folder.path(), &arguments);
    let call = shell_call(&arguments);
    // Room for the first checkpoints, then none; what is in the way goes, and the run goes on.
    let script = format!(
        "{call} & while [ ! -d small/run/checkpoints/step-000000001 ]; do sleep 0.02; done\n\
         dd if=/dev/zero of=small/ballast bs=256k 2>/dev/null\n\
         wait $!; echo code $?\n\
         rm small/ballast; {call} && cp -r small/run small-run"
    );
    let Some(output) = on_a_file_system(folder.path(), "size=64m", &script) else { return };
    let line = error_line(&output);
    assert!(line.contains("No space left on device") && line.contains("small/run"), "{line}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("code 1\n"));
    assert!(output.status.success(), "the run goes on when there is room");
    assert_same(&folder.path().join("small-run"), &folder.path().join("run"));
}

#[test]
fn a_full_disk_for_the_logs_ends_a_run_that_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().expect("a folder");
    corpus(folder.path());
    let arguments = pretrain(&["run.epochs=40", "evaluation.every=20"]);
    succeeds(folder.path(), &arguments);
    let call = shell_call(&arguments);
    // Only the logs are where the room ends; either of them may meet it first.
    let script = format!(
        "mkdir -p elsewhere small/run && ln -s ../../elsewhere small/run/checkpoints\n\
         {call}; echo code $?; ls elsewhere\n\
         mount -o remount,size=64m small && {call} && cp -rL small/run small-run"
    );
    let Some(output) = on_a_file_system(folder.path(), "size=48k", &script) else { return };
    let line = error_line(&output);
    let named = ["small/run/metrics.jsonl", "small/run/events.out"];
    assert!(named.iter().any(|name| line.contains(name)), "{line}");
    assert!(line.contains("No space left on device"), "{line}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("code 1\nstep-"), "checkpoints are there: {said}");
    assert!(said.contains("going on after step "), "{said}");
    assert!(output.status.success(), "the run goes on when there is room: {output:?}");
    assert_same(&folder.path().join("small-run"), &folder.path().join("run"));
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    corpus(folder.path());
    let script = format!("echo begun; {}", shell_call(&pretrain(&[])));
    let Some(output) = on_a_file_system(folder.path(), "ro", &script) else { return };
    let line = error_line(&output);
    assert!(line.contains("making the run folder small/run: Read-only file system"), "{line}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn memory_that_runs_out_names_the_settings_that_help() {
    let folder = tempfile::tempdir().expect("a folder");
    corpus(folder.path());
    // Few weights and many activations: they alone would take 10 GB.
    let large = [
        "run.batch=24",
        "front_end.frames=1024",
        "front_end.image=192",
        "model.encoder.width=128",
        "model.encoder.depth=64",
    ];
    let script = format!("ulimit -v 3500000; {}", shell_call(&pretrain(&large)));
    let output = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output();
    let output = output.expect("a shell");
    if !String::from_utf8_lossy(&output.stdout).contains("training clips") {
        println!("not run: libtorch alone needs more address space here");
        return;
    }
    let line = error_line(&output);
    assert!(line.contains("does not fit into memory"), "{line}");
    assert!(line.contains("--set run.micro_batch=12, which gives the same gradient"), "{line}");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"), "{output:?}");
}
