//! Whether terms pull the networks one way: the cosine between the gradients of groups of terms, on request.
//!
//! Terms whose names begin alike up to the first `_` are a group: `intra_audio` and `intra_visual` are `intra`. Each
//! group hands its gradient back through the networks in a pass of its own, before that of the step, which finds no
//! gradient left behind and is the same to the bit.

use std::collections::BTreeMap;

use anyhow::Context;
use equiav_torch::GradientAverage;
use tch::{Kind, Tensor};

use super::{backward, hand_back};
use crate::clips::DeviceBatch;
use crate::engine::method::{Method, Named, StepContext, Term};
use crate::engine::train_state::TrainState;
use crate::recipe::Shared;

/// Of each group of terms, the gradient of every row by its name; undefined where it has none.
pub(super) type ByGroup = BTreeMap<String, Named>;

/// Below this product of lengths a cosine is 0.
const LEAST: f64 = 1e-300;

/// Whether the cosines are asked for at `step`.
pub(super) fn is_due(step: &StepContext<'_>, recipe: Shared<'_>) -> bool {
    let every = recipe.run.gradient_cosines_every;
    every.is_some_and(|every| (step.step + 1).is_multiple_of(every))
}

/// The gradient by each of `own`'s rows of every group's weighted sum, `scaled` as the loss of the step is; empty where
/// there are no two groups. The graph stays.
pub(super) fn by_group(
    terms: &[Term],
    weights: Option<&BTreeMap<String, f64>>,
    own: &Named,
    scaled: impl Fn(&Tensor) -> Tensor,
) -> anyhow::Result<ByGroup> {
    let mut sums: BTreeMap<&str, Tensor> = BTreeMap::new();
    for term in terms.iter().filter(|term| term.loss.requires_grad()) {
        let group = term.name.split('_').next().unwrap_or(&term.name);
        let loss = term.weighted(weights);
        let sum = match sums.remove(group) {
            Some(sum) => sum + loss,
            None => loss,
        };
        sums.insert(group, sum);
    }
    if sums.len() < 2 {
        return Ok(ByGroup::new());
    }
    let (names, rows): (Vec<&String>, Vec<&Tensor>) =
        own.iter().filter(|(_, rows)| rows.requires_grad()).unzip();
    let gradient = |(group, sum): (&str, Tensor)| {
        let each = Tensor::f_run_backward(&[scaled(&sum)], &rows, true, false)
            .with_context(|| format!("the gradient of the terms `{group}`"))?;
        let mut all: Named = own.keys().map(|name| (name.clone(), Tensor::new())).collect();
        all.extend(names.iter().map(|name| (*name).clone()).zip(each));
        anyhow::Ok((group.to_owned(), all))
    };
    sums.into_iter().map(gradient).collect()
}

/// The cosine between the gradients of every two groups by the variables that the method shares between them and both
/// reach, averaged over ranks, `gradient_cosine_A_B`, each `[]`; nothing without groups.
pub(super) fn measure<M: Method>(
    state: &mut TrainState<M>,
    parts: &[DeviceBatch],
    groups: &ByGroup,
    recipe: Shared<'_>,
) -> anyhow::Result<Named> {
    let mut gradients: Vec<(&str, Vec<Tensor>)> = Vec::new();
    for (group, rows) in groups {
        hand_back(state, parts, rows, recipe)?;
        backward(state, GradientAverage::average)?;
        let optimizer = &mut state.optimizer;
        let all = optimizer.names().iter().zip(optimizer.parameters());
        let shared = all.filter(|(name, _)| state.method.is_shared(name));
        gradients.push((group, shared.map(|(_, variable)| variable.grad()).collect()));
        optimizer.zero_grad();
    }
    let mut cosines = Named::new();
    for (place, (a, of_a)) in gradients.iter().enumerate() {
        for (b, of_b) in &gradients[place + 1..] {
            cosines.extend(cosine(of_a, of_b).map(|cos| (format!("gradient_cosine_{a}_{b}"), cos)));
        }
    }
    Ok(cosines)
}

/// The cosine of two gradients of the same variables, over those of which both have one; none where there is none.
fn cosine(a: &[Tensor], b: &[Tensor]) -> Option<Tensor> {
    let both = a.iter().zip(b).filter(|(a, b)| a.defined() && b.defined());
    let sums = both.map(|(a, b)| {
        let [a, b] = [a, b].map(|gradient| gradient.to_kind(Kind::Double).flatten(0, -1));
        [a.dot(&b), a.dot(&a), b.dot(&b)]
    });
    let [dot, of_a, of_b] = sums.reduce(|sum, next| {
        let [dot, of_a, of_b] = sum;
        [dot + &next[0], of_a + &next[1], of_b + &next[2]]
    })?;
    Some(dot / (of_a * of_b).sqrt().clamp_min(LEAST))
}
