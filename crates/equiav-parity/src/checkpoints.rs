//! Weight files of PyTorch, old and new, against the tensors that were saved in them.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use equiav_models::{Weights, read_weights};
use tch::{Kind, Tensor};

use crate::Item;

/// Reads every `.pth` and `.pt` of `folder` and compares it with `expected.safetensors`.
pub(crate) fn check(folder: &Path) -> anyhow::Result<Vec<Item>> {
    let expected = read_weights(&folder.join("expected.safetensors"))?;
    let entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let is_pickle = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "pth" || extension == "pt")
    };
    let mut paths: Vec<PathBuf> =
        entries.into_iter().map(|entry| entry.path()).filter(is_pickle).collect();
    paths.sort();
    ensure!(!paths.is_empty(), "no .pth and no .pt is beside expected.safetensors");
    paths.iter().map(|path| compare(path, &expected)).collect()
}

fn compare(path: &Path, expected: &Weights) -> anyhow::Result<Item> {
    let found = read_weights(path)?;
    let name = path.file_name().context("a file has a name")?.to_string_lossy();
    let mut largest = 0.0f64;
    for (name, theirs) in expected.tensors() {
        let ours = found.tensors().get(name);
        largest = largest.max(ours.map_or(f64::INFINITY, |ours| difference(ours, theirs)));
    }
    if found.tensors().len() != expected.tensors().len() {
        largest = f64::INFINITY;
    }
    Ok(Item::new(format!("{name} ({} tensors)", expected.tensors().len()), largest, 0.0))
}

/// The largest difference of the values; infinite when kinds or shapes differ.
fn difference(ours: &Tensor, theirs: &Tensor) -> f64 {
    if ours.kind() != theirs.kind() || ours.size() != theirs.size() {
        return f64::INFINITY;
    }
    let double = |tensor: &Tensor| tensor.to_kind(Kind::Double);
    let largest = (double(ours) - double(theirs)).abs().max().double_value(&[]);
    if largest.is_nan() { f64::INFINITY } else { largest }
}
