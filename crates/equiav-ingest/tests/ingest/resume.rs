//! An ingest that is killed at any point and started again gives the bytes of an undisturbed one.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use equiav_ingest::{IngestSettings, ingest};

use crate::media::{ffmpeg, files, moving, run};

/// Tells the child which folders to work on.
const FOLDERS: &str = "EQUIAV_INGEST_TEST_FOLDERS";
/// Precedes a line of the child's about its progress.
const DONE: &str = "done ";

fn settings() -> IngestSettings {
    IngestSettings {
        window: 1.0,
        stride: Some(0.5),
        frames: 3,
        files_per_shard: 2,
        workers: 2,
        ..IngestSettings::default()
    }
}

/// The program that is killed: this test, started by the other one with its folders.
#[test]
fn the_program_that_is_killed() {
    let Some(folders) = std::env::var_os(FOLDERS) else { return };
    let folders: Vec<_> = std::env::split_paths(&folders).collect();
    let mut watch = |done: usize, all: usize| {
        let told = writeln!(std::io::stdout(), "\n{DONE}{done} of {all}");
        told.expect("someone listens");
    };
    ingest(&folders[0], &folders[1], &settings(), &ffmpeg(), &mut watch).expect("an ingest");
}

/// Starts it and kills it when it has told of `files` files; whether it was still at work.
fn kill_after(files: usize, folder: &Path, out: &Path) -> bool {
    let mut command = Command::new(std::env::current_exe().expect("a program"));
    command.args(["--exact", "resume::the_program_that_is_killed", "--nocapture"]);
    command.env(FOLDERS, std::env::join_paths([folder, out]).expect("paths"));
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("a child");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let told =
        lines.map_while(Result::ok).filter(|line| line.starts_with(DONE)).take(files).count();
    child.kill().expect("SIGKILL");
    child.wait().expect("its end");
    told == files
}

#[test]
fn killed_and_started_again_it_gives_the_same_bytes() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("in");
    for number in 0..8 {
        let seconds = 1.0 + 0.4 * f64::from(number);
        moving(&folder.join(format!("{number}.mp4")), seconds, "-c:v mpeg4 -c:a aac");
    }
    let straight = home.path().join("straight");
    run(&folder, &straight, &settings());
    let out = home.path().join("killed");
    // Two workers of which one has told of its third file have finished a shard of two.
    for files in [1, 2, 5, 6] {
        assert!(kill_after(files, &folder, &out), "it was killed while at work");
        let unfinished = files_of(&out).into_iter().filter(|name| name.ends_with(".jsonl"));
        for index in unfinished.filter(|name| name != "report.jsonl") {
            let tar = fs::read(out.join(index.replace(".jsonl", ".tar"))).expect("a tar file");
            let straight = fs::read(straight.join(index.replace(".jsonl", ".tar")));
            assert_eq!(tar, straight.expect("a tar file"), "what has an index is whole");
        }
    }
    let ingested = run(&folder, &out, &settings());
    assert!(ingested.skipped > 0, "finished shards are not made again");
    assert_eq!(files(&straight), files(&out));
}

fn files_of(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect()
}
