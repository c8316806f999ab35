//! What any encoder offers, built in or from outside, and what it gives: tokens, their grid, outputs of its blocks.

use std::collections::BTreeMap;
use std::fmt::Debug;

use anyhow::ensure;
use tch::Tensor;

use crate::encoder::checkpoint::Checkpoint;

/// Which kind of view an input is; each has a final norm of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewKind {
    /// As it was recorded.
    Plain,
    /// Transformed by an augmentation.
    Augmented,
}

/// How an input is encoded, and what is kept on the way.
#[derive(Clone, Copy, Debug)]
pub struct EncodeOptions<'a> {
    /// Which kind of view it is.
    pub view: ViewKind,
    /// The tokens that are attended to, `[b, n]`, as [`Encode::counted`] tells; absent, all. The others are of no
    /// meaning afterwards.
    pub counted: Option<&'a Tensor>,
    /// The blocks whose outputs are kept, counted from 0 and below [`Encode::blocks`].
    pub layers: &'a [usize],
}

/// What an encoder makes of inputs.
#[derive(Debug)]
#[non_exhaustive]
pub struct Features {
    /// The tokens, `[b, n, width]`; of a vision transformer one for each patch, row by row.
    pub tokens: Tensor,
    /// How many rows and columns of tokens there are, of a sound mel bins by time; none where they lie on no grid.
    pub grid: Option<[i64; 2]>,
    /// The outputs of the blocks that were asked for, by index, `[b, n, width]` each, before the final norm.
    pub layers: BTreeMap<usize, Tensor>,
    /// Which tokens hold anything but padding, `[b, n]`; none for all.
    pub counted: Option<Tensor>,
    /// The branch of a [`Pretrained`](crate::Pretrained) model that made them.
    pub(crate) branch: Option<String>,
}

/// An encoder of one modality; a [`Branch`](crate::Branch) takes any.
///
/// `width` and `encode` make an encoder. What the others offer is needed where a recipe or a command asks for it:
/// a grid for maps of places, blocks to compute twice for `compute.recompute_blocks`.
pub trait Encode: Debug + Send {
    /// Channels of a token.
    fn width(&self) -> i64;

    /// What becomes of `input`.
    ///
    /// # Shapes
    ///
    /// - `input`: `[b, c, height, width]`, of 1 or 3 channels
    /// - returns: tokens `[b, n, width]`, at least one
    fn encode(&self, input: &Tensor, options: &EncodeOptions<'_>) -> Features;

    /// The tokens of a plain and an augmented view, where both are needed: two passes, unless one gives the same
    /// for less.
    ///
    /// # Shapes
    ///
    /// - `views`: `[b, c, height, width]` each, the plain one first
    /// - `counted`: `[b, n]` each
    /// - returns: `[b, n, width]` each
    fn encode_pair(&self, views: [&Tensor; 2], counted: [Option<&Tensor>; 2]) -> [Tensor; 2] {
        let one = |view, at: usize| {
            let options = EncodeOptions { counted: counted[at], ..EncodeOptions::of(view) };
            self.encode(views[at], &options).tokens
        };
        [one(ViewKind::Plain, 0), one(ViewKind::Augmented, 1)]
    }

    /// Which tokens count where the columns of the input that hold `material`, `[b, width]`, are known, `[b, n]`; none,
    /// for all, where the encoder masks no padding.
    fn counted(&self, material: Option<&Tensor>) -> Option<Tensor> {
        let _ = material;
        None
    }

    /// What each patch of `input` is by itself, with its place, before it has met another, `[b, n, width]` in the order of the
    /// tokens; none where there is no such thing.
    fn patches(&self, input: &Tensor) -> Option<Tensor> {
        let _ = input;
        None
    }

    /// How many blocks there are whose outputs can be asked for.
    fn blocks(&self) -> usize {
        0
    }

    /// How many rows and columns of tokens there are, row by row in their order; none where they lie on no grid.
    fn grid(&self) -> Option<[i64; 2]> {
        None
    }

    /// Has every later pass run each block through `checkpoint`, or none.
    ///
    /// # Errors
    ///
    /// If the encoder cannot do that.
    fn checkpoint_blocks(&mut self, checkpoint: Option<Checkpoint>) -> anyhow::Result<()> {
        ensure!(
            checkpoint.is_none(),
            "this encoder offers no blocks to compute twice (help: compute.recompute_blocks = false, or implement \
             `Encode::checkpoint_blocks`)"
        );
        Ok(())
    }
}

impl EncodeOptions<'_> {
    /// Encodes a view of kind `view`, all of whose tokens count, and keeps no block's output.
    pub fn of(view: ViewKind) -> Self {
        Self { view, counted: None, layers: &[] }
    }
}

impl Features {
    /// Features of `tokens` `[b, n, width]` alone: on no grid, all counted, of no block.
    pub fn new(tokens: Tensor) -> Self {
        Self { tokens, grid: None, layers: BTreeMap::new(), counted: None, branch: None }
    }
}
