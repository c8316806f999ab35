//! A contrastive loss some rows of scores at a time: memory grows with the batch instead of its square.
//!
//! The graph of the whole loss would hold every score until the backward pass. Here the scores of a chunk are turned
//! into their part of the value and of the gradient at once, and dropped; autograd sees only a linear function of the
//! rows that has this value and this gradient.

use tch::{Kind, Tensor, no_grad_guard};

use super::{Contrast, masked};
use crate::{Temperature, assert_full_precision, unit};

/// Queries that look for their positives among the candidates.
pub(super) struct Search {
    /// Rows of unit length on the caller's graph, `[n, d]`.
    queries: Tensor,
    /// The same, `[m, d]`.
    candidates: Tensor,
    /// Which candidate each query should find, `[n]`.
    own: Tensor,
    /// Which candidates a query is not compared with; see [`contrast`](super::contrast).
    mask: Option<Tensor>,
}

/// The value and the gradient of a [`Search`], without a graph.
///
/// Chunks write into tensors made beforehand. Small tensors that each chunk left behind would lie between the large
/// ones in memory, and the allocator could not use the same place for the next chunk's scores.
struct Outcome {
    /// The loss of each query, `[n, 1]`.
    miss: Tensor,
    /// Whether it found its positive, `[n, 1]`.
    solved: Tensor,
    /// The gradient of the sum of `miss` with respect to the queries, `[n, d]`.
    queries: Tensor,
    /// The same with respect to the candidates, `[m, d]`.
    candidates: Tensor,
}

impl Search {
    pub(super) fn new(
        queries: &Tensor,
        keys: &[&Tensor],
        positives: &Tensor,
        mask: Option<&Tensor>,
    ) -> Self {
        let queries = unit(queries);
        let mut candidates: Vec<Tensor> = keys.iter().map(|keys| unit(keys)).collect();
        let candidates = match candidates.len() {
            1 => candidates.remove(0),
            _ => Tensor::cat(&candidates, 0), // [m, d]
        };
        let (own, mask) = (positives.shallow_clone(), mask.map(Tensor::shallow_clone));
        Self { queries, candidates, own, mask }
    }

    /// The mean over the queries, with its gradient attached.
    #[track_caller]
    pub(super) fn run(&self, tau: Temperature<'_>, chunk: i64) -> Contrast {
        assert!(chunk > 0, "contrast: chunks of {chunk} rows hold nothing");
        let n = self.queries.size()[0];
        let Outcome { miss, solved, queries, candidates } = self.outcome(tau, chunk);
        // A linear function of the rows that is 0 here and has the gradient that was found.
        let mut linear = (&self.queries * &queries).sum(None);
        if let Temperature::Learned(tau) = tau {
            // A score is its cosine over tau, so Σ ∂/∂score · score = ⟨queries, their gradient⟩.
            let tau = tau.to_kind(linear.kind()).reshape([0i64; 0]);
            let slope = -linear.detach() / tau.detach();
            linear += tau * slope;
        }
        linear += (&self.candidates * &candidates).sum(None);
        let attached = miss.sum(None) + (&linear - linear.detach());
        Contrast { loss: attached / n, top1: solved.to_kind(Kind::Float).mean(None) }
    }

    /// Value and gradient, chunk by chunk.
    #[track_caller]
    fn outcome(&self, tau: Temperature<'_>, chunk: i64) -> Outcome {
        let _no_grad = no_grad_guard(); // ends with a panic too, unlike `no_grad`
        let n = self.queries.size()[0];
        let column = self.queries.new_empty([n, 1], (self.queries.kind(), self.queries.device()));
        let mut outcome = Outcome {
            solved: column.to_kind(Kind::Bool),
            miss: column,
            queries: self.queries.empty_like(),
            candidates: self.candidates.zeros_like(),
        };
        for first in (0..n).step_by(usize::try_from(chunk).expect("above 0")) {
            let rows = chunk.min(n - first);
            self.chunk(tau, &|whole| whole.narrow(0, first, rows), &mut outcome);
        }
        outcome
    }

    /// Does one chunk's share of `outcome`.
    #[track_caller]
    fn chunk(&self, tau: Temperature<'_>, part: &dyn Fn(&Tensor) -> Tensor, outcome: &mut Outcome) {
        let sharp = tau.divide(&part(&self.queries)); // [rows, d]
        let own = part(&self.own).unsqueeze(1); // [rows, 1]
        let scores = self.scores(&sharp, self.mask.as_ref().map(part));
        let (largest, place) = scores.max_dim(-1, true);
        let softmax = scores.softmax(-1, None); // [rows, m]
        // log Σ exp, by way of the largest score, whose chance never vanishes
        let total = largest - softmax.gather(1, &place, false).log();
        part(&outcome.miss).copy_(&(total - scores.gather(1, &own, false)));
        part(&outcome.solved).copy_(&place.eq_tensor(&own));
        drop(scores);
        let slopes = slopes(softmax, &own);
        part(&outcome.queries).copy_(&tau.divide(&slopes.matmul(&self.candidates)));
        let _ = outcome.candidates.addmm_(&slopes.tr(), &sharp);
    }

    /// The scores of some queries, divided by the temperature already, with all candidates, `[rows, m]`;
    /// masked ones take part in no softmax.
    #[track_caller]
    fn scores(&self, sharp: &Tensor, mask: Option<Tensor>) -> Tensor {
        let scores = sharp.matmul(&self.candidates.tr());
        assert_full_precision(&scores, sharp);
        match mask {
            Some(mask) => masked(scores, &mask),
            None => scores,
        }
    }
}

/// The gradient of `−log softmax[i, own[i]]` with respect to the scores, in the place of `softmax`:
/// the same, less 1 at the positive.
fn slopes(mut softmax: Tensor, own: &Tensor) -> Tensor {
    let less = -own.ones_like().to_kind(softmax.kind());
    softmax.scatter_add_(1, own, &less)
}
