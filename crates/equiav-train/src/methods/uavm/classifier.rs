//! What makes class scores of pooled tokens.

use tch::nn::Module;
use tch::{Tensor, nn};

/// A layer norm and a linear map.
#[derive(Debug)]
pub(super) struct Classifier {
    /// The factor and the addend of a layer norm.
    norm: [Tensor; 2],
    linear: nn::Linear,
}

impl Classifier {
    /// A norm and a linear map; another call with the same path gives the same parameters.
    pub(super) fn new(path: &nn::Path, width: i64, classes: i64) -> Self {
        let (norm, linear) = (path / "norm", path / "linear");
        let bound = (width as f64).powf(-0.5);
        let uniform = nn::Init::Uniform { lo: -bound, up: bound };
        Self {
            norm: [norm.entry("weight").or_ones(&[width]), norm.entry("bias").or_zeros(&[width])],
            linear: nn::Linear {
                ws: linear.entry("weight").or_var(&[classes, width], uniform),
                bs: Some(linear.entry("bias").or_zeros(&[classes])),
            },
        }
    }

    pub(super) fn forward(&self, pooled: &Tensor) -> Tensor {
        let [weight, bias] = &self.norm;
        let pooled = pooled.to_kind(weight.kind());
        self.linear.forward(&pooled.layer_norm(weight.size(), Some(weight), Some(bias), 1e-5, true))
    }
}
