//! A batch's way through the network and back: whole, or in parts that give the whole batch's gradient.
//!
//! Contrastive losses compare all rows of a batch, so gradients of parts cannot simply be added. In
//! parts, a first pass without gradient collects the embeddings, the losses of all of them give the
//! gradient of each, and a second pass hands these back part by part (Gao et al., arXiv 2101.06983).

use std::collections::BTreeMap;

use equiav_augment::Modality;
use equiav_models::{Embeddings, IntraPair, Material, Views};
use equiav_torch::{GradientAverage, GroupError, LossScaler};
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
    let terms = losses(learner, &embeddings, recipe)?;
    let scaled = scaled(&terms.total, learner.scaler.as_ref());
    backward(learner, |gradients| {
        if recipe.compute.recompute_blocks {
            // Blocks that are computed twice hide their variables from what looks ahead for them.
            gradients.accumulate(&scaled)?;
            gradients.average()
        } else {
            gradients.backward(&scaled)
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
    let terms = losses(learner, &whole, recipe)?;
    let scaled = scaled(&terms.total, learner.scaler.as_ref());
    backward(learner, |gradients| gradients.accumulate(&scaled))?;
    let mut first = 0;
    for part in &parts {
        let embeddings = forward(learner, part);
        let rows = rows(&embeddings);
        // The gradient of this sum is the gradient of the losses by these rows.
        let sums = leaves(&embeddings).into_iter().zip(leaves(&whole)).filter_map(|(own, all)| {
            let gradient = all.grad();
            gradient.defined().then(|| (own * gradient.narrow(0, first, rows)).sum(Kind::Float))
        });
        if let Some(sum) = sums.reduce(|sum, next| sum + next) {
            backward(learner, |gradients| gradients.accumulate(&sum))?;
        }
        first += rows;
    }
    backward(learner, GradientAverage::average)?;
    Ok(terms)
}

fn losses(
    learner: &Learner,
    embeddings: &Each<Embeddings>,
    recipe: &Settings,
) -> Result<Terms, GroupError> {
    let (network, group) = (&learner.network, &learner.processes.group);
    let device = network.store.device();
    let gather = || Everyone::gather(group, embeddings, recipe);
    let everyone = phase::at(Phase::Gather, device, gather)?;
    let temperature = network.temperature();
    // PUBLISHED: losses-in-autocast, the published losses are computed within the region that narrows products.
    Ok(phase::at(Phase::Losses, device, || {
        objective::terms(embeddings, &everyone, temperature.as_ref(), recipe)
    }))
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
