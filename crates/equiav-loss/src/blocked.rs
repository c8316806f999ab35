//! Both losses a block of rows at a time: the same numbers in memory that grows with the batch instead
//! of its square.

use tch::{Kind, Tensor, no_grad};

use crate::{Contrast, Keys, Temperature, assert_full_precision, own_columns, rows, unit};

/// [`info_nce`](crate::info_nce) in blocks of `rows_per_block` rows of this rank.
///
/// The plain loss keeps all `n · N` scores of either direction for the backward pass. This one holds
/// the scores of one block at a time: it computes the gradient together with the value, without a
/// graph, and gives a loss whose backward pass hands on what was found. Both agree up to rounding.
/// All work is in the call; under `no_grad` half of it is wasted. Second derivatives are not to be
/// had: they would be those of a linear function.
///
/// # Shapes
///
/// - `a`, `b`: `[n, d]`, this rank's rows, of any length
/// - `keys.a`, `keys.b`: `[N, d]`, with `a` and `b` as their rows `first .. first + n`
///
/// # Panics
///
/// If the sizes differ from those, `rows_per_block` is below 1, a fixed `tau` is not above 0, or inside
/// an autocast region.
#[track_caller]
pub fn info_nce_blocked<'t>(
    a: &Tensor,
    b: &Tensor,
    keys: &Keys,
    tau: impl Into<Temperature<'t>>,
    rows_per_block: i64,
) -> Contrast {
    let own = own_columns(rows("info_nce_blocked", a, b, keys), keys);
    let search = |queries: &Tensor, keys: &Tensor| Search {
        queries: unit(queries),
        candidates: unit(keys),
        own: own.shallow_clone(),
        itself: None,
    };
    both_ways([search(a, &keys.b), search(b, &keys.a)], tau.into(), rows_per_block)
}

/// [`nt_xent`](crate::nt_xent) in blocks of `rows_per_block` rows of this rank.
///
/// What that means is said at [`info_nce_blocked`].
///
/// # Shapes
///
/// - `predicted`, `augmented`: `[n, d]`, this rank's rows, of any length
/// - `keys.a`, `keys.b`: `[N, d]`, with `predicted` and `augmented` as their rows `first .. first + n`
///
/// # Panics
///
/// If the sizes differ from those, `rows_per_block` is below 1, a fixed `tau` is not above 0, or inside
/// an autocast region.
#[track_caller]
pub fn nt_xent_blocked<'t>(
    predicted: &Tensor,
    augmented: &Tensor,
    keys: &Keys,
    tau: impl Into<Temperature<'t>>,
    rows_per_block: i64,
) -> Contrast {
    let own = own_columns(rows("nt_xent_blocked", predicted, augmented, keys), keys);
    let search = |queries: &Tensor, across: &Tensor, within: &Tensor| Search {
        queries: unit(queries),
        candidates: Tensor::cat(&[unit(across), unit(within)], 0), // [2N, d]
        own: own.shallow_clone(),
        itself: Some(&own + across.size()[0]),
    };
    let forth = search(predicted, &keys.b, &keys.a);
    let back = search(augmented, &keys.a, &keys.b);
    both_ways([forth, back], tau.into(), rows_per_block)
}

/// One direction of a loss: each query looks for its positive among the candidates.
struct Search {
    /// Rows of unit length on the caller's graph, `[n, d]`.
    queries: Tensor,
    /// The same, `[m, d]`.
    candidates: Tensor,
    /// Which candidate each query should find, `[n]`.
    own: Tensor,
    /// Which candidate a query itself is, `[n]`, and no candidate of its own.
    itself: Option<Tensor>,
}

/// What a [`Search`] came to, without a graph.
struct Outcome {
    /// Sums over the queries, `[]` each.
    miss: Tensor,
    solved: Tensor,
    /// The gradient of `miss` with respect to the queries, `[n, d]`.
    queries: Tensor,
    /// The gradient of `miss` with respect to the candidates, `[m, d]`.
    candidates: Tensor,
}

/// The mean of both directions; `top1` of the first.
#[track_caller]
fn both_ways(searches: [Search; 2], tau: Temperature<'_>, rows_per_block: i64) -> Contrast {
    assert!(rows_per_block > 0, "blocks of {rows_per_block} rows hold nothing");
    let [forth, back] = searches.map(|search| search.run(tau, rows_per_block));
    Contrast { loss: (forth.loss + back.loss) / 2, top1: forth.top1 }
}

impl Search {
    /// The mean over the queries, with its gradient attached.
    #[track_caller]
    fn run(&self, tau: Temperature<'_>, rows_per_block: i64) -> Contrast {
        let n = self.queries.size()[0];
        let Outcome { miss, solved, queries, candidates } =
            no_grad(|| self.outcome(tau, rows_per_block));
        // A linear function of the rows that is 0 here and has the gradient that was found.
        let mut linear = (&self.queries * &queries).sum(None);
        if let Temperature::Learned(tau) = tau {
            // A score is its cosine over tau, so Σ ∂/∂score · score = ⟨queries, their gradient⟩.
            let tau = tau.to_kind(linear.kind()).reshape([0i64; 0]);
            let slope = -linear.detach() / tau.detach();
            linear += tau * slope;
        }
        linear += (&self.candidates * &candidates).sum(None);
        let attached = miss + (&linear - linear.detach());
        Contrast { loss: attached / n, top1: (solved / n).to_kind(Kind::Float) }
    }

    /// Value and gradient, block by block.
    #[track_caller]
    fn outcome(&self, tau: Temperature<'_>, rows_per_block: i64) -> Outcome {
        let n = self.queries.size()[0];
        let mut candidates = self.candidates.zeros_like();
        let (mut misses, mut solved, mut queries) = (Vec::new(), Vec::new(), Vec::new());
        for first in (0..n).step_by(usize::try_from(rows_per_block).expect("above 0")) {
            let block = |tensor: &Tensor| tensor.narrow(0, first, rows_per_block.min(n - first));
            let sharp = tau.divide(&block(&self.queries)); // [rows, d]
            let own = block(&self.own).unsqueeze(1); // [rows, 1]
            let scores = self.scores(&sharp, self.itself.as_ref().map(block));
            solved.push(scores.argmax(-1, true).eq_tensor(&own).sum(None));
            let logarithms = scores.log_softmax(-1, None); // [rows, m]
            drop(scores);
            misses.push(-logarithms.gather(1, &own, false).sum(None));
            let slopes = slopes(logarithms, &own);
            queries.push(tau.divide(&slopes.matmul(&self.candidates)));
            candidates = candidates.addmm_(&slopes.tr(), &sharp);
        }
        let sum = |sums: &[Tensor]| Tensor::stack(sums, 0).sum(None);
        let (miss, solved) = (sum(&misses), sum(&solved));
        Outcome { miss, solved, queries: Tensor::cat(&queries, 0), candidates }
    }

    /// The scores of some queries, divided by the temperature already, with all candidates, `[rows, m]`;
    /// those with `itself` take part in no softmax.
    #[track_caller]
    fn scores(&self, sharp: &Tensor, itself: Option<Tensor>) -> Tensor {
        let mut scores = sharp.matmul(&self.candidates.tr());
        assert_full_precision(&scores, sharp);
        match itself {
            Some(itself) => scores.scatter_value_(1, &itself.unsqueeze(1), f64::NEG_INFINITY),
            None => scores,
        }
    }
}

/// The gradient of `−logarithms[i, own[i]]` with respect to the scores, in the place of `logarithms`:
/// the softmax, less 1 at the positive.
fn slopes(mut logarithms: Tensor, own: &Tensor) -> Tensor {
    let mut softmax = logarithms.exp_();
    let less = -own.ones_like().to_kind(softmax.kind());
    softmax.scatter_add_(1, own, &less)
}
