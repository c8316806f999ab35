//! The terms of a step: weighed and summed on the graph, then read as plain numbers.

use std::collections::BTreeMap;

use anyhow::Context;
use equiav_torch::GroupError;
use tch::{Kind, Tensor};

use super::method::{Named, Term};
use crate::callback::Figures;
use crate::distributed::World;

/// The terms of one step, still on the graph.
#[derive(Debug)]
pub struct Terms {
    /// The weighted sum, to be differentiated, `[]`.
    pub total: Tensor,
    /// Each term.
    pub each: Vec<Term>,
    /// What is logged beside them, without gradient, each `[]`.
    pub measures: Named,
}

impl Terms {
    /// Sums `each`, weighed by its name; a term that `weights` do not name weighs 1.
    ///
    /// # Errors
    ///
    /// If there is no term.
    pub fn new(
        each: Vec<Term>,
        weights: Option<&BTreeMap<String, f64>>,
        measures: Named,
    ) -> anyhow::Result<Self> {
        let weighted = each.iter().map(|term| term.weighted(weights));
        let total = weighted.reduce(|sum, term| sum + term).context("the method has no term")?;
        Ok(Self { total, each, measures })
    }

    /// The numbers, and those of `more` scalars; waits for the device, once for all.
    pub fn figures<const N: usize>(&self, more: [&Tensor; N]) -> (Figures, [f64; N]) {
        let accuracy =
            |term: &Term| Some((term.name.clone(), term.accuracy.as_ref()?.shallow_clone()));
        let accuracies: Vec<(String, Tensor)> = self.each.iter().filter_map(accuracy).collect();
        let each = self.each.iter().map(|term| &term.loss);
        let each = each.chain(accuracies.iter().map(|(_, value)| value));
        let all = more.into_iter().chain([&self.total]).chain(each).chain(self.measures.values());
        let all: Vec<Tensor> =
            all.map(|value| value.detach().to_kind(Kind::Double).reshape([1i64])).collect();
        let numbers = Vec::<f64>::try_from(Tensor::cat(&all, 0)).expect("a row of doubles");
        let mut numbers = numbers.into_iter();
        let mut next = || numbers.next().expect("as many as were asked for");
        let more = more.map(|_| next());
        let loss = next();
        let terms = self.each.iter().map(|term| (term.name.clone(), next())).collect();
        let accuracies = accuracies.into_iter().map(|(name, _)| (name, next())).collect();
        let measures = self.measures.keys().map(|name| (name.clone(), next())).collect();
        (Figures { loss, terms, accuracies, measures }, more)
    }
}

impl Term {
    /// Its loss times its weight, on the graph.
    pub(super) fn weighted(&self, weights: Option<&BTreeMap<String, f64>>) -> Tensor {
        let weight = weights.and_then(|weights| weights.get(&self.name)).copied();
        &self.loss * weight.unwrap_or(1.0)
    }
}

impl Figures {
    /// The mean over all ranks, each of which has its own part of one batch.
    pub(super) fn average(&mut self, world: &World) -> Result<(), GroupError> {
        let named = [&mut self.terms, &mut self.accuracies, &mut self.measures];
        let named = named.into_iter().flat_map(BTreeMap::values_mut);
        let mut all: Vec<&mut f64> = [&mut self.loss].into_iter().chain(named).collect();
        let mut numbers: Vec<f64> = all.iter().map(|number| **number).collect();
        world.mean(&mut numbers, "figures")?;
        all.iter_mut().zip(numbers).for_each(|(number, mean)| **number = mean);
        Ok(())
    }
}
