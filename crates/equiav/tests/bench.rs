//! `equiav bench` as a user meets it, at a size that takes a second.

#[path = "support/program.rs"]
mod program;

use std::path::Path;

use program::{fails, succeeds};
use serde_json::Value;

/// `bench` of a small network with `more` arguments.
fn bench(folder: &Path, more: &[&str]) -> String {
    let mut arguments = vec!["bench", "quick"];
    for change in [
        "front_end.frames=96",
        "front_end.image=48",
        "model.encoder.width=32",
        "model.encoder.depth=1",
        "model.encoder.heads=2",
        "objective.centroid=2",
        "run.batch=4",
        "compute.threads=1",
    ] {
        arguments.extend(["--set", change]);
    }
    succeeds(folder, &[&arguments, more].concat())
}

#[test]
fn steps_are_measured_as_tables_and_as_json() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = bench(folder.path(), &["--steps", "3"]);
    assert!(text.starts_with("batch 4, device cpu, matmul_precision highest, "), "{text}");
    for word in ["inter", "intra_audio", "forward", "backward", "samples/s, peak memory "] {
        assert!(text.contains(word), "{word} is missing: {text}");
    }
    let json = bench(folder.path(), &["--steps", "3", "--json"]);
    let json: Value = serde_json::from_str(&json).expect("one object");
    let steps = json["steps"].as_array().expect("steps");
    assert_eq!(steps.len(), 3);
    for step in steps {
        let [loss, inter, audio, visual] =
            ["/loss", "/terms/inter", "/terms/intra_audio", "/terms/intra_visual"]
                .map(|path| step.pointer(path).and_then(Value::as_f64).expect("a loss"));
        assert!((loss - (inter + audio + visual) / 3.0).abs() < 1e-5 * loss, "{step}");
    }
    let seconds = |step: &Value| step["seconds"].as_f64().expect("a time");
    let speed = json["samples_per_second"].as_f64().expect("a speed");
    let expected = 4.0 / (0.5 * (seconds(&steps[1]) + seconds(&steps[2])));
    assert!((speed / expected - 1.0).abs() < 1e-6, "the first step does not count: {speed}");
    assert!(json["peak_bytes"].as_u64().is_none_or(|bytes| bytes > 1_000_000));
}

#[test]
fn the_centroid_is_measured_and_a_start_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = bench(folder.path(), &["--steps", "2", "--centroid"]);
    assert!(text.contains("% to a step with the clean pair (no interval of 2 pairs: it"), "{text}");
    let json = bench(folder.path(), &["--steps", "7", "--centroid", "--json"]);
    let json: Value = serde_json::from_str(&json).expect("one object");
    let pairs = json["centroid_seconds"].as_array().expect("times").len();
    let [low, high] =
        [0, 1].map(|end| json["centroid_interval"][end].as_f64().expect("an end of the interval"));
    let share = json["centroid_share"].as_f64().expect("a share");
    assert!((6..=7).contains(&pairs) && low <= share && share <= high, "{json}");
    assert_eq!(json["settled"], high - low <= 0.02 * (1.0 + share), "{json}");
    bench(folder.path(), &["--steps", "2", "--dump", "start"]);
    for file in ["weights.safetensors", "batch.safetensors", "steps.json"] {
        assert!(folder.path().join("start").join(file).is_file(), "{file}");
    }
    let message = fails(folder.path(), &["bench", "quick", "--set", "run.batch=1"]);
    assert!(message.contains("run.batch = 1"), "{message}");
}
