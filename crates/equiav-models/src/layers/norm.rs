//! Layer norm, in 32 bits at least.

use tch::{Kind, Tensor, nn};

use crate::layers::share::Share;

/// What the variance is raised by before its root is divided by.
const EPS: f64 = 1e-5;

/// A layer norm with a factor and an addend per channel.
///
/// A narrow input, as matrix products in an autocast region give it, is widened first: on a processor
/// libtorch would compute the norm in the kind of the input.
#[derive(Debug)]
pub(crate) struct Norm {
    weight: Tensor,
    bias: Tensor,
}

impl Norm {
    /// The norm over `width` channels; its parameters `weight` and `bias` go under `path`, or are those that are there.
    pub(crate) fn new(path: &nn::Path, width: i64) -> Self {
        Self {
            weight: path.entry("weight").or_ones(&[width]),
            bias: path.entry("bias").or_zeros(&[width]),
        }
    }
}

impl nn::Module for Norm {
    /// `[.., width]` to `[.., width]`.
    fn forward(&self, x: &Tensor) -> Tensor {
        let narrow = matches!(x.kind(), Kind::Half | Kind::BFloat16);
        let x = if narrow { x.to_kind(Kind::Float) } else { x.shallow_clone() };
        x.layer_norm(self.weight.size(), Some(&self.weight), Some(&self.bias), EPS, true)
    }
}

impl Share for Norm {
    fn share(&self) -> Self {
        Self { weight: self.weight.shallow_clone(), bias: self.bias.shallow_clone() }
    }
}
