//! A batch in parts whose rows do not see each other, as of a classifier: one pass through the networks does, in which
//! each part has terms of its own, weighed by its share of the rows.

use anyhow::Context;
use equiav_torch::GradientAverage;
use tch::Tensor;

use super::{backward, embed, handed_on, leaves, terms};
use crate::engine::method::{Method, StepContext, Term};
use crate::engine::terms::Terms;
use crate::engine::train_state::TrainState;
use crate::recipe::Shared;

/// As the pass of a whole batch, of one whose rows do not see each other.
pub(super) fn backward_pass<M: Method>(
    state: &mut TrainState<M>,
    step: &StepContext<'_>,
    size: i64,
    recipe: Shared<'_>,
) -> anyhow::Result<Terms> {
    let clips = step.batch.len() as f64;
    let mut sum: Option<Terms> = None;
    for part in step.batch.split(size) {
        let share = part.len() as f64 / clips;
        let step = StepContext { batch: &part, ..*step };
        let outputs = embed(state, &part, recipe)?;
        let own = leaves(std::slice::from_ref(&outputs));
        let (terms, _) = terms(state, &own, &step, recipe, share)?;
        let pairs = outputs.iter().map(|(name, output)| (output, own[name].grad()));
        if let Some(sum) = handed_on(pairs) {
            backward(state, |gradients| gradients.accumulate(&sum))?;
        }
        let terms = terms.scaled(share);
        sum = Some(match sum {
            None => terms,
            Some(before) => before.plus(terms),
        });
    }
    backward(state, GradientAverage::average)?;
    sum.context("a batch has a clip")
}

impl Terms {
    /// Every number times `share`, without graph.
    fn scaled(self, share: f64) -> Self {
        let times = |value: Tensor| value.detach() * share;
        let each = self.each.into_iter().map(|term| Term {
            name: term.name,
            loss: times(term.loss),
            accuracy: term.accuracy.map(times),
        });
        Self {
            total: times(self.total),
            each: each.collect(),
            measures: self.measures.into_iter().map(|(name, value)| (name, times(value))).collect(),
        }
    }

    /// The sums of both's numbers, which have the same names.
    fn plus(self, other: Self) -> Self {
        let sum = |(a, b): (Term, Term)| Term {
            name: a.name,
            loss: a.loss + b.loss,
            accuracy: a.accuracy.zip(b.accuracy).map(|(a, b)| a + b),
        };
        let measures = self.measures.into_iter().zip(other.measures);
        Self {
            total: self.total + other.total,
            each: self.each.into_iter().zip(other.each).map(sum).collect(),
            measures: measures.map(|((name, a), (_, b))| (name, a + b)).collect(),
        }
    }
}
