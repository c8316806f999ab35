//! Embedding, indexing and searching as a user meets them, and an index whose making is killed.

#[path = "support/program.rs"]
mod program;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::SystemTime;

use equiav_search::index::IndexContents;
use program::{command, corpus, equiav, fails, pretrain, succeeds};

/// A corpus and a run of one epoch.
fn prepared() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    corpus(folder.path());
    succeeds(folder.path(), &pretrain(&["run.epochs=1"]));
    folder
}

/// The name of a file of the corpus that holds `part` and ends in `ending`.
fn file(folder: &Path, below: &str, ending: &str) -> String {
    let mut names: Vec<String> = fs::read_dir(folder.join(below))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(ending))
        .collect();
    names.sort();
    names.first().expect("a file").clone()
}

#[test]
fn files_are_embedded_indexed_and_found() {
    let folder = prepared();
    let run = |arguments: &[&str]| succeeds(folder.path(), arguments);
    fs::write(folder.path().join("broken.wav"), b"RIFF nonsense").expect("a file");
    let sound = file(folder.path(), "corpus/sound", ".wav");

    let arguments = ["embed", "run", &sound, "broken.wav", "corpus", "--out", "all.safetensors"];
    let output = equiav(folder.path(), &arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("broken.wav: is a text") && said.contains("error: 1 of "), "{said}");
    run(&["embed", "run", &sound, "--out", "one.safetensors"]);
    let read = |name: &str| {
        let file = tch::Tensor::read_safetensors(folder.path().join(name)).expect("tensors");
        file.into_iter().find(|(name, _)| name == "audio").expect("sounds").1
    };
    assert!(read("one.safetensors").get(0).equal(&read("all.safetensors").get(0)));

    let said = run(&["index", "run", "corpus", "--out", "index"]);
    assert!(said.contains("index: ") && said.contains(" 0 unchanged; model "), "{said}");
    let said = run(&["index", "run", "corpus", "--out", "index"]);
    assert!(said.contains("index: 0 files embedded, 0 copies, "), "{said}");

    let table = run(&["search", "index", "run", "--audio", &sound, "-k", "3"]);
    assert!(table.starts_with("nearest of ") && table.contains(" pictures\n   1  "), "{table}");
    assert_eq!(table.lines().count(), 4);
    let own = run(&["search", "index", "run", "--audio", &sound, "--in", "audio"]);
    let first = own.lines().nth(1).expect("a hit");
    assert!(first.contains(" 1.0000 ") && first.contains(".wav"), "{own}");
    let page =
        ["search", "index", "run", "--audio", &sound, "--in", "both", "--html", "a.html", "--json"];
    let json = run(&page);
    let answer: serde_json::Value =
        serde_json::from_str(json.lines().next().expect("a line")).expect("JSON");
    assert_eq!(answer["answers"][1]["in"], "visual");
    // Each window is as near to itself as can be, so that rounding decides which one is told.
    let nearest = &answer["answers"][0]["hits"][0];
    assert_eq!(nearest["time"], nearest["query_time"]);
    let html = fs::read_to_string(folder.path().join("a.html")).expect("a page");
    assert!(html.matches("<audio").count() == 11 && html.matches("<img").count() == 10);
    let figures = run(&["search", "index", "run", "--measure", "corpus/valid.json"]);
    assert!(figures.contains("valid ") && figures.contains("R@10"), "{figures}");

    let picture = file(folder.path(), "corpus", ".json");
    let message = fails(folder.path(), &["search", "index", "run", "--image", &picture]);
    assert!(message.contains("its ending is not of a picture"), "{message}");
    let message = fails(folder.path(), &["search", "nowhere", "run", "--audio", &sound]);
    assert!(message.contains("index nowhere: No such file"), "{message}");
    fs::write(folder.path().join("not"), vec![7; 5_000]).expect("a file");
    let message = fails(folder.path(), &["search", "not", "run", "--audio", &sound]);
    assert!(message.contains("index not is damaged or no index"), "{message}");
}

/// When the file at `path` was last written, if it is there.
fn written(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// Starts to index and kills it after the index was written to so many times.
fn kill_after(folder: &Path, writes: u32, arguments: &[&str]) {
    let path = folder.join("killed");
    let mut child = command(folder, arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let (mut last, mut left) = (written(&path), writes);
    while left > 0 && child.try_wait().expect("its state").is_none() {
        let now = written(&path);
        if now != last {
            (last, left) = (now, left - 1);
        }
        thread::yield_now();
    }
    child.kill().expect("SIGKILL");
    child.wait().expect("its end");
}

#[test]
fn an_index_whose_making_is_killed_becomes_that_of_an_undisturbed_one() {
    let folder = prepared();
    let index = |out: &'static str| ["index", "run", "corpus", "--out", out, "--every", "2"];
    succeeds(folder.path(), &index("whole"));
    let whole = IndexContents::read(&folder.path().join("whole")).expect("an index");

    let (mut seed, mut met) = (0x2545_f491_u32, Vec::new());
    let killed = folder.path().join("killed");
    for _ in 0..12 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        kill_after(folder.path(), 1 + (seed >> 8) % 40, &index("killed"));
        if !killed.exists() {
            continue;
        }
        let part = IndexContents::read(&killed).expect("whole transactions");
        assert_eq!(part.about, whole.about);
        for (content, rows) in &part.rows {
            assert_eq!(rows, &whole.rows[content], "what is there is as it must be");
        }
        for (file, content) in &part.files {
            assert_eq!(whole.files[file], *content);
        }
        met.push(part.rows.len());
        if part.rows.len() == whole.rows.len() {
            fs::remove_file(&killed).expect("an index");
        }
    }
    succeeds(folder.path(), &index("killed"));
    assert!(IndexContents::read(&killed).expect("an index") == whole, "after {met:?} contents");
    let parts = met.iter().filter(|count| **count > 0 && **count < whole.rows.len()).count();
    assert!(parts > 2, "few kills met the indexing: {met:?} of {}", whole.rows.len());
}
