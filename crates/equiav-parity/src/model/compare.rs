//! Deviations of tensors: absolute for embeddings and weights, relative for gradients.

use std::collections::BTreeMap;

use anyhow::Context;
use equiav_models::{Embeddings, Weights};
use equiav_torch::AdamW;
use tch::{Kind, Tensor};

use crate::Item;

const EMBEDDINGS: f64 = 1e-4;
const GRADIENTS: f64 = 1e-3;

/// A tensor whose gradient is below this share of the largest gradient counts as rounding.
const ROUNDING: f64 = 1e-4;

/// The largest deviation of several tensors, and whose it is.
#[derive(Default)]
pub(crate) struct Worst {
    count: usize,
    deviation: f64,
    name: String,
}

impl Worst {
    pub(crate) fn add(&mut self, name: &str, deviation: f64) {
        self.count += 1;
        if self.name.is_empty() || deviation > self.deviation {
            self.deviation = deviation;
            self.name = name.to_owned();
        }
    }

    pub(crate) fn item(self, what: &str, tolerance: f64) -> Item {
        let Self { count, deviation, name } = self;
        Item::new(format!("{what} ({count} tensors, worst {name})"), deviation, tolerance)
    }
}

/// The six embeddings of the first step.
pub(crate) fn compare_embeddings(
    ours: &BTreeMap<&'static str, Embeddings>,
    theirs: &Weights,
) -> anyhow::Result<Vec<Item>> {
    let mut items = Vec::new();
    for (suffix, embeddings) in ours {
        let pair = embeddings.intra.as_ref().context("the model has no intra-modal pair")?;
        for (kind, ours) in
            [("aug", &pair.augmented), ("equi", &pair.predicted), ("inter", &embeddings.inter)]
        {
            let name = format!("z_{suffix}_{kind}");
            let theirs = theirs.tensors().get(&name);
            let theirs = theirs.with_context(|| format!("the dump has no `{name}`"))?;
            items.push(Item::new(
                format!("embedding {name}"),
                difference(ours, theirs),
                EMBEDDINGS,
            ));
        }
    }
    Ok(items)
}

/// The gradient of every parameter, before clipping.
pub(crate) fn compare_gradients(ours: &AdamW, theirs: &Weights) -> anyhow::Result<Item> {
    let magnitudes = theirs.tensors().values().map(magnitude);
    let floor = ROUNDING * magnitudes.fold(0.0, f64::max);
    let mut worst = Worst::default();
    for (name, parameter) in ours.names().iter().zip(ours.parameters()) {
        let theirs = theirs.tensors().get(name);
        let theirs = theirs.with_context(|| format!("the dump has no gradient of `{name}`"))?;
        let scale = magnitude(theirs).max(floor);
        worst.add(name, difference(&parameter.grad(), theirs) / scale);
    }
    Ok(worst.item("gradients, relative", GRADIENTS))
}

/// The largest absolute difference; infinite when the shapes differ or ours is not finite.
pub(crate) fn difference(ours: &Tensor, theirs: &Tensor) -> f64 {
    if !ours.defined() || ours.size() != theirs.size() {
        return f64::INFINITY;
    }
    let ours = ours.detach().to_device(theirs.device()).to_kind(Kind::Double);
    let largest = magnitude(&(ours - theirs.to_kind(Kind::Double)));
    if largest.is_finite() { largest } else { f64::INFINITY }
}

fn magnitude(tensor: &Tensor) -> f64 {
    tensor.abs().max().to_kind(Kind::Double).double_value(&[])
}
