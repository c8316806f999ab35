//! The machine fails in the middle: the ingest ends with its words, nothing is counted as done that is not,
//! and what was done before is whole.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use equiav_data::ffmpeg::Ffmpeg;
use equiav_ingest::{IngestError, IngestSettings, Ingested, Reason, ingest};

use crate::media::{ffmpeg, files, moving, report, run};
use crate::skipped::skipped;

/// Tells the child which folders to work on.
const FOLDERS: &str = "EQUIAV_INGEST_TEST_MACHINE";

fn settings() -> IngestSettings {
    IngestSettings {
        window: 1.0,
        frames: 3,
        files_per_shard: 1,
        workers: 1,
        ..IngestSettings::default()
    }
}

/// `count` videos of a second or two.
fn videos(folder: &Path, count: usize) {
    for number in 0..count {
        let seconds = 1.0 + 0.1 * number as f64;
        moving(&folder.join(format!("{number:02}.mp4")), seconds, "-c:v mpeg4 -c:a aac");
    }
}

/// An FFmpeg that does `script` before it works.
fn through(folder: &Path, script: &str) -> Ffmpeg {
    let Ffmpeg { program, version } = ffmpeg();
    let own = folder.join("ffmpeg");
    let text = format!("#!/bin/sh\n{script}\nexec '{}' \"$@\"\n", program.display());
    fs::write(&own, text).expect("a program");
    fs::set_permissions(&own, Permissions::from_mode(0o755)).expect("a program");
    Ffmpeg { program: own, version }
}

/// Lies beside the shards once [`disturbed`] has done what it does.
const GO: &str = "go";

/// An FFmpeg in `folder` that touches no file but the first before that.
fn waiting(folder: &Path) -> Ffmpeg {
    let go = folder.join(GO);
    fs::remove_file(&go).unwrap_or_default();
    let until = format!("until [ -e '{}' ]; do sleep 0.01; done", go.display());
    through(folder, &format!("case \"$*\" in */00.mp4*) ;; *) {until};; esac"))
}

/// Ingests and calls `after` when the first file is done.
fn disturbed(
    folder: &Path,
    out: &Path,
    ffmpeg: &Ffmpeg,
    after: &dyn Fn(),
) -> Result<Ingested, IngestError> {
    let mut watch = |done: usize, _: usize| {
        if done == 1 {
            after();
            fs::write(out.with_file_name(GO), "").expect("a file");
        }
    };
    ingest(folder, out, &settings(), ffmpeg, &mut watch)
}

/// The finished shards of a folder are among those of `straight`, to the byte, and some are missing.
fn check_unfinished(out: &Path, straight: &Path) {
    let (made, whole) = (files(out), files(straight));
    let shards: Vec<&String> = made.keys().filter(|name| name.starts_with("clips-")).collect();
    assert!(shards.len() < whole.keys().filter(|name| name.starts_with("clips-")).count());
    for name in shards {
        assert_eq!(made[name], whole[name], "{name}");
    }
    assert!(!made.keys().any(|name| name.contains("partial")), "nothing half is left");
}

#[test]
fn a_program_that_goes_or_is_killed_ends_it_and_costs_no_file() {
    let home = tempfile::tempdir().expect("a folder");
    let (folder, straight) = (home.path().join("in"), home.path().join("straight"));
    videos(&folder, 4);
    run(&folder, &straight, &settings());

    let out = home.path().join("deleted");
    let program = waiting(home.path());
    let delete = || fs::remove_file(&program.program).unwrap_or_default();
    let error = disturbed(&folder, &out, &program, &delete).expect_err("it is gone").to_string();
    assert!(error.contains("cannot be started") && error.contains("of the machine"), "{error}");
    check_unfinished(&out, &straight);
    run(&folder, &out, &settings());
    assert_eq!(files(&out), files(&straight), "it goes on where it was");

    let out = home.path().join("killed");
    let program = through(home.path(), "case \"$*\" in *02.mp4*) kill -9 $$;; esac");
    let error = disturbed(&folder, &out, &program, &|| {}).expect_err("killed").to_string();
    assert!(error.starts_with("`02.mp4`: FFmpeg was killed by signal 9"), "{error}");
    check_unfinished(&out, &straight);
    run(&folder, &out, &settings());
    assert_eq!(files(&out), files(&straight));
}

#[test]
fn a_folder_that_goes_ends_it() {
    let home = tempfile::tempdir().expect("a folder");
    let (folder, straight) = (home.path().join("in"), home.path().join("straight"));
    videos(&folder, 4);
    run(&folder, &straight, &settings());
    let (out, away) = (home.path().join("out"), home.path().join("away"));
    let vanish = || fs::rename(&folder, &away).expect("renamed");
    let program = waiting(home.path());
    let error = disturbed(&folder, &out, &program, &vanish).expect_err("it is gone").to_string();
    assert!(error.contains("/in: No such file or directory"), "{error}");
    check_unfinished(&out, &straight);
    fs::rename(&away, &folder).expect("back again");
    let out = home.path().join("empty");
    let unmount = || {
        fs::rename(&folder, &away).expect("renamed");
        fs::create_dir(&folder).expect("an empty folder");
    };
    let program = waiting(home.path());
    let error = disturbed(&folder, &out, &program, &unmount).expect_err("it is gone").to_string();
    assert!(error.contains("/in: it is empty now: mount its disk again"), "{error}");
}

#[test]
fn a_file_is_tried_again_for_its_reason_and_leaves_no_empty_shard() {
    let home = tempfile::tempdir().expect("a folder");
    let (folder, straight) = (home.path().join("in"), home.path().join("straight"));
    videos(&folder, 3);
    run(&folder, &straight, &settings());
    let out = home.path().join("out");
    let ill =
        "case \"$*\" in *01.mp4*) echo '[mov @ 0x1] moov atom not found' >&2; exit 183;; esac";
    let made = ingest(&folder, &out, &settings(), &through(home.path(), ill), &mut |_, _| {});
    let made = made.expect("an ingest");
    assert_eq!(
        (made.summary.used, report(&made)[1]["findings"][0]["reason"].as_str()),
        (2, Some("undecodable"))
    );
    assert!(!out.join("clips-000001.tar").exists(), "no shard without a clip");

    let skipped = |retry: Vec<Reason>| {
        let settings = IngestSettings { retry, time_limit: 90.0, ..settings() };
        ingest(&folder, &out, &settings, &ffmpeg(), &mut |_, _| {}).expect("an ingest").skipped
    };
    assert_eq!(skipped(Vec::new()), 3, "all is done");
    assert_eq!(skipped(vec![Reason::TimeLimit]), 3, "for another reason");
    assert_eq!(skipped(vec![Reason::Undecodable]), 2);
    assert_eq!(files(&out), files(&straight));
}

/// The program that works on a narrow machine: this test, started by others with its folders.
#[test]
#[allow(clippy::print_stdout, reason = "what came of it goes to the others")]
fn the_program_on_a_narrow_machine() {
    let Some(folders) = std::env::var_os(FOLDERS) else { return };
    let folders: Vec<PathBuf> = std::env::split_paths(&folders).collect();
    let settings = IngestSettings { workers: 16, ..settings() };
    match ingest(&folders[0], &folders[1], &settings, &ffmpeg(), &mut |_, _| {}) {
        Ok(made) => println!("\nmade {} clips", made.summary.clips),
        Err(error) => println!("\nfailed: {error}"),
    }
}

/// `script` by the shell, with `$0` as the program above.
fn shell(script: &str, folder: &Path, out: &Path, unshare: &[&str]) -> Option<Output> {
    let (first, rest) = unshare.split_first().unwrap_or((&"env", &[]));
    let mut command = Command::new(first);
    command.args(rest).args(["sh", "-c", script]).arg(std::env::current_exe().expect("a program"));
    command.env(FOLDERS, std::env::join_paths([folder, out]).expect("paths"));
    command.output().ok()
}

#[test]
fn few_open_files_slow_it_down_and_lose_nothing() {
    let home = tempfile::tempdir().expect("a folder");
    let (folder, straight) = (home.path().join("in"), home.path().join("straight"));
    videos(&folder, 12);
    run(&folder, &straight, &settings());
    let (out, name) = (home.path().join("out"), "machine::the_program_on_a_narrow_machine");
    let script = format!("ulimit -n 64; exec \"$0\" --exact {name} --nocapture");
    let output = shell(&script, &folder, &out, &[]).expect("a shell");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("made "), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(files(&out), files(&straight));
}

#[test]
fn a_full_disk_ends_it_and_leaves_whole_shards() {
    let home = tempfile::tempdir().expect("a folder");
    let (folder, straight) = (home.path().join("in"), home.path().join("straight"));
    videos(&folder, 6);
    run(&folder, &straight, &settings());
    let sizes = files(&straight).into_iter().filter(|(name, _)| name.ends_with(".tar"));
    let whole: usize = sizes.map(|(_, bytes)| bytes.len()).sum();
    let small = home.path().join("small");
    fs::create_dir(&small).expect("a folder");
    // Room for half of it, and then for all.
    let program = "\"$0\" --exact machine::the_program_on_a_narrow_machine --nocapture";
    let script = format!(
        "mount -t tmpfs -o size={} none '{small}' || exit 99; echo begun\n\
         {program}; ls '{small}/out'; echo more room\n\
         mount -o remount,size={} '{small}'; {program}; cp -r '{small}/out' '{copy}'",
        whole / 2,
        whole * 8 + (1 << 20),
        small = small.display(),
        copy = home.path().join("copy").display(),
    );
    let ways = [&["unshare", "--mount"][..], &["unshare", "--user", "--map-root-user", "--mount"]];
    let output = ways.into_iter().find_map(|way| {
        let output = shell(&script, &folder, &small.join("out"), way)?;
        String::from_utf8_lossy(&output.stdout).contains("begun").then_some(output)
    });
    let Some(output) = output else {
        let test = "a_full_disk_ends_it_and_leaves_whole_shards";
        return skipped(test, "this system gives no file system of our own");
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let (before, after) = said.split_once("more room").expect("both parts");
    assert!(before.contains("failed: ") && before.contains("No space left on device"), "{said}");
    assert!(!before.contains("report.jsonl"), "it is not done: {said}");
    assert!(after.contains("made "), "{said}");
    assert_eq!(files(&home.path().join("copy")), files(&straight));
}
