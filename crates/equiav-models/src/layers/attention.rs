//! Scaled dot-product attention with several heads: of tokens to themselves, and of queries to tokens.

use tch::{Device, Kind, Tensor, nn};

use crate::layers::init;
use crate::layers::share::Share;

/// Attention of tokens to themselves.
#[derive(Debug)]
pub(crate) struct SelfAttention {
    heads: i64,
    qkv: nn::Linear,
    proj: nn::Linear,
}

impl SelfAttention {
    /// Attention of `heads` heads over tokens of `width`, which `heads` divides.
    pub(crate) fn new(path: &nn::Path, width: i64, heads: i64) -> Self {
        Self {
            heads,
            qkv: init::linear(path / "qkv", width, 3 * width),
            proj: init::linear(path / "proj", width, width),
        }
    }
}

impl SelfAttention {
    /// `[b, n, width]` to `[b, n, width]`; with `counted`, `[b, n]`, no token attends to others than those.
    pub(crate) fn forward(&self, tokens: &Tensor, counted: Option<&Tensor>) -> Tensor {
        let qkv = tokens.apply(&self.qkv).chunk(3, -1);
        let [q, k, v] = [0, 1, 2].map(|part: usize| split_heads(&qkv[part], self.heads));
        join_heads(&attend(&q, &k, &v, counted)).apply(&self.proj)
    }
}

impl Share for SelfAttention {
    fn share(&self) -> Self {
        Self { heads: self.heads, qkv: self.qkv.share(), proj: self.proj.share() }
    }
}

/// Attention of queries to tokens; keys and values are computed once for all queries.
#[derive(Debug)]
pub(crate) struct CrossAttention {
    heads: i64,
    to_q: nn::Linear,
    to_k: nn::Linear,
    to_v: nn::Linear,
    to_out: nn::Linear,
}

/// The sizes of a [`CrossAttention`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct CrossAttentionSize {
    /// Channels of a query.
    pub(crate) query: i64,
    /// Channels of a token, and of the result.
    pub(crate) width: i64,
    /// Number of heads.
    pub(crate) heads: i64,
    /// Channels of a head; `heads * head_width` need not be `width`.
    pub(crate) head_width: i64,
}

impl CrossAttention {
    pub(crate) fn new(path: &nn::Path, size: CrossAttentionSize) -> Self {
        let inner = size.heads * size.head_width;
        Self {
            heads: size.heads,
            to_q: init::linear(path / "to_q", size.query, inner),
            to_k: init::linear(path / "to_k", size.width, inner),
            to_v: init::linear(path / "to_v", size.width, inner),
            to_out: init::linear_without_bias(path / "to_out", inner, size.width),
        }
    }

    /// The weight of the last map, which without bias decides whether anything is attended to at all.
    pub(crate) fn last(&self) -> Tensor {
        self.to_out.ws.shallow_clone()
    }

    /// `queries` `[b, q, query]` and `tokens` `[b, n, width]` to `[b, q, width]`; with `counted`, `[b, n]`, no
    /// query attends to others than those.
    pub(crate) fn forward(
        &self,
        queries: &Tensor,
        tokens: &Tensor,
        counted: Option<&Tensor>,
    ) -> Tensor {
        let q = split_heads(&queries.apply(&self.to_q), self.heads);
        let k = split_heads(&tokens.apply(&self.to_k), self.heads);
        let v = split_heads(&tokens.apply(&self.to_v), self.heads);
        join_heads(&attend(&q, &k, &v, counted)).apply(&self.to_out)
    }
}

/// The most scores of a head that are kept in narrow numbers on a processor: those of 256 tokens.
const NARROW_SCORES: i64 = 1 << 16;

/// `softmax(q kᵀ / √d) v`, all `[b, heads, _, d]`, over the keys that `counted`, `[b, n]`, names, or over all.
///
/// On a processor libtorch's fused kernel multiplies narrow numbers in pieces that cost more to set up
/// than to multiply, so that few scores take twice the time of whole products, which keep them.
fn attend(q: &Tensor, k: &Tensor, v: &Tensor, counted: Option<&Tensor>) -> Tensor {
    let mask = counted.map(|counted| counted.unsqueeze(1).unsqueeze(1)); // [b, 1, 1, n]
    let narrow = matches!(q.kind(), Kind::Half | Kind::BFloat16) && q.device() == Device::Cpu;
    if narrow && q.size()[2] * k.size()[2] <= NARROW_SCORES {
        let scale = (q.size()[3] as f64).powf(-0.5);
        let scores = (q * scale).matmul(&k.transpose(-2, -1));
        let scores = match &mask {
            None => scores,
            Some(mask) => scores.masked_fill(&mask.logical_not(), f64::NEG_INFINITY),
        };
        return scores.softmax(-1, scores.kind()).matmul(v);
    }
    Tensor::scaled_dot_product_attention(q, k, v, mask, 0.0, false, None, false)
}

/// `[b, n, heads · d]` to `[b, heads, n, d]`.
pub(crate) fn split_heads(x: &Tensor, heads: i64) -> Tensor {
    x.unflatten(-1, [heads, -1]).transpose(1, 2)
}

/// `[b, heads, n, d]` to `[b, n, heads · d]`.
pub(crate) fn join_heads(x: &Tensor) -> Tensor {
    x.transpose(1, 2).flatten(2, 3)
}
