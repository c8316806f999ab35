//! Transformation predictors: where would an augmented clip land, from the plain view's tokens and the
//! parameter vector alone?

pub(crate) mod vector_encoder;

use serde::{Deserialize, Serialize};
use tch::{Tensor, nn};

use crate::layers::attention::{CrossAttention, CrossAttentionSize};
use crate::layers::init;
use crate::layers::mlp::{Mlp, MlpConfig};
use crate::layers::norm::Norm;
use crate::pool::mean_token as mean_of;
use crate::predictor::vector_encoder::VectorEncoder;

/// Anything that predicts where augmented clips land; a [`Branch`](crate::Branch) takes any.
pub trait Predict: std::fmt::Debug + Send {
    /// Predicts one embedding per parameter vector.
    ///
    /// All vectors of a clip come in one call, so that whatever depends on the tokens alone is
    /// computed once.
    ///
    /// # Shapes
    ///
    /// - `tokens`: `[b, n, width]`, of the plain view
    /// - `vectors`: `[b, q, vector]`, `q` parameter vectors per clip
    /// - `counted`: `[b, n]`, true where a token counts; absent, all, as wherever
    ///   [`EncoderConfig::mask_padding`](crate::EncoderConfig::mask_padding) is not set. The others are of no meaning.
    /// - returns: `[b, q, width]`, one prediction per vector, not averaged
    fn predict(&self, tokens: &Tensor, vectors: &Tensor, counted: Option<&Tensor>) -> Tensor;
}

/// Which predictor, and its shape; quality rises in the order linear, hypernetwork, attention.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum PredictorConfig {
    /// One block of cross-attention from the encoded vectors to the tokens: the paper's choice.
    Attention {
        /// Channels of an encoded vector, at least 1; 256 as published.
        hidden: i64,
        /// Heads, at least 1; 8 as published, whatever the width.
        heads: i64,
        /// Channels of a head, at least 1; 64 as published, whatever the width.
        head_width: i64,
        /// What follows the attention.
        mlp: MlpConfig,
    },
    /// A linear map of the mean token and the vector together.
    Linear,
    /// The vector generates the weights of a linear map that acts on the mean token.
    Hypernetwork {
        /// Channels of an encoded vector, at least 1.
        hidden: i64,
        /// Rank of the generated matrix, at least 1; the larger, the more a vector can do.
        rank: i64,
    },
    /// The mean of the tokens, whatever the vector: no predictor, without parameters.
    Mean,
}

/// A predictor of one of these kinds.
#[derive(Debug)]
pub enum Predictor {
    /// See [`PredictorConfig::Attention`].
    Attention(Box<AttentionPredictor>),
    /// See [`PredictorConfig::Linear`].
    Linear(LinearPredictor),
    /// See [`PredictorConfig::Hypernetwork`].
    Hypernetwork(Hypernetwork),
    /// See [`PredictorConfig::Mean`].
    Mean,
}

/// Cross-attention from encoded parameter vectors to the tokens (section 3.3 of the paper).
///
/// ```text
/// x = mean(h) + attention(q: norm(encode(t)), k, v: h)        u(h, t) = x + mlp(norm(x))
/// ```
#[derive(Debug)]
pub struct AttentionPredictor {
    encoder: VectorEncoder,
    norm_vector: Norm,
    attention: CrossAttention,
    norm: Norm,
    mlp: Mlp,
}

/// `u(h, t) = W [mean(h); t] + b`
#[derive(Debug)]
pub struct LinearPredictor {
    map: nn::Linear,
}

/// A residual map of low rank whose weights the vector generates.
///
/// ```text
/// [A(t), B(t), c(t)] = W encode(t) + b        A: [rank, width]   B: [rank, width]   c: [width]
/// u(h, t) = m + B(t)ᵀ A(t) m + c(t),          m = mean(h)
/// ```
///
/// A full matrix per vector would need `hidden * width²` weights (151 M at 256 and 768); rank 16
/// needs `hidden * 33 * width`, 6.5 M, and any vector can still move, mix and shift every channel.
#[derive(Debug)]
pub struct Hypernetwork {
    rank: i64,
    encoder: VectorEncoder,
    generate: nn::Linear,
}

impl PredictorConfig {
    /// Makes the predictor for tokens of `width` and vectors of `vector` numbers; its parameters go
    /// under `root` and carry `suffix`.
    pub fn build(&self, root: &nn::Path, suffix: &str, width: i64, vector: i64) -> Predictor {
        let named = |name: &str| root / format!("{name}_{suffix}");
        let encoder = |hidden| VectorEncoder::new(&named("aug_encoder"), vector, hidden);
        match *self {
            Self::Attention { hidden, heads, head_width, mlp } => {
                let path = named("cross_attn");
                let size = CrossAttentionSize { query: hidden, width, heads, head_width };
                Predictor::Attention(Box::new(AttentionPredictor {
                    encoder: encoder(hidden),
                    norm_vector: init::norm(&path / "norm_aug", hidden),
                    attention: CrossAttention::new(&(&path / "attn"), size),
                    norm: init::norm(&path / "norm", width),
                    mlp: mlp.build(&(&path / "mlp"), width),
                }))
            }
            Self::Linear => Predictor::Linear(LinearPredictor {
                map: init::linear(named("linear_pred"), width + vector, width),
            }),
            Self::Hypernetwork { hidden, rank } => Predictor::Hypernetwork(Hypernetwork {
                rank,
                encoder: encoder(hidden),
                generate: init::linear(named("hyper_pred"), hidden, (2 * rank + 1) * width),
            }),
            Self::Mean => Predictor::Mean,
        }
    }
}

impl Predictor {
    /// Sets the last layers so that every prediction is the mean of the tokens that count, whatever the vector: a start
    /// from which nothing has to be unlearned (as of residual branches: Zhang et al., Fixup, arXiv 1901.09321).
    pub(crate) fn predict_the_mean(&mut self) {
        let zero = |tensors: Vec<Tensor>| {
            tch::no_grad(|| tensors.into_iter().for_each(|mut tensor| drop(tensor.zero_())));
        };
        match self {
            Self::Attention(predictor) => {
                let mut last = predictor.mlp.last();
                last.push(predictor.attention.last());
                zero(last);
            }
            Self::Linear(predictor) => tch::no_grad(|| {
                let [width, inputs] = predictor.map.ws.size()[..] else { return };
                let identity =
                    Tensor::eye(width, (predictor.map.ws.kind(), predictor.map.ws.device()));
                let rest = Tensor::zeros_like(&predictor.map.ws.narrow(1, width, inputs - width));
                predictor.map.ws.copy_(&Tensor::cat(&[identity, rest], 1));
            }),
            Self::Hypernetwork(predictor) => {
                let bias = predictor.generate.bs.as_ref().map(Tensor::shallow_clone);
                zero(
                    [Some(predictor.generate.ws.shallow_clone()), bias]
                        .into_iter()
                        .flatten()
                        .collect(),
                );
            }
            Self::Mean => {}
        }
    }
}

/// Whether the parameter called `name` is part of a transformation predictor, of whichever kind.
pub fn is_predictor(name: &str) -> bool {
    let parts = ["aug_encoder_", "cross_attn_", "linear_pred_", "hyper_pred_", "predictor_"];
    parts.iter().any(|part| name.starts_with(part)) || name.starts_with("conditioner.")
}

impl Predict for Predictor {
    fn predict(&self, tokens: &Tensor, vectors: &Tensor, counted: Option<&Tensor>) -> Tensor {
        match self {
            Self::Attention(predictor) => predictor.predict(tokens, vectors, counted),
            Self::Linear(predictor) => predictor.predict(tokens, vectors, counted),
            Self::Hypernetwork(predictor) => predictor.predict(tokens, vectors, counted),
            Self::Mean => mean_token(tokens, counted).expand([-1, vectors.size()[1], -1], false),
        }
    }
}

impl Predict for AttentionPredictor {
    fn predict(&self, tokens: &Tensor, vectors: &Tensor, counted: Option<&Tensor>) -> Tensor {
        let queries = vectors.apply(&self.encoder).apply(&self.norm_vector); // [b, q, hidden]
        let moved = mean_token(tokens, counted) + self.attention.forward(&queries, tokens, counted);
        let change = moved.apply(&self.norm).apply(&self.mlp);
        moved + change
    }
}

impl Predict for LinearPredictor {
    fn predict(&self, tokens: &Tensor, vectors: &Tensor, counted: Option<&Tensor>) -> Tensor {
        let queries = vectors.size()[1];
        let mean = mean_token(tokens, counted).expand([-1, queries, -1], false);
        Tensor::cat(&[&mean, vectors], -1).apply(&self.map)
    }
}

impl Predict for Hypernetwork {
    fn predict(&self, tokens: &Tensor, vectors: &Tensor, counted: Option<&Tensor>) -> Tensor {
        let width = tokens.size()[2];
        let mean = mean_token(tokens, counted); // [b, 1, width]
        let generated = vectors.apply(&self.encoder).apply(&self.generate);
        let parts = generated.split_with_sizes([self.rank * width, self.rank * width, width], -1);
        let [down, up] = [0, 1].map(|part: usize| parts[part].unflatten(-1, [self.rank, width]));
        let inner = down.matmul(&mean.unsqueeze(-1)); // [b, q, rank, 1]
        let moved = up.transpose(-2, -1).matmul(&inner).squeeze_dim(-1); // [b, q, width]
        mean + moved + &parts[2]
    }
}

/// `[b, n, width]` to `[b, 1, width]`.
fn mean_token(tokens: &Tensor, counted: Option<&Tensor>) -> Tensor {
    mean_of(tokens, counted).unsqueeze(1)
}
