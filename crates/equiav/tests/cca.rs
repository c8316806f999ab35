//! `equiav cca` as a user meets it: figures of files of anyone, and one line for each file that cannot be used.

#[path = "support/program.rs"]
mod program;

use std::fs;
use std::path::Path;

use program::{below, fails, succeeds};
use serde_json::Value;
use tch::Tensor;

/// Rows of width 3 and 4 that share two numbers: the first strongly, the second somewhat.
fn files(folder: &Path, rows: usize) {
    let mut state = 7;
    let mut number = || below(2_000_001, &mut state) as f64 / 1e6 - 1.0;
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        let (strong, weak) = (number(), number());
        a.extend([strong + 0.1 * number(), weak + number(), number()]);
        b.extend([number(), strong + 0.1 * number(), number(), weak + number()]);
    }
    let rows = rows as i64;
    let (a, b) = (Tensor::from_slice(&a).view([rows, 3]), Tensor::from_slice(&b).view([rows, 4]));
    a.write_npy(folder.join("a.npy")).expect("written");
    let b = b.to_kind(tch::Kind::Float);
    let other = Tensor::from_slice(&[1.0f32, f32::NAN]).view([2, 1]);
    let named = [("audio", b), ("broken", other)];
    Tensor::write_safetensors(&named, folder.join("b.safetensors")).expect("written");
}

#[test]
fn correlations_are_those_of_held_out_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    files(folder.path(), 1000);
    let command = ["cca", "a.npy", "b.safetensors:audio"];
    let text = succeeds(folder.path(), &command);
    assert!(text.contains("a.npy (3 columns), b.safetensors:audio (4 columns)"), "{text}");
    assert!(text.contains("fitted on 800 rows, measured on 200 others"), "{text}");
    assert!(!text.contains("warning"), "{text}");
    assert_eq!(text.lines().filter(|line| line.contains(" to ")).count(), 4, "{text}");

    let json = |more: &[&str]| -> Value {
        let text = succeeds(folder.path(), &[&command[..], &["--json"], more].concat());
        serde_json::from_str(&text).expect("JSON")
    };
    let plain = json(&[]);
    let figure = |value: &Value, component: usize, name: &str| -> f64 {
        value["components"][component][name].as_f64().expect("a number")
    };
    // In the population: variances 1/3 and 1/300, so 1 / 1.01 and 1 / 2.
    let (first, second) = (figure(&plain, 0, "held_out"), figure(&plain, 1, "held_out"));
    assert!((first - 0.990).abs() < 0.01 && (second - 0.5).abs() < 0.15, "{first} {second}");
    assert!(figure(&plain, 1, "low") < second && second < figure(&plain, 1, "high"));
    assert_eq!(json(&[]), plain, "the seed decides");
    assert_ne!(json(&["--seed", "1"])["components"], plain["components"]);
    let one =
        json(&["--components", "1", "--held-out", "0.5", "--robust", "--out", "m.safetensors"]);
    assert_eq!((&one["robust"], &one["rows"]["held_out"]), (&"stacked".into(), &500.into()));
    assert_eq!(one["components"].as_array().map(Vec::len), Some(1));
    let model = equiav_cca::LinearCca::read(&folder.path().join("m.safetensors")).expect("a model");
    assert_eq!((model.components(), model.widths()), (1, [3, 4]));
}

#[test]
fn files_that_do_not_fit_are_told_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    files(folder.path(), 60);
    let message = |arguments: &[&str]| fails(folder.path(), &[&["cca"][..], arguments].concat());
    let whole = ["a.npy", "b.safetensors:audio"];
    let with = |more: &[&str]| message(&[&whole[..], more].concat());

    let text = succeeds(folder.path(), &[&["cca"], &whole[..]].concat());
    assert!(text.contains("warning: 48 rows are few to fit 4 columns: expected 80"), "{text}");

    let said = message(&["a.npy", "b.safetensors"]);
    assert!(
        said.contains("holds 2 tensors; help: name one after a colon: audio, broken"),
        "{said}"
    );
    let said = message(&["a.npy", "b.safetensors:broken"]);
    assert!(said.contains("b.safetensors: row 1, column 0 is NaN"), "{said}");
    assert!(message(&["nope.npy", "a.npy"]).contains("nope.npy: No such file"));
    fs::write(folder.path().join("empty.npy"), "").expect("written");
    assert!(message(&["empty.npy", "a.npy"]).contains("empty.npy: is empty; help"));
    let short = Tensor::from_slice(&[1.0f32; 12]).view([4, 3]);
    short.write_npy(folder.path().join("short.npy")).expect("written");
    let said = message(&["a.npy", "short.npy"]);
    assert!(said.contains("a.npy has 60 rows, short.npy has 4") && said.contains("help"), "{said}");
    let said = message(&["short.npy", "short.npy"]);
    assert!(said.contains("3 rows to fit 3 + 3 columns always correlate perfectly"), "{said}");
    let still = Tensor::from_slice(&[1.0f32; 60]).view([60, 1]);
    still.write_npy(folder.path().join("still.npy")).expect("written");
    let said = message(&["a.npy", "still.npy"]);
    assert!(said.contains("still.npy (the second): second: all rows are alike"), "{said}");

    assert!(with(&["--held-out", "0.05"]).contains("3 held-out rows are too few to measure"));
    assert!(with(&["--held-out", "1"]).contains("--held-out 1: expected a share between 0 and 1"));
    assert!(with(&["--held-out", "NaN"]).contains("--held-out NaN"));
    assert!(with(&["--ridge=-1"]).contains("--ridge -1: expected 0 or above"));
    assert!(
        with(&["--components", "4"]).contains("--components 4: a.npy, b.safetensors:audio have")
    );
    assert!(with(&["--out", "m.bin"]).contains("m.bin: expected a name that ends in .safetensors"));
    assert!(with(&["--out", "none/m.safetensors"]).contains("writing none/m.safetensors"));
}
