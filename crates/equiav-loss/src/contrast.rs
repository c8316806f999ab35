//! The base of the contrastive losses: each query finds its positive among all keys.

mod chunked;

use tch::{Kind, Reduction, Tensor};

use self::chunked::Search;
use crate::{Temperature, assert_full_precision, unit};

/// A loss and how often its task was solved.
#[derive(Debug)]
pub struct Contrast {
    /// The loss, a scalar with gradient, of natural logarithms; never below 0.
    pub loss: Tensor,
    /// The share of the queries whose most similar key is their positive, a scalar in [0, 1] without gradient. The
    /// published logs hold 100 times this.
    pub top1: Tensor,
}

impl Contrast {
    /// The mean loss of both directions; `top1` of the first, as the published logs have it.
    pub(crate) fn both_ways([forth, back]: [Self; 2]) -> Self {
        Self { loss: (forth.loss + back.loss) / 2, top1: forth.top1 }
    }
}

/// Cross-entropy of the cosines of `queries` and `keys` over a temperature, one direction.
///
/// ```text
/// s(i, j) = ⟨qᵢ, kⱼ⟩ / (‖qᵢ‖ ‖kⱼ‖ tau)
/// loss    = meanᵢ −log ( exp s(i, pᵢ) / Σⱼ exp s(i, j) )      p: positives;  j: all keys that are not masked
/// ```
///
/// [`info_nce`](crate::info_nce) and [`nt_xent`](crate::nt_xent) are the mean of two of these. A loss of one's own
/// chooses other keys, positives and masks.
///
/// # Memory
///
/// Without a `chunk`, the `n · m` scores are held for the backward pass. With one, that many rows of scores are held
/// at a time: the call computes value and gradient together, without a graph, and returns a loss whose backward pass
/// passes that gradient on. Both agree up to rounding. Under `no_grad` a chunked call computes gradients in vain,
/// and its second derivatives are those of a linear function.
///
/// # Shapes
///
/// - `queries`: `[n, d]`, of any length
/// - `keys`: one tensor `[m, d]` or several, whose rows count as one list of `m`; of any length
/// - `positives`: `[n]`, 64-bit integers: which key each query should find
/// - `mask`: the keys that a query is not compared with: `[n, m]` of booleans, true for each of them, or `[n, k]` of
///   64-bit integers, their positions, which need less memory; a positive must not be masked
/// - `chunk`: rows of scores to hold at a time
///
/// # Panics
///
/// If the sizes or kinds differ from those, there is no row, `chunk` is below 1, a fixed `tau` is not above 0, or
/// inside an autocast region.
#[track_caller]
pub fn contrast<'t>(
    queries: &Tensor,
    keys: &[&Tensor],
    positives: &Tensor,
    tau: impl Into<Temperature<'t>>,
    mask: Option<&Tensor>,
    chunk: Option<i64>,
) -> Contrast {
    check(queries, keys, positives, mask);
    let tau = tau.into();
    match chunk {
        None => whole(queries, keys, positives, tau, mask),
        Some(chunk) => Search::new(queries, keys, positives, mask).run(tau, chunk),
    }
}

#[track_caller]
fn whole(
    queries: &Tensor,
    keys: &[&Tensor],
    positives: &Tensor,
    tau: Temperature<'_>,
    mask: Option<&Tensor>,
) -> Contrast {
    // One product for each tensor of keys, not one for all: a library adds in an order that depends on the size of
    // the matrices, and published runs are followed to the bit.
    let mut scores: Vec<Tensor> = keys.iter().map(|keys| cosines(queries, keys, tau)).collect();
    let mut scores = match scores.len() {
        1 => scores.remove(0),
        _ => Tensor::cat(&scores, 1), // [n, m]
    };
    if let Some(mask) = mask {
        scores = masked(scores, mask);
    }
    let loss = scores.cross_entropy_loss(positives, None::<&Tensor>, Reduction::Mean, -100, 0.0);
    Contrast { loss, top1: top1(&scores, positives) }
}

/// The cosines of `queries` with `keys` over the temperature, `[n, m]`.
#[track_caller]
fn cosines(queries: &Tensor, keys: &Tensor, tau: Temperature<'_>) -> Tensor {
    let (queries, keys) = (unit(queries), unit(keys));
    let cosines = queries.matmul(&keys.tr());
    assert_full_precision(&cosines, &queries);
    tau.divide(&cosines)
}

/// `scores` in which the masked keys take part in no softmax; see [`contrast`] for both kinds of mask.
fn masked(mut scores: Tensor, mask: &Tensor) -> Tensor {
    match mask.kind() {
        Kind::Bool => scores.masked_fill_(mask, f64::NEG_INFINITY),
        _ => scores.scatter_value_(1, mask, f64::NEG_INFINITY),
    }
}

/// The share of the rows of `scores` that are largest at `positives`.
pub(crate) fn top1(scores: &Tensor, positives: &Tensor) -> Tensor {
    scores.detach().argmax(-1, false).eq_tensor(positives).to_kind(Kind::Float).mean(Kind::Float)
}

#[track_caller]
fn check(queries: &Tensor, keys: &[&Tensor], positives: &Tensor, mask: Option<&Tensor>) {
    let [n, d] = queries.size()[..] else {
        panic!("contrast: queries are [n, d], not {:?}", queries.size())
    };
    let mut m = 0;
    for keys in keys {
        let [rows, width] = keys.size()[..] else {
            panic!("contrast: keys are [m, d], not {:?}", keys.size())
        };
        assert_eq!(width, d, "contrast: keys and queries differ in width");
        m += rows;
    }
    assert!(
        n > 0 && d > 0 && m > 0,
        "contrast: {n} queries and {m} keys of width {d} hold nothing"
    );
    let fits = (positives.size(), positives.kind()) == (vec![n], Kind::Int64);
    assert!(fits, "contrast: positives are [{n}] of 64-bit integers, not {positives:?}");
    let Some(mask) = mask else { return };
    let fits = match (mask.kind(), &mask.size()[..]) {
        (Kind::Bool, size) => size == [n, m],
        (kind, size) => kind == Kind::Int64 && matches!(size, [rows, _] if *rows == n),
    };
    assert!(
        fits,
        "contrast: a mask is [{n}, {m}] of booleans or [{n}, k] of positions, not {mask:?}"
    );
}
