//! Clips that are measured although they were trained on are told beside every figure.

#[path = "support/program.rs"]
mod program;

use std::fs;
use std::path::Path;

use program::{corpus, equiav, fails, pretrain, succeeds};
use serde_json::{Value, json};

/// Adds two training clips to the held-out list of the corpus: one under its own name, one under another.
fn plant(folder: &Path) {
    let read = |name: &str| -> Value {
        let text = fs::read_to_string(folder.join("corpus").join(name)).expect("a list");
        serde_json::from_str(&text).expect("JSON")
    };
    let (train, mut valid) = (read("train.json"), read("valid.json"));
    let mut renamed = train["data"][1].clone();
    let copy = |from: String, to: &str| {
        let at = |name: &str| folder.join("corpus").join(name);
        fs::copy(at(&from), at(to)).expect("a copy");
    };
    let id = renamed["video_id"].as_str().expect("an id").to_owned();
    for frame in 0..3 {
        copy(format!("frames/frame_{frame}/{id}.jpg"), &format!("frames/frame_{frame}/other.jpg"));
    }
    copy(format!("sound/{id}.wav"), "sound/other.wav");
    (renamed["video_id"], renamed["wav"]) = (json!("other"), json!("sound/other.wav"));
    let clips = valid["data"].as_array_mut().expect("clips");
    clips.extend([train["data"][0].clone(), renamed]);
    fs::write(folder.join("corpus/planted.json"), valid.to_string()).expect("a list");
}

/// What `arguments` print on standard output, and the warnings.
fn printed(folder: &Path, arguments: &[&str]) -> (String, Vec<String>) {
    let output = equiav(folder, arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let errors = text(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let warnings = errors.lines().filter(|line| line.starts_with("warning: what is measured"));
    (text(&output.stdout), warnings.map(str::to_owned).collect())
}

#[test]
fn a_planted_overlap_is_told_beside_every_figure() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    corpus(folder);
    plant(folder);
    succeeds(folder, &pretrain(&["run.epochs=1"]));
    let (clean, warnings) = printed(folder, &["retrieve", "run", "--json"]);
    let clean: Value = serde_json::from_str(&clean).expect("one object");
    assert_eq!(
        (&clean["overlap"]["clips"], &clean["overlap"]["by_picture"]),
        (&json!(0), &json!(0))
    );
    assert!(warnings.is_empty(), "{warnings:?}");

    let list = ["--list", "corpus/planted.json"];
    let boxes = ["localize", "run", "--first", "10"];
    let labels =
        ["probe", "run", "--labels", "corpus/class_labels_indices.csv", "--validation", "0.25"];
    for command in [&["retrieve", "run"][..], &boxes, &labels] {
        let (json, warnings) = printed(folder, &[command, &list, &["--json"]].concat());
        let figures: Value =
            serde_json::from_str(json.lines().next().expect("a line")).expect("JSON");
        let figures = if command[0] == "probe" { &figures["test"][0] } else { &figures };
        assert_eq!(figures["digest"].as_str().map(str::len), Some(12), "{figures}");
        let mut overlap = figures["overlap"].clone();
        let train = overlap["train"].take();
        assert_eq!(train, clean["overlap"]["train"], "the digest of the training list");
        let expected = json!({
            "train": null, "clips": 2, "share": 0.2, "by_id": 1, "by_sound": 2, "by_picture": 2
        });
        assert_eq!(overlap, expected, "{}", command[0]);
        let warning = "warning: what is measured is in the training list too: 2 clips of \
                       `corpus/planted.json` (20.0 %)";
        assert_eq!(warnings, [warning], "{}", command[0]);
        if command[0] != "probe" {
            let (text, _) = printed(folder, &[command, &list].concat());
            let told = "  overlap: 2 clips (20.0 %) are in the training list ";
            assert!(text.contains(told) && text.contains(": 1 by id, 2 by sound, 2 by"), "{text}");
        }
    }
}

#[test]
fn a_run_that_measures_what_it_trains_on_says_so_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    corpus(folder);
    plant(folder);
    let changes =
        ["data.source.evaluate.held-out=corpus/planted.json", "run.epochs=2", "evaluation.every=1"];
    let printed = succeeds(folder, &pretrain(&changes));
    let warning = "what is measured is in the training list too: 2 clips of `held-out` (20.0 %)";
    assert_eq!(printed.matches(warning).count(), 1, "{printed}");
    assert!(printed.contains("  overlap: 2 clips (20.0 %) are in the training list"), "{printed}");
    let report = succeeds(folder, &["report", "run"]);
    assert!(!report.contains("panicked"), "{report}");
    let page = fs::read_to_string(folder.join("run/report.html")).expect("a page");
    assert!(page.contains("Trained on as well") && page.contains("20.0 %"), "the page tells it");
}

#[test]
fn an_oracle_is_for_the_procedural_corpus() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let cache = folder.join("cache");
    let sizes = ["data.source.instances=60", "data.source.held_out=20", "data.source.classes=4"];
    let sets = sizes.iter().flat_map(|size| ["--set", size]);
    let arguments: Vec<&str> = ["data", "oracle", "quick"].into_iter().chain(sets).collect();
    let output = program::command(folder, &[&arguments[..], &["--json", "--ranks"]].concat())
        .env("EQUIAV_CACHE", &cache)
        .output()
        .expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let figures: Value = serde_json::from_str(&text).expect("one object");
    assert_eq!((&figures["found"], &figures["overlap"]["clips"]), (&json!(20), &json!(0)));
    assert_eq!(figures["ranks"]["visual_to_audio"].as_array().map(Vec::len), Some(20));
    assert!(figures["audio_to_visual"]["r1"].as_f64() >= Some(0.8), "{text}");
    let stamps = ["data", "oracle", "quick", "--set", "data.source={ kind = \"stamps\" }"];
    let message = fails(folder, &stamps);
    assert!(message.contains("the procedural corpus alone (help: "), "{message}");
}
