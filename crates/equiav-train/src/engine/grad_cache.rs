//! A batch's way through the networks and back: whole, or in parts that give the whole batch's gradient.
//!
//! The terms give the gradient of each embedding, which is then handed back through the networks. In parts, a
//! first pass without graph collects the embeddings, for contrastive losses compare all rows of a batch, and a
//! second pass hands gradients back part by part (GradCache: Gao et al., arXiv 2101.06983).

mod cosines;
mod independent;

use anyhow::Context;
use cosines::ByGroup;
use equiav_torch::{FullPrecision, GradientAverage, GroupError};
use tch::{Kind, Tensor};

use super::compute::narrowed;
use super::gather::{Gathered, rows};
use super::method::{Method, Named, StepContext};
use super::profiler::{self, Phase};
use super::terms::Terms;
use super::train_state::TrainState;
use crate::clips::DeviceBatch;
use crate::recipe::Shared;

/// Computes the terms of a batch and adds their gradient, times the loss scale and averaged over all ranks, to every
/// variable of the method.
pub(super) fn backward_pass<M: Method>(
    state: &mut TrainState<M>,
    step: &StepContext<'_>,
    recipe: Shared<'_>,
) -> anyhow::Result<Terms> {
    let clips = step.batch.len();
    let part = recipe.run.micro_batch.map_or(clips, |size| size as i64);
    match part < clips {
        false => whole(state, step, recipe),
        true if state.method.rows_are_independent() => {
            independent::backward_pass(state, step, part, recipe)
        }
        true => in_parts(state, step, part, recipe),
    }
}

fn whole<M: Method>(
    state: &mut TrainState<M>,
    step: &StepContext<'_>,
    recipe: Shared<'_>,
) -> anyhow::Result<Terms> {
    let outputs = embed(state, step.batch, recipe)?;
    let own = leaves(std::slice::from_ref(&outputs));
    let (mut terms, groups) = terms(state, &own, step, recipe, 1.0)?;
    let parts = std::slice::from_ref(step.batch);
    terms.measures.extend(cosines::measure(state, parts, &groups, recipe)?);
    let sum = handed_on(outputs.iter().map(|(name, output)| (output, own[name].grad())));
    let sum = sum.context("no embedding has a gradient")?;
    backward(state, |gradients| {
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

fn in_parts<M: Method>(
    state: &mut TrainState<M>,
    step: &StepContext<'_>,
    size: i64,
    recipe: Shared<'_>,
) -> anyhow::Result<Terms> {
    let parts = step.batch.split(size);
    let seen: Vec<Named> = tch::no_grad(|| {
        parts.iter().map(|part| embed(state, part, recipe)).collect::<anyhow::Result<_>>()
    })?;
    let own = leaves(&seen);
    let (mut terms, groups) = terms(state, &own, step, recipe, 1.0)?;
    terms.measures.extend(cosines::measure(state, &parts, &groups, recipe)?);
    let gradients = own.iter().map(|(name, rows)| (name.clone(), rows.grad())).collect();
    hand_back(state, &parts, &gradients, recipe)?;
    backward(state, GradientAverage::average)?;
    Ok(terms)
}

/// Hands `gradients`, those of the rows of all `parts`, back through the networks; they add up on this rank alone.
fn hand_back<M: Method>(
    state: &mut TrainState<M>,
    parts: &[DeviceBatch],
    gradients: &Named,
    recipe: Shared<'_>,
) -> anyhow::Result<()> {
    let mut first = 0;
    for part in parts {
        let outputs = embed(state, part, recipe)?;
        let count = rows(&outputs);
        let gradient = |name: &str| match gradients[name].shallow_clone() {
            gradient if !gradient.defined() => gradient,
            // A number that the terms use is one for all parts: the first hands its gradient back.
            gradient if gradient.dim() == 0 && first > 0 => Tensor::new(),
            gradient if gradient.dim() == 0 => gradient,
            gradient => gradient.narrow(0, first, count),
        };
        let pairs = outputs.iter().map(|(name, output)| (output, gradient(name)));
        if let Some(sum) = handed_on(pairs) {
            backward(state, |gradients| gradients.accumulate(&sum))?;
        }
        first += count;
    }
    Ok(())
}

/// What `batch` becomes, in the precision that networks compute in.
fn embed<M: Method>(
    state: &TrainState<M>,
    batch: &DeviceBatch,
    recipe: Shared<'_>,
) -> anyhow::Result<Named> {
    let device = state.device();
    let _span = profiler::span(Phase::Forward, device);
    narrowed(device, recipe.compute.precision, || state.method.embed(batch))
}

/// Computes the terms of `own` and adds their gradient, times the loss scale and `share`, to these, which are
/// variables of their own: so that its products are as exact as those of the terms, whatever networks compute in. Beside
/// them the gradient of each group of terms, where that is asked for at this step.
fn terms<M: Method>(
    state: &mut TrainState<M>,
    own: &Named,
    step: &StepContext<'_>,
    recipe: Shared<'_>,
    share: f64,
) -> anyhow::Result<(Terms, ByGroup)> {
    // Cosines that differ by little decide, and the temperature sharpens their differences.
    let _full = FullPrecision::new()?;
    let (device, group) = (state.device(), state.world.group.clone());
    let policy = |name: &str| state.method.gather(name);
    let gathering = profiler::span(Phase::Gather, device);
    let all = Gathered::gather(&group, own, policy)?;
    drop(gathering);
    // PUBLISHED: losses-in-autocast, the published losses are computed within the region that narrows products.
    let computing = profiler::span(Phase::Losses, device);
    let each = state.method.terms(own, &all, step)?;
    let measures = tch::no_grad(|| state.method.measures(own));
    let terms = Terms::new(each, recipe.weights, measures)?;
    drop(computing);
    let scaled = |loss: &Tensor| match &state.scaler {
        Some(scaler) => scaler.scale(loss),
        None => loss.shallow_clone(),
    };
    let groups = match cosines::is_due(step, recipe) {
        true => cosines::by_group(&terms.each, recipe.weights, own, scaled)?,
        false => ByGroup::new(),
    };
    let loss = if share == 1.0 { terms.total.shallow_clone() } else { &terms.total * share };
    let loss = scaled(&loss);
    backward(state, |gradients| gradients.accumulate(&loss))?;
    Ok((terms, groups))
}

/// A sum whose gradient by each output is the one beside it; nothing where none is defined.
fn handed_on<'a>(pairs: impl Iterator<Item = (&'a Tensor, Tensor)>) -> Option<Tensor> {
    let defined = pairs.filter(|(_, gradient)| gradient.defined());
    let sums = defined.map(|(output, gradient)| (output * gradient).sum(Kind::Float));
    sums.reduce(|sum, next| sum + next)
}

fn backward<M: Method>(
    state: &mut TrainState<M>,
    work: impl FnOnce(&mut GradientAverage) -> Result<(), GroupError>,
) -> Result<(), GroupError> {
    let _span = profiler::span(Phase::Backward, state.device());
    work(&mut state.gradients)
}

/// The rows of all parts by name, as variables of their own, in fp32 but for those that count.
fn leaves(parts: &[Named]) -> Named {
    let leaf = |name: &String| {
        let of = |part: &Named| part[name].shallow_clone();
        let rows = match parts[0][name].dim() {
            0 => of(&parts[0]),
            _ => Tensor::cat(&parts.iter().map(of).collect::<Vec<_>>(), 0),
        };
        match rows.kind() {
            Kind::Double => rows.detach().set_requires_grad(true),
            Kind::Float | Kind::Half | Kind::BFloat16 => {
                rows.to_kind(Kind::Float).detach().set_requires_grad(true)
            }
            _ => rows.detach(),
        }
    };
    parts[0].keys().map(|name| (name.clone(), leaf(name))).collect()
}
