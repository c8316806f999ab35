//! Figures equal those of scikit-learn and numpy; `golden.py` makes them, and says of which versions.

use equiav_eval::{
    Blocks, Calibration, Decisions, Plain, UnitRows, classification, exclusive, knn_votes,
    normalized_mutual_information, top_k,
};
use ndarray::Array2;
use serde_json::Value;

/// Sums of some hundred numbers in 64 bits.
const TOLERANCE: f64 = 1e-9;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden.json")).expect("JSON")
}

fn list<T>(value: &Value, read: impl Fn(&Value) -> T) -> Vec<T> {
    value.as_array().expect("a list").iter().map(read).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn numbers(value: &Value) -> Vec<usize> {
    list(value, |value| value.as_u64().expect("a whole number") as usize)
}

fn matrix<T: Clone>(value: &Value, read: impl Fn(&Value) -> T) -> Array2<T> {
    let rows = list(value, |row| list(row, &read));
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).expect("equal rows")
}

fn floats(value: &Value) -> Array2<f32> {
    matrix(value, |value| number(value) as f32)
}

fn flags(value: &Value) -> Array2<bool> {
    matrix(value, |value| value.as_bool().expect("true or false"))
}

#[track_caller]
fn check(ours: Option<f64>, theirs: &Value) {
    let close = match (ours, theirs.as_f64()) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() < TOLERANCE,
        (ours, theirs) => ours.is_none() && theirs.is_none(),
    };
    assert!(close, "{ours:?} is not {theirs}");
}

#[test]
fn average_precision_and_auc() {
    let case = &golden()["multilabel"];
    let ours = classification(floats(&case["scores"]).view(), flags(&case["targets"]).view());
    let ours = ours.expect("finite");
    for (number, class) in ours.classes.iter().enumerate() {
        check(class.average_precision, &case["average_precision"][number]);
        check(class.roc_auc, &case["roc_auc"][number]);
    }
    check(ours.mean_average_precision, &case["mean_average_precision"]);
    check(ours.mean_roc_auc, &case["mean_roc_auc"]);
    assert_eq!((ours.classes.len(), ours.with_positives), (5, 4));
}

#[test]
fn accuracy_and_each_class() {
    let case = &golden()["exclusive"];
    let ours = exclusive(floats(&case["scores"]).view(), &numbers(&case["labels"]));
    let ours = ours.expect("finite");
    check(Some(ours.top1.share), &case["top1"]);
    check(Some(ours.top5.share), &case["top5"]);
    check(ours.mean_class_accuracy, &case["mean_class_accuracy"]);
    for (number, class) in ours.classes.iter().enumerate() {
        assert_eq!(class.support as u64, case["support"][number].as_u64().expect("a count"));
        let right = class.accuracy.map_or(0.0, |accuracy| accuracy * class.support as f64);
        check(Some(right), &case["right"][number]);
    }
    assert_eq!(ours.top1.ties, 0);
}

#[test]
fn mutual_information() {
    let cases = golden();
    for case in cases["clusters"].as_array().expect("cases") {
        let (labels, clusters) = (numbers(&case["labels"]), numbers(&case["clusters"]));
        check(normalized_mutual_information(&labels, &clusters).ok(), &case["information"]);
    }
}

#[test]
fn votes_of_neighbors() {
    let case = &golden()["votes"];
    let unit = |value| UnitRows::new("vectors", floats(value).view()).expect("finite");
    let (queries, gallery) = (unit(&case["queries"]), unit(&case["gallery"]));
    let k = case["k"].as_u64().expect("a count") as usize;
    let products = &mut [Plain::default()];
    let found = top_k(&queries, &gallery, k, products, &Blocks::default()).expect("neighbors");
    let (labels, temperature) = (numbers(&case["labels"]), number(&case["temperature"]));
    let ours = knn_votes(&found, &labels, 4, temperature).expect("votes");
    let theirs = floats(&case["votes"]);
    // cosines in 32 bits over a temperature of 0.07
    let off = (&ours - &theirs).iter().fold(0.0_f32, |most, off| most.max(off.abs()));
    assert!(off < 1e-5, "{off}");
}

#[test]
fn calibration() {
    let cases = &golden()["calibration"];
    let bins = |case: &Value| case["bins"].as_u64().expect("a count") as usize;
    let same = |ours: Calibration, case: &Value| {
        check(Some(ours.expected_error), &case["expected_error"]);
        check(Some(ours.brier), &case["brier"]);
    };
    let case = &cases["exclusive"];
    let (probabilities, labels) = (floats(&case["probabilities"]), numbers(&case["labels"]));
    let ours = Decisions::exclusive(probabilities.view(), &labels, bins(case)).expect("finite");
    same(ours.calibration(), case);
    let case = &cases["of_each_class"];
    let (probabilities, targets) = (floats(&case["probabilities"]), flags(&case["targets"]));
    let ours = Decisions::of_each_class(probabilities.view(), targets.view(), bins(case));
    same(ours.expect("finite").calibration(), case);
}
