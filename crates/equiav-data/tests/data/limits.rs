//! Under a low limit on open files everything is read, or the machine is named and never a clip.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use equiav_augment::Profile;
use equiav_data::shard::{Member, ShardWriter, shard_name};
use equiav_data::{Clips, DataError, statistics};
use serde_json::json;

use crate::corpus::Corpus;

/// Tells the child where the shards are, and how many files it is to leave itself.
const SHARDS: &str = "EQUIAV_DATA_TEST_SHARDS";
const LEFT: &str = "EQUIAV_DATA_TEST_LEFT";
/// More shards than files that may be open.
const COUNT: usize = 100;

/// Shards of one clip each.
fn shards(folder: &Path) {
    let corpus = Corpus::new(COUNT);
    for clip in 0..COUNT {
        let sound = fs::read(corpus.sound(clip)).unwrap();
        let picture = fs::read(corpus.folder.path().join(format!("frames/frame_0/c{clip}.jpg")));
        let picture = picture.unwrap();
        let mut shard = ShardWriter::create(folder, &shard_name(clip)).unwrap();
        let members = [("wav", &sound), ("0.jpg", &picture)];
        let members = members.map(|(suffix, bytes)| Member { suffix, bytes });
        shard.write(&format!("c{clip}"), &members).unwrap();
        shard.finish(&json!({})).unwrap();
    }
}

/// The program that may open few files: this test, started by the other one.
#[test]
#[allow(clippy::print_stdout, reason = "what came of it goes to the other one")]
fn the_program_with_few_files() {
    let Some(folder) = std::env::var_os(SHARDS).map(PathBuf::from) else { return };
    let clips = Clips::open(folder.to_str().unwrap()).unwrap();
    let front_end = Corpus::new(1).config(Profile::Corrected, 0).front_end;
    // Others of the program have files open too.
    let mut held: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    let left: usize = std::env::var(LEFT).unwrap().parse().unwrap();
    held.truncate(held.len() - left);
    let found = statistics(&clips, &front_end);
    drop(held);
    match found {
        Ok(found) => println!("\nmeasured {}, skipped {}", found.clips, found.skipped.len()),
        Err(error @ DataError::Machine(_)) => println!("\nof the machine: {error}"),
        Err(error) => println!("\nof a clip: {error}"),
    }
}

#[test]
fn few_open_files_are_enough_or_are_named() {
    let folder = tempfile::tempdir().unwrap();
    shards(folder.path());
    let said = |left: usize| {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "ulimit -n 64; exec \"$0\" --exact limits::the_program_with_few_files --nocapture",
        ]);
        command.arg(std::env::current_exe().unwrap());
        command.env(SHARDS, folder.path()).env(LEFT, left.to_string());
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line =
            text.lines().find(|line| line.starts_with("measured") || line.starts_with("of "));
        line.map(str::to_owned)
            .unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
    };
    // Fewer than the reader would keep open for itself.
    for left in [40, 8] {
        assert_eq!(said(left), format!("measured {COUNT}, skipped 0"), "{left} files left");
    }
    let none = said(0);
    assert!(
        none.starts_with("of the machine: clip `") && none.contains("Too many open files"),
        "{none}"
    );
}
