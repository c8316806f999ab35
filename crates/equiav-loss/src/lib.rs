//! The losses of EquiAV as functions of tensors; they own no weights and gather no keys.
//!
//! The two contrastive ones, [`info_nce`] and [`nt_xent`], compare the rows of this rank with [`Keys`]: the rows of
//! all ranks, which the caller has gathered, with or without gradient. A rank's loss is the mean over its own rows,
//! so the mean over equally large ranks is the loss of one process that holds all rows. Where the scores of a whole
//! batch do not fit into memory, give a `chunk`. Both stand on [`contrast`], as a loss of one's own can.
//!
//! [`token_nce`] compares sounds with the tokens of pictures instead of with pictures as wholes.
//!
//! Everything is computed in 32-bit floats (64-bit if the rows are that already), whatever the kind
//! of the rows. Call the losses outside any autocast region: products narrowed by one are refused.

mod classification;
mod contrast;
mod geometry;
mod info_nce;
mod nt_xent;
mod temperature;
mod token_nce;

pub use classification::{binary_cross_entropy, cross_entropy};
pub use contrast::{Contrast, contrast};
pub use geometry::{alignment, uniformity};
pub use info_nce::info_nce;
pub use nt_xent::nt_xent;
pub use temperature::Temperature;
pub use token_nce::{TokenKeys, TokenPool, UnseenSounds, token_nce};

use tch::{Kind, Tensor};

/// The temperature of the published runs (arXiv 2403.09502).
pub const DEFAULT_TEMPERATURE: f64 = 0.07;

/// The shortest length a row is divided by; a row of zeros stays one. As in PyTorch's `normalize`.
const SHORTEST_ROW: f64 = 1e-12;

/// What the rows of this rank are compared with: the rows of all ranks.
#[derive(Debug)]
pub struct Keys {
    /// All rows of the first kind, `[N, d]`.
    pub a: Tensor,
    /// All rows of the second kind, `[N, d]`.
    pub b: Tensor,
    /// Which row of `a` and `b` is this rank's first.
    pub first: i64,
}

impl Keys {
    /// The keys of a lone process: its own rows, with their gradient.
    ///
    /// # Shapes
    ///
    /// - `a`, `b`: `[n, d]`
    pub fn own(a: &Tensor, b: &Tensor) -> Self {
        Self { a: a.shallow_clone(), b: b.shallow_clone(), first: 0 }
    }
}

/// The number of rows of both `a` and `b`, after every size has been checked.
#[track_caller]
fn rows(name: &str, a: &Tensor, b: &Tensor, keys: &Keys) -> i64 {
    let [n, d] = a.size()[..] else { panic!("{name}: rows are [n, d], not {:?}", a.size()) };
    assert!(n > 0 && d > 0, "{name}: rows of size {:?} hold nothing", a.size());
    assert_eq!(b.size(), [n, d], "{name}: the two kinds of rows differ in size");
    let [all, key_width] = keys.a.size()[..] else {
        panic!("{name}: keys are [N, d], not {:?}", keys.a.size())
    };
    assert_eq!(key_width, d, "{name}: keys and rows differ in width");
    assert_eq!(keys.b.size(), [all, d], "{name}: the two kinds of keys differ in size");
    assert!(
        0 <= keys.first && keys.first <= all - n,
        "{name}: {n} rows from row {} on do not fit into {all} keys",
        keys.first
    );
    n
}

/// Refuses products that an autocast region has narrowed.
#[track_caller]
fn assert_full_precision(products: &Tensor, rows: &Tensor) {
    let exact = products.kind() == rows.kind();
    assert!(exact, "the losses need full precision: call them outside autocast");
}

/// The rows of `x` in at least 32 bits, divided by their lengths.
fn unit(x: &Tensor) -> Tensor {
    let kind = if x.kind() == Kind::Double { Kind::Double } else { Kind::Float };
    let x = x.to_kind(kind);
    let length = x.norm_scalaropt_dim(2, [1i64].as_slice(), true).clamp_min(SHORTEST_ROW);
    x / length
}

/// The columns at which the `n` rows of this rank meet their own keys, `[n]`.
fn own_columns(n: i64, keys: &Keys) -> Tensor {
    Tensor::arange(n, (Kind::Int64, keys.a.device())) + keys.first
}

#[cfg(test)]
mod tests;
