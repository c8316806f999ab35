//! One block of an encoder: attention and a feed-forward network, each after a norm and around a
//! residual.

use tch::{Tensor, nn};

use crate::encoder::EncoderConfig;
use crate::layers::attention::SelfAttention;
use crate::layers::init;
use crate::layers::mlp::Mlp;
use crate::layers::norm::Norm;
use crate::layers::share::Share;

/// A pre-norm block of a vision transformer.
#[derive(Debug)]
pub(crate) struct Block {
    norm1: Norm,
    attention: SelfAttention,
    norm2: Norm,
    mlp: Mlp,
}

impl Block {
    pub(crate) fn new(path: &nn::Path, config: &EncoderConfig) -> Self {
        Self {
            norm1: init::norm(path / "norm1", config.width),
            attention: SelfAttention::new(&(path / "attn"), config.width, config.heads),
            norm2: init::norm(path / "norm2", config.width),
            mlp: config.mlp.build(&(path / "mlp"), config.width),
        }
    }
}

/// What a pass of a block is told beside its tokens.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    /// What both residual branches of each sample are multiplied by, `[2, b]`.
    pub(crate) factors: Option<Tensor>,
    /// The tokens that are attended to, `[b, n]`; absent, all.
    pub(crate) counted: Option<Tensor>,
}

/// What a pass of all blocks is told beside its input.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StackOptions<'a> {
    /// What the residual branches of every block are multiplied by, `[depth, 2, b]`.
    pub(crate) factors: Option<&'a Tensor>,
    /// The tokens that are attended to, `[b, n]`; absent, all.
    pub(crate) counted: Option<&'a Tensor>,
    /// The blocks whose outputs are kept.
    pub(crate) layers: &'a [usize],
}

impl Block {
    /// `[b, n, width]` to `[b, n, width]`.
    pub(crate) fn forward(&self, tokens: &Tensor, pass: &Pass) -> Tensor {
        let scaled = |branch: i64, moved: Tensor| match &pass.factors {
            None => moved,
            Some(factors) => moved * factors.get(branch).reshape([-1, 1, 1]),
        };
        let attended = self.attention.forward(&tokens.apply(&self.norm1), pass.counted.as_ref());
        let tokens = tokens + scaled(0, attended);
        let moved = tokens.apply(&self.norm2).apply(&self.mlp);
        &tokens + scaled(1, moved)
    }
}

impl Share for Block {
    fn share(&self) -> Self {
        Self {
            norm1: self.norm1.share(),
            attention: self.attention.share(),
            norm2: self.norm2.share(),
            mlp: self.mlp.share(),
        }
    }
}
