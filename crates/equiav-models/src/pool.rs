//! From tokens to the one point that stands for a view: their mean, the first of them, attention of a learned query, or a
//! transformer's first token.

use std::fmt::Debug;

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use tch::{Tensor, nn};

use crate::config::size;
use crate::layers::attention::{SelfAttention, join_heads, split_heads};
use crate::layers::init;
use crate::layers::norm::Norm;

/// What makes one point of tokens; a [`Branch`](crate::Branch) takes any.
pub trait Pool: Debug + Send {
    /// The point that stands for `tokens`.
    ///
    /// # Shapes
    ///
    /// - `tokens`: `[b, n, width]`
    /// - `counted`: `[b, n]`, true where a token counts; absent, all. The others are of no meaning.
    /// - returns: a point `[b, width]`
    fn pool(&self, tokens: &Tensor, counted: Option<&Tensor>) -> PoolOutput;
}

/// What a pool gives.
#[derive(Debug)]
pub struct PoolOutput {
    /// The point that stands for the tokens, `[b, width]`.
    pub point: Tensor,
    /// How much each token weighs in it, `[b, heads, n]`, each row a sum of 1; none of pools that do not attend.
    pub attention: Option<Tensor>,
}

/// Which pool follows an encoder.
///
/// An encoder of this crate has no class token, so recipes do not offer [`FirstToken`], which would be its top left
/// patch; attention of one head is what a learned query token would be.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum PoolConfig {
    /// The mean of the tokens that count: the published one.
    #[default]
    Mean,
    /// Attention of a learned query to the tokens that count.
    Attention {
        /// Heads, each of which attends by itself; a divisor of the width.
        heads: i64,
    },
    /// The first token of a small transformer over the tokens that count, which knows no place but the first
    /// ([`TransformerPool`]).
    Transformer {
        /// Its layers, at least 1; 2 as published.
        layers: i64,
        /// Heads of each; a divisor of the width; 4 as published.
        heads: i64,
    },
}

/// The mean of the tokens that count.
#[derive(Clone, Copy, Debug)]
pub struct MeanPool;

/// The first token, for an encoder that begins with a class token.
#[derive(Clone, Copy, Debug)]
pub struct FirstToken;

/// Attention of a learned query to the tokens.
///
/// ```text
/// attention = softmax over i of q · k(h_i) / √d        point = W concat over heads of Σ_i attention_i v(h_i)
/// ```
#[derive(Debug)]
pub struct AttentionPool {
    heads: i64,
    query: Tensor,
    to_k: nn::Linear,
    to_v: nn::Linear,
    to_out: nn::Linear,
}

/// The first token that layers of self-attention make of the tokens (STiCA: Patrick et al., arXiv 2103.10211).
///
/// ```text
/// x ← norm(x + attention(x))      x ← norm(x + W2 relu(W1 x))      point = x_0
/// ```
///
/// No position is added: what tells tokens apart beside their content is which of them is the first.
#[derive(Debug)]
pub struct TransformerPool {
    layers: Vec<PostNormLayer>,
}

#[derive(Debug)]
struct PostNormLayer {
    attention: SelfAttention,
    norm1: Norm,
    first: nn::Linear,
    second: nn::Linear,
    norm2: Norm,
}

impl PoolConfig {
    /// Makes the pool for tokens of `width`; its parameters, if it has any, go under `path`.
    ///
    /// # Panics
    ///
    /// If the heads do not divide the width.
    #[track_caller]
    pub fn build(&self, path: &nn::Path, width: i64) -> Box<dyn Pool> {
        match *self {
            Self::Mean => Box::new(MeanPool),
            Self::Attention { heads } => Box::new(AttentionPool::new(path, width, heads)),
            Self::Transformer { layers, heads } => {
                Box::new(TransformerPool::new(path, width, layers, heads))
            }
        }
    }

    pub(crate) fn check(self, width: i64) -> anyhow::Result<()> {
        let heads = match self {
            Self::Mean => return Ok(()),
            Self::Attention { heads } => heads,
            Self::Transformer { layers, heads } => {
                size("pool.layers", layers)?;
                heads
            }
        };
        size("pool.heads", heads)?;
        ensure!(width % heads == 0, "pool.heads = {heads} does not divide width = {width}");
        Ok(())
    }

    /// Whether it is the published one, which recipes do not name.
    pub fn is_mean(&self) -> bool {
        *self == Self::Mean
    }
}

impl AttentionPool {
    /// A pool of `heads` heads for tokens of `width`; its parameters go under `path`.
    ///
    /// # Panics
    ///
    /// If `heads` does not divide `width`.
    #[track_caller]
    pub fn new(path: &nn::Path, width: i64, heads: i64) -> Self {
        assert!(heads > 0 && width % heads == 0, "{heads} heads do not divide a width of {width}");
        Self {
            heads,
            query: path.var("query", &[width], nn::Init::Randn { mean: 0.0, stdev: 0.02 }),
            to_k: init::linear(path / "to_k", width, width),
            to_v: init::linear(path / "to_v", width, width),
            to_out: init::linear(path / "to_out", width, width),
        }
    }
}

/// How much wider than its input the hidden layer of a [`TransformerPool`] is; 4 as published.
const POOL_RATIO: i64 = 4;

impl TransformerPool {
    /// A pool of `layers` layers of `heads` heads for tokens of `width`; its parameters go under `path`.
    ///
    /// # Panics
    ///
    /// If `heads` does not divide `width`.
    #[track_caller]
    pub fn new(path: &nn::Path, width: i64, layers: i64, heads: i64) -> Self {
        assert!(heads > 0 && width % heads == 0, "{heads} heads do not divide a width of {width}");
        let layer = |number: i64| {
            let path = path / number;
            PostNormLayer {
                attention: SelfAttention::new(&(&path / "attn"), width, heads),
                norm1: init::norm(&path / "norm1", width),
                first: init::linear(&path / "fc1", width, POOL_RATIO * width),
                second: init::linear(&path / "fc2", POOL_RATIO * width, width),
                norm2: init::norm(&path / "norm2", width),
            }
        };
        Self { layers: (0..layers).map(layer).collect() }
    }
}

impl Pool for TransformerPool {
    fn pool(&self, tokens: &Tensor, counted: Option<&Tensor>) -> PoolOutput {
        let layer = |x: Tensor, layer: &PostNormLayer| {
            let x = (&x + layer.attention.forward(&x, counted)).apply(&layer.norm1);
            (&x + x.apply(&layer.first).relu().apply(&layer.second)).apply(&layer.norm2)
        };
        let last = self.layers.iter().fold(tokens.shallow_clone(), layer);
        PoolOutput { point: last.select(1, 0), attention: None }
    }
}

impl Pool for MeanPool {
    fn pool(&self, tokens: &Tensor, counted: Option<&Tensor>) -> PoolOutput {
        PoolOutput { point: mean_token(tokens, counted), attention: None }
    }
}

impl Pool for FirstToken {
    fn pool(&self, tokens: &Tensor, _: Option<&Tensor>) -> PoolOutput {
        PoolOutput { point: tokens.select(1, 0), attention: None }
    }
}

impl Pool for AttentionPool {
    fn pool(&self, tokens: &Tensor, counted: Option<&Tensor>) -> PoolOutput {
        let query = self.query.view([1, self.heads, 1, -1]);
        let scale = (query.size()[3] as f64).powf(-0.5);
        let k = split_heads(&tokens.apply(&self.to_k), self.heads);
        let v = split_heads(&tokens.apply(&self.to_v), self.heads);
        let scores = (query * scale).matmul(&k.transpose(-2, -1)); // [b, heads, 1, n]
        let scores = match counted.map(|counted| counted.unsqueeze(1).unsqueeze(1)) {
            None => scores,
            Some(counted) => scores.masked_fill(&counted.logical_not(), f64::NEG_INFINITY),
        };
        let attention = scores.softmax(-1, scores.kind());
        let point = join_heads(&attention.matmul(&v)).apply(&self.to_out).squeeze_dim(1);
        PoolOutput { point, attention: Some(attention.squeeze_dim(2)) }
    }
}

/// The mean over those of `tokens` `[b, n, width]` that are `counted`, `[b, n]`, or over all, to `[b, width]`.
pub(crate) fn mean_token(tokens: &Tensor, counted: Option<&Tensor>) -> Tensor {
    let Some(counted) = counted else { return tokens.mean_dim([1i64].as_slice(), false, None) };
    let counted = counted.unsqueeze(-1); // [b, n, 1]
    let sum = tokens.masked_fill(&counted.logical_not(), 0.0).sum_dim_intlist(1i64, false, None);
    sum / counted.sum_dim_intlist(1i64, false, tokens.kind())
}
