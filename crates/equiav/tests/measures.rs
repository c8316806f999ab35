//! What a run measures of itself as its user meets it: between evaluations, of its augmentations, and on its page.

#[path = "support/program.rs"]
mod program;

use std::fs;
use std::path::Path;

use program::{corpus, fails, pretrain, succeeds};
use serde_json::Value;

/// The page of the run, made anew.
fn page(folder: &Path) -> String {
    succeeds(folder, &["report", "run", "--clips", "1"]);
    fs::read_to_string(folder.join("run/report.html")).expect("a page")
}

#[test]
fn a_page_shows_curves_between_evaluations_and_what_is_known_of_augmentations() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    corpus(folder);
    let often = ["evaluation.online_every=2", "run.gradient_cosines_every=3", "run.epochs=2"];
    succeeds(folder, &pretrain(&often));
    let bare = page(folder);
    assert!(bare.contains("id=\"online\"") && bare.contains("online / audio / rank me"), "curves");
    assert!(bare.contains("train / gradient cosine inter intra"), "the cosine's curve");
    assert!(!bare.contains("online / time"), "a clock is no measure");
    assert!(bare.contains("equiav probe run --equivariance --beside TWIN"), "how to have it");
    assert!(!bare.contains("R2 by augmentation"));

    fs::rename(folder.join("run"), folder.join("kept")).expect("renamed");
    let invariant = ["objective.intra=invariant", "objective.inter=clean-pair", "run.epochs=1"];
    succeeds(folder, &pretrain(&invariant));
    fs::rename(folder.join("run"), folder.join("twin")).expect("renamed");
    fs::rename(folder.join("kept"), folder.join("run")).expect("renamed");
    let probed = ["probe", "run", "--equivariance", "--beside", "twin", "--clips", "24"];
    let table = succeeds(folder, &probed);
    assert!(table.contains("R2 by augmentation") && table.contains("SpecAugment"), "{table}");
    let kept = fs::read_to_string(folder.join("run/equivariance.json")).expect("kept figures");
    let kept: Value = serde_json::from_str(&kept).expect("JSON");
    assert_eq!(kept["networks"], serde_json::json!(["run", "twin", "random"]));
    assert_eq!(kept["epochs"], 2);
    let printed = succeeds(folder, &[&probed[..], &["--json"]].concat());
    let printed = printed.lines().find(|line| line.starts_with('{')).expect("one object");
    assert_eq!(serde_json::from_str::<Value>(printed).expect("JSON"), kept);

    let full = page(folder);
    for shown in
        ["R2 by augmentation", "audio: crop", "visual: jitter", "<th scope=\"col\">twin</th>"]
    {
        assert!(full.contains(shown), "{shown}");
    }
    assert!(!full.contains("measures it anew"), "they are of this checkpoint");
    fs::write(folder.join("run/equivariance.json"), "nonsense").expect("damaged");
    assert!(page(folder).contains("No figures of equivariance: "), "the rest is shown");
}

/// `bench --online` of a network that makes a step at once, with `more`.
fn bench<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["bench", "quick", "--online"];
    let small = [
        "front_end.frames=96",
        "front_end.image=48",
        "model.encoder.width=32",
        "model.encoder.depth=1",
        "model.encoder.heads=2",
        "run.batch=4",
        "evaluation.online_clips=6",
        "compute.threads=1",
    ];
    small.iter().for_each(|change| arguments.extend(["--set", change]));
    arguments.extend(more);
    arguments
}

#[test]
fn what_measurements_add_to_a_step_is_measured_in_turn() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let text = succeeds(folder, &bench(&["--steps", "3"]));
    assert!(text.contains("6 held-out clips every 50 steps add"), "{text}");
    assert!(text.contains("(no interval of 3 pairs: it takes 6)"), "{text}");
    let json = succeeds(folder, &bench(&["--steps", "8", "--json"]));
    let json: Value = serde_json::from_str(&json).expect("one object");
    let [low, high] = [0, 1].map(|end| json["online_interval"][end].as_f64().expect("an end"));
    let share = json["online_share"].as_f64().expect("a share");
    assert!(low <= share && share <= high && json["every"] == 50, "{json}");
    assert_eq!(json["settled"], high - low <= 0.002, "{json}");
    let off = bench(&["--set", "evaluation.online_every=0"]);
    let message = fails(folder, &off);
    assert!(message.contains("evaluation.online_every = 0 measures nothing (help: "), "{message}");
}
