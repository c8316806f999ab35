//! A batch's way through the network and back: whole, or in parts that give the whole batch's gradient.
//!
//! The losses give the gradient of each embedding, which is then handed back through the network. In
//! parts, a first pass without gradient collects the embeddings, for contrastive losses compare all rows
//! of a batch, and a second pass hands gradients back part by part (Gao et al., arXiv 2101.06983).

use std::collections::BTreeMap;

use anyhow::Context;
use equiav_augment::Modality;
use equiav_models::{Embeddings, IntraPair, Material, Views};
use equiav_torch::{FullPrecision, GradientAverage, GroupError, LossScaler};
use tch::{Kind, Tensor};

use crate::keys::Everyone;
use crate::learner::Learner;
use crate::objective::{self, Terms};
use crate::phase::{self, Phase};
use crate::settings::Settings;

type Each<T> = BTreeMap<Modality, T>;

/// Computes the losses of `views` and adds their gradient, times the scale and averaged over all
/// processes, to every variable of the network.
pub(crate) fn pass(
    learner: &mut Learner,
    views: &Each<Views>,
    recipe: &Settings,
) -> anyhow::Result<Terms> {
    let clips = views.values().map(|views| views.plain.size()[0]).max().unwrap_or(0);
    let part = recipe.run.micro_batch.map_or(clips, |size| size as i64);
    if part < clips {
        return in_parts(learner, views, part, recipe);
    }
    let embeddings = learner.network.forward(views, recipe);
    let temperature = learner.network.temperature();
    let whole = joined(std::slice::from_ref(&embeddings));
    let own = temperature.as_ref().map(|tau| tau.detach().set_requires_grad(true));
    let terms = losses(learner, &whole, own.as_ref(), recipe)?;
    let outputs = leaves(&embeddings).into_iter().chain(&temperature);
    let sum = handed_on(outputs.zip(leaves(&whole).into_iter().chain(&own).map(Tensor::grad)));
    let sum = sum.context("no embedding has a gradient")?;
    backward(learner, |gradients| {
        if recipe.compute.recompute_blocks {
            // Blocks that are computed twice hide their variables from what looks ahead for them.
            gradients.accumulate(&sum)?;
            gradients.average()
        } else {
            gradients.backward(&sum)
        }
    })?;
    Ok(terms)
}

fn in_parts(
    learner: &mut Learner,
    views: &Each<Views>,
    size: i64,
    recipe: &Settings,
) -> anyhow::Result<Terms> {
    let parts = split(views, size);
    let forward = |learner: &Learner, part: &Each<Views>| learner.network.forward(part, recipe);
    let seen: Vec<_> = tch::no_grad(|| parts.iter().map(|part| forward(learner, part)).collect());
    let whole = joined(&seen);
    let temperature = learner.network.temperature();
    let terms = losses(learner, &whole, temperature.as_ref(), recipe)?;
    let mut first = 0;
    for part in &parts {
        let embeddings = forward(learner, part);
        let rows = rows(&embeddings);
        let gradient = |all: &Tensor| match all.grad() {
            gradient if gradient.defined() => gradient.narrow(0, first, rows),
            none => none,
        };
        let gradients = leaves(&whole).into_iter().map(gradient);
        if let Some(sum) = handed_on(leaves(&embeddings).into_iter().zip(gradients)) {
            backward(learner, |gradients| gradients.accumulate(&sum))?;
        }
        first += rows;
    }
    backward(learner, GradientAverage::average)?;
    Ok(terms)
}

/// Computes the losses of `embeddings` and their gradient, times the scale, by these, which are variables of
/// their own: so that its products are as exact as those of the losses, whatever networks compute in.
fn losses(
    learner: &mut Learner,
    embeddings: &Each<Embeddings>,
    temperature: Option<&Tensor>,
    recipe: &Settings,
) -> anyhow::Result<Terms> {
    // Cosines that differ by little decide, and the temperature sharpens their differences.
    let _full = FullPrecision::new()?;
    let (device, group) = (learner.network.store.device(), &learner.processes.group);
    let gather = || Everyone::gather(group, embeddings, recipe);
    let everyone = phase::at(Phase::Gather, device, gather)?;
    // PUBLISHED: losses-in-autocast, the published losses are computed within the region that narrows products.
    let terms = phase::at(Phase::Losses, device, || {
        objective::terms(embeddings, &everyone, temperature, recipe)
    });
    let scaled = scaled(&terms.total, learner.scaler.as_ref());
    backward(learner, |gradients| gradients.accumulate(&scaled))?;
    Ok(terms)
}

/// A sum whose gradient by each output is the one beside it; nothing where none is defined.
fn handed_on<'a>(pairs: impl Iterator<Item = (&'a Tensor, Tensor)>) -> Option<Tensor> {
    let defined = pairs.filter(|(_, gradient)| gradient.defined());
    let sums = defined.map(|(output, gradient)| (output * gradient).sum(Kind::Float));
    sums.reduce(|sum, next| sum + next)
}

fn backward(
    learner: &mut Learner,
    work: impl FnOnce(&mut GradientAverage) -> Result<(), GroupError>,
) -> Result<(), GroupError> {
    let device = learner.network.store.device();
    phase::at(Phase::Backward, device, || work(&mut learner.gradients))
}

/// What is differentiated: `loss`, times the scale where there is one.
pub(crate) fn scaled(loss: &Tensor, scaler: Option<&LossScaler>) -> Tensor {
    match scaler {
        Some(scaler) => scaler.scale(loss),
        None => loss.shallow_clone(),
    }
}

/// The clips of `views`, `size` at a time.
fn split(views: &Each<Views>, size: i64) -> Vec<Each<Views>> {
    let mut parts = Vec::new();
    for (modality, views) in views {
        let [plain, augmented, vectors, centroid] =
            [&views.plain, &views.augmented, &views.vectors, &views.centroid]
                .map(|tensor| tensor.split(size, 0));
        parts.resize_with(plain.len(), Each::new);
        let tensors = plain.into_iter().zip(augmented).zip(vectors.into_iter().zip(centroid));
        let mut first = 0;
        for (part, ((plain, augmented), (vectors, centroid))) in parts.iter_mut().zip(tensors) {
            let rows = plain.size()[0];
            let material = views.material.as_ref().map(|all| Material {
                plain: all.plain.narrow(0, first, rows),
                augmented: all.augmented.narrow(0, first, rows),
            });
            first += rows;
            part.insert(*modality, Views { plain, augmented, vectors, centroid, material });
        }
    }
    parts
}

/// The embeddings of all parts, as variables of their own.
fn joined(parts: &[Each<Embeddings>]) -> Each<Embeddings> {
    let join = |of: &dyn Fn(&Each<Embeddings>) -> Tensor| {
        let rows: Vec<Tensor> = parts.iter().map(of).collect();
        Tensor::cat(&rows, 0).to_kind(Kind::Float).detach().set_requires_grad(true)
    };
    let modalities = parts.iter().flat_map(BTreeMap::keys).copied();
    let embeddings = |modality: Modality| {
        let pair = |part: &Each<Embeddings>| part[&modality].intra.is_some();
        let intra = |of: fn(&IntraPair) -> &Tensor| {
            join(&|part| of(part[&modality].intra.as_ref().expect("a pair")).shallow_clone())
        };
        let intra = parts.iter().all(pair).then(|| IntraPair {
            predicted: intra(|pair| &pair.predicted),
            augmented: intra(|pair| &pair.augmented),
        });
        let inter = join(&|part| part[&modality].inter.shallow_clone());
        (modality, Embeddings { intra, inter })
    };
    modalities.map(embeddings).collect()
}

/// Every tensor of `embeddings`, in one order.
fn leaves(embeddings: &Each<Embeddings>) -> Vec<&Tensor> {
    let each = embeddings.values().flat_map(|one| {
        let pair = one.intra.iter().flat_map(|pair| [&pair.predicted, &pair.augmented]);
        pair.chain([&one.inter])
    });
    each.collect()
}

fn rows(embeddings: &Each<Embeddings>) -> i64 {
    embeddings.values().map(|one| one.inter.size()[0]).max().unwrap_or(0)
}
