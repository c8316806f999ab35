//! Both losses a block of rows at a time: the same numbers in memory that grows with the batch instead
//! of its square.

use tch::{Kind, Tensor, no_grad_guard};

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
///
/// Blocks write into tensors made beforehand: small ones left behind by each would lie between the
/// large ones, and the C library would find no room twice in the same place.
struct Outcome {
    /// What each query misses, `[n, 1]`.
    miss: Tensor,
    /// Whether it found its positive, `[n, 1]`.
    solved: Tensor,
    /// The gradient of the sum of `miss` with respect to the queries, `[n, d]`.
    queries: Tensor,
    /// The same with respect to the candidates, `[m, d]`.
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
        let Outcome { miss, solved, queries, candidates } = self.outcome(tau, rows_per_block);
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

    /// Value and gradient, block by block.
    #[track_caller]
    fn outcome(&self, tau: Temperature<'_>, rows_per_block: i64) -> Outcome {
        let _no_grad = no_grad_guard(); // ends with a panic too, unlike `no_grad`
        let n = self.queries.size()[0];
        let column = self.queries.new_empty([n, 1], (self.queries.kind(), self.queries.device()));
        let mut outcome = Outcome {
            solved: column.to_kind(Kind::Bool),
            miss: column,
            queries: self.queries.empty_like(),
            candidates: self.candidates.zeros_like(),
        };
        for first in (0..n).step_by(usize::try_from(rows_per_block).expect("above 0")) {
            let rows = rows_per_block.min(n - first);
            self.block(tau, &|whole| whole.narrow(0, first, rows), &mut outcome);
        }
        outcome
    }

    /// Does one block's share of `outcome`.
    #[track_caller]
    fn block(&self, tau: Temperature<'_>, part: &dyn Fn(&Tensor) -> Tensor, outcome: &mut Outcome) {
        let sharp = tau.divide(&part(&self.queries)); // [rows, d]
        let own = part(&self.own).unsqueeze(1); // [rows, 1]
        let scores = self.scores(&sharp, self.itself.as_ref().map(part));
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

/// The gradient of `−log softmax[i, own[i]]` with respect to the scores, in the place of `softmax`:
/// the same, less 1 at the positive.
fn slopes(mut softmax: Tensor, own: &Tensor) -> Tensor {
    let less = -own.ones_like().to_kind(softmax.kind());
    softmax.scatter_add_(1, own, &less)
}
