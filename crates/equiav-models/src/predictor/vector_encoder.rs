//! Turns an augmentation's parameter vector into the query of a predictor.

use tch::{Tensor, nn};

use crate::layers::init;

/// Three linear maps with QuickGELU between them.
#[derive(Debug)]
pub(crate) struct VectorEncoder {
    first: nn::Linear,
    second: nn::Linear,
    third: nn::Linear,
}

impl VectorEncoder {
    /// From vectors of `vector` numbers to `hidden` channels.
    pub(crate) fn new(path: &nn::Path, vector: i64, hidden: i64) -> Self {
        Self {
            first: init::linear(path / 0, vector, hidden),
            second: init::linear(path / 2, hidden, hidden),
            third: init::linear(path / 4, hidden, hidden),
        }
    }
}

impl nn::Module for VectorEncoder {
    /// `[.., vector]` to `[.., hidden]`.
    fn forward(&self, vectors: &Tensor) -> Tensor {
        let hidden = quick_gelu(&vectors.apply(&self.first));
        quick_gelu(&hidden.apply(&self.second)).apply(&self.third)
    }
}

/// `x · sigmoid(1.702 x)`
fn quick_gelu(x: &Tensor) -> Tensor {
    x * (x * 1.702).sigmoid()
}
