//! Compares the metrics of `equiav-eval` with those that a dump's other tools computed.

use std::path::Path;

use anyhow::{Context, ensure};
use equiav_eval::{ClassMetrics, Retrieval, classification, d_prime, retrieval, same};
use ndarray::{Array2, Ix2};
use serde::Deserialize;

use crate::Item;
use crate::tensors::Tensors;

/// The largest deviation that counts as agreement.
const TOLERANCE: f64 = 1e-6;

/// `metrics.json`.
#[derive(Deserialize)]
struct Expected {
    average_precision: Vec<Option<f64>>,
    roc_auc: Vec<Option<f64>>,
    d_prime: Vec<Option<f64>>,
    retrieval_rows_to_columns: ExpectedRetrieval,
    retrieval_columns_to_rows: ExpectedRetrieval,
}

/// Recalls as shares, ranks from 1.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ExpectedRetrieval {
    r1: f64,
    r5: f64,
    r10: f64,
    med_r: f64,
    mean_r: f64,
}

pub(crate) fn check(folder: &Path) -> anyhow::Result<Vec<Item>> {
    let path = folder.join("metrics.json");
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let expected: Expected =
        serde_json::from_str(&text).with_context(|| format!("in {}", path.display()))?;
    let tensors = Tensors::read(&folder.join("metrics.safetensors"))?;
    let mut items = check_classes(&tensors, &expected)?;
    items.extend(check_retrieval(&tensors, &expected)?);
    Ok(items)
}

fn check_classes(tensors: &Tensors, expected: &Expected) -> anyhow::Result<Vec<Item>> {
    let scores = matrix(tensors.f32("scores")?)?;
    let targets = matrix(tensors.i64("targets")?)?.mapv(|target| target != 0);
    let classes = classification(scores.view(), targets.view())?.classes;
    let mut items = Vec::new();
    items.extend(check_figure(
        "average precision",
        &expected.average_precision,
        &classes,
        |class| class.average_precision,
    )?);
    items.extend(check_figure("ROC AUC", &expected.roc_auc, &classes, |class| class.roc_auc)?);
    items.extend(check_figure("d'", &expected.d_prime, &classes, |class| {
        class.roc_auc.map(d_prime)
    })?);
    Ok(items)
}

/// Compares one figure of every class.
fn check_figure(
    name: &str,
    theirs: &[Option<f64>],
    classes: &[ClassMetrics],
    ours: impl Fn(&ClassMetrics) -> Option<f64>,
) -> anyhow::Result<Vec<Item>> {
    ensure!(
        theirs.len() == classes.len(),
        "{name} is given for {} classes, but {} are scored",
        theirs.len(),
        classes.len()
    );
    let both = classes.iter().map(ours).zip(theirs).enumerate();
    Ok(both
        .map(|(class, (ours, theirs))| {
            let name = format!("{name} of class {class}");
            Item::new(name, difference(ours, *theirs), TOLERANCE)
        })
        .collect())
}

fn check_retrieval(tensors: &Tensors, expected: &Expected) -> anyhow::Result<Vec<Item>> {
    let similarity = matrix(tensors.f32("similarity")?)?;
    let ours = retrieval(similarity.view(), same)?;
    let mut items = Vec::new();
    for (way, ours, theirs) in [
        ("rows to columns", ours.rows_to_columns, &expected.retrieval_rows_to_columns),
        ("columns to rows", ours.columns_to_rows, &expected.retrieval_columns_to_rows),
    ] {
        items.extend(theirs.figures(&ours).map(|(figure, ours, theirs)| {
            Item::new(format!("{figure}, {way}"), (ours - theirs).abs(), TOLERANCE)
        }));
    }
    Ok(items)
}

impl ExpectedRetrieval {
    /// Each figure's name, ours and theirs.
    fn figures(&self, ours: &Retrieval) -> [(&'static str, f64, f64); 5] {
        [
            ("R@1", ours.r1, self.r1),
            ("R@5", ours.r5, self.r5),
            ("R@10", ours.r10, self.r10),
            ("median rank", ours.median_rank, self.med_r),
            ("mean rank", ours.mean_rank, self.mean_r),
        ]
    }
}

/// How far two figures are apart; infinite when only one of them exists.
fn difference(ours: Option<f64>, theirs: Option<f64>) -> f64 {
    match (ours, theirs) {
        _ if ours == theirs => 0.0,
        (Some(ours), Some(theirs)) => (ours - theirs).abs(),
        _ => f64::INFINITY,
    }
}

fn matrix<T>(array: ndarray::ArrayD<T>) -> anyhow::Result<Array2<T>> {
    let size = array.shape().to_vec();
    array.into_dimensionality::<Ix2>().with_context(|| format!("{size:?} is no matrix"))
}
