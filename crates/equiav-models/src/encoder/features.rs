//! An encoder of features that another model has made: a multi-layer perceptron.

use serde::{Deserialize, Serialize};
use tch::{Tensor, nn};

use crate::encoder::encode::{Encode, EncodeOptions, Features};
use crate::layers::init;

/// The shape of a [`FeatureEncoder`].
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureEncoderConfig {
    /// Numbers of an input, at least 1.
    pub input: i64,
    /// Channels of each layer; the last are those of a token. Empty, the features themselves.
    pub layers: Vec<i64>,
    /// What stands behind each layer.
    pub activation: Activation,
}

/// What stands behind a linear map.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// The larger of x and 0.
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// The logistic function.
    Sigmoid,
    /// x itself.
    Identity,
}

/// A multi-layer perceptron over vectors of features, or over sequences of them.
///
/// ```
/// use equiav_models::{Activation, Encode, EncodeOptions, FeatureEncoderConfig, ViewKind};
/// use tch::{Device, Kind, Tensor, nn};
///
/// let store = nn::VarStore::new(Device::Cpu);
/// let config = FeatureEncoderConfig { input: 30, layers: vec![64, 16], activation: Activation::Relu };
/// let encoder = config.build(&store.root());
/// let options = EncodeOptions::of(ViewKind::Plain);
/// let encode = |shape: &[i64]| encoder.encode(&Tensor::ones(shape, (Kind::Float, Device::Cpu)), &options);
/// assert_eq!(encode(&[5, 30]).tokens.size(), [5, 1, 16]);
/// assert_eq!(encode(&[5, 7, 30]).tokens.size(), [5, 7, 16]);
/// ```
#[derive(Debug)]
pub struct FeatureEncoder {
    layers: Vec<nn::Linear>,
    activation: Activation,
    width: i64,
}

impl Activation {
    /// What becomes of `x`.
    pub fn apply(self, x: &Tensor) -> Tensor {
        match self {
            Self::Relu => x.relu(),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => x.sigmoid(),
            Self::Identity => x.shallow_clone(),
        }
    }
}

impl FeatureEncoderConfig {
    /// Makes the encoder; its parameters go under `path`.
    pub fn build(&self, path: &nn::Path) -> FeatureEncoder {
        let mut width = self.input;
        let layer = |(place, to): (usize, &i64)| {
            init::linear(path / place, std::mem::replace(&mut width, *to), *to)
        };
        let layers = self.layers.iter().enumerate().map(layer).collect();
        FeatureEncoder { layers, activation: self.activation, width }
    }
}

impl Encode for FeatureEncoder {
    fn width(&self) -> i64 {
        self.width
    }

    /// `[b, input]` to one token, `[b, n, input]` to `n`.
    fn encode(&self, input: &Tensor, _: &EncodeOptions<'_>) -> Features {
        let input = if input.dim() == 2 { input.unsqueeze(1) } else { input.shallow_clone() };
        let layer = |x: Tensor, layer: &nn::Linear| self.activation.apply(&x.apply(layer));
        Features::new(self.layers.iter().fold(input, layer))
    }
}
