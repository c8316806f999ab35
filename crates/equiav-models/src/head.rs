//! Projection heads: from an encoder's width to the space in which embeddings are compared.

use serde::{Deserialize, Serialize};
use tch::{Tensor, nn};

use crate::layers::init;
use crate::layers::norm::Norm;

/// The shape of a [`Head`].
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HeadConfig {
    /// Channels of the two hidden layers, at least 1; 2048 as published.
    pub hidden: i64,
    /// Channels of an embedding, at least 1; 512 as published.
    pub out: i64,
}

/// Three linear maps, each with a norm, and ReLU between them.
#[derive(Debug)]
pub struct Head {
    fc1: nn::Linear,
    norm1: Norm,
    fc2: nn::Linear,
    norm2: Norm,
    fc3: nn::Linear,
    norm3: Norm,
}

impl HeadConfig {
    /// Makes the head for `width` channels; its parameters go under `path`.
    pub fn build(&self, path: &nn::Path, width: i64) -> Head {
        let linear = |name: &str, from, to| init::linear(path / name, from, to);
        let norm = |name: &str, width| init::norm(path / name, width);
        Head {
            fc1: linear("fc1", width, self.hidden),
            norm1: norm("norm1", self.hidden),
            fc2: linear("fc2", self.hidden, self.hidden),
            norm2: norm("norm2", self.hidden),
            fc3: linear("fc3", self.hidden, self.out),
            norm3: norm("norm3", self.out),
        }
    }
}

impl nn::Module for Head {
    /// `[.., width]` to `[.., out]`.
    fn forward(&self, x: &Tensor) -> Tensor {
        let x = x.apply(&self.fc1).apply(&self.norm1).relu();
        let x = x.apply(&self.fc2).apply(&self.norm2).relu();
        x.apply(&self.fc3).apply(&self.norm3)
    }
}
