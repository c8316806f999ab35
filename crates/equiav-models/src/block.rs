//! One block of an encoder: attention and a feed-forward network, each after a norm and around a
//! residual.

use tch::{Tensor, nn};

use crate::attention::SelfAttention;
use crate::encoder::EncoderConfig;
use crate::init;
use crate::mlp::Mlp;
use crate::norm::Norm;
use crate::share::Share;

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

impl nn::Module for Block {
    /// `[b, n, width]` to `[b, n, width]`.
    fn forward(&self, tokens: &Tensor) -> Tensor {
        let tokens = tokens + tokens.apply(&self.norm1).apply(&self.attention);
        let moved = tokens.apply(&self.norm2).apply(&self.mlp);
        tokens + moved
    }
}

impl Block {
    /// As its pass, with both residual branches of each sample multiplied by its `factors`, `[2, b]`.
    pub(crate) fn forward_scaled(&self, tokens: &Tensor, factors: &Tensor) -> Tensor {
        let factor = |branch| factors.get(branch).reshape([-1, 1, 1]);
        let tokens = tokens + tokens.apply(&self.norm1).apply(&self.attention) * factor(0);
        let moved = tokens.apply(&self.norm2).apply(&self.mlp) * factor(1);
        tokens + moved
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
