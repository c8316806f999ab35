//! A run of two processes under torchrun, of which one is killed again and again.
//!
//! It needs a torchrun, which `cargo xtask endurance --torchrun` finds; without `EQUIAV_TORCHRUN`, its
//! path, there is nothing to test. `EQUIAV_KILLS` sets how often a process is killed, `EQUIAV_SEED` when.

#![allow(clippy::print_stdout, reason = "what was met is of interest")]

#[path = "support/program.rs"]
mod program;

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use program::{assert_same, below, corpus, pretrain, records, setting};

/// Steps of the whole run.
const STEPS: u64 = 180;

/// torchrun with two processes of a run that saves at every step.
fn torchrun(folder: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command.args(["--nproc-per-node", "2", "--max-restarts", "100", "--no-python"]);
    command.arg(env!("CARGO_BIN_EXE_equiav"));
    command.args(pretrain(&["run.epochs=60", "run.save_every=1", "evaluation.every=20"]));
    command.current_dir(folder);
    command
}

/// The processes that `parent` has started, as Linux lists them.
fn children(parent: &Child) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("Linux").flatten();
    let number = |entry: fs::DirEntry| entry.file_name().to_string_lossy().parse::<u32>().ok();
    let is_child = |process: &u32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // `number (name) state parent ...`, where the name may hold anything.
        let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
        behind.split_whitespace().nth(1) == Some(&parent.id().to_string())
            && fs::read_link(format!("/proc/{process}/exe"))
                .is_ok_and(|exe| exe == Path::new(env!("CARGO_BIN_EXE_equiav")))
    };
    entries.filter_map(number).filter(is_child).collect()
}

#[test]
fn a_process_killed_under_torchrun_comes_back_and_changes_nothing() {
    let Ok(program) = std::env::var("EQUIAV_TORCHRUN") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    corpus(folder.path());
    let (run, undisturbed) = (folder.path().join("run"), folder.path().join("undisturbed"));
    let status = torchrun(folder.path(), &program).status().expect("torchrun");
    assert!(status.success(), "{status}");
    fs::rename(&run, &undisturbed).expect("the run is over");

    let (kills, mut state) = (setting("EQUIAV_KILLS", 10), setting("EQUIAV_SEED", 1));
    let mut child = torchrun(folder.path(), &program).spawn().expect("torchrun");
    let mut killed = 0;
    let mut moments: Vec<u64> = (0..kills).map(|_| below(STEPS - 1, &mut state)).collect();
    moments.sort_unstable();
    for moment in moments {
        // The first steps' moments may lie in the same step, and a kill before it has begun again.
        while (records(&run) as u64) < moment || children(&child).len() < 2 {
            assert!(child.try_wait().expect("torchrun").is_none(), "over after {killed} kills");
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(below(60, &mut state)));
        let victim = children(&child)[below(2, &mut state) as usize].to_string();
        let sent = Command::new("kill").args(["-KILL", &victim]).status();
        assert!(sent.expect("there is a `kill`").success(), "{victim} is gone already");
        killed += 1;
        // Until torchrun has noticed, the others are still there.
        while children(&child).iter().any(|other| other.to_string() == victim) {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(1_500));
    }
    let status = child.wait().expect("torchrun");
    assert!(status.success(), "{status}");
    assert_same(&run, &undisturbed);
    println!("{killed} processes killed, the run is the undisturbed one's to the byte");
}
