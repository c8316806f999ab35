//! Feed-forward networks of a block and of the predictor, each token by itself.

use serde::{Deserialize, Serialize};
use tch::{Tensor, nn};

use crate::layers::init;
use crate::layers::share::Share;

/// Which feed-forward network follows an attention.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum MlpConfig {
    /// Linear, GELU, linear: the published one.
    Gelu {
        /// Hidden width over width, at least 1.
        ratio: i64,
    },
    /// Two linear maps, one gating the other through SiLU, then a third (Shazeer, arXiv 2002.05202).
    SwiGlu {
        /// Hidden width over width, at least 1.
        ratio: i64,
    },
}

/// A feed-forward network.
#[derive(Debug)]
pub enum Mlp {
    /// `fc2(gelu(fc1(x)))`
    Gelu {
        /// To the hidden width.
        fc1: nn::Linear,
        /// Back to the width.
        fc2: nn::Linear,
    },
    /// `down(silu(gate(x)) · up(x))`
    SwiGlu {
        /// To the hidden width; opens or closes it.
        gate: nn::Linear,
        /// To the hidden width.
        up: nn::Linear,
        /// Back to the width.
        down: nn::Linear,
    },
}

impl MlpConfig {
    /// Makes the network for `width` channels; its parameters go under `path`.
    pub fn build(self, path: &nn::Path, width: i64) -> Mlp {
        let linear = |name: &str, from, to| init::linear(path / name, from, to);
        match self {
            Self::Gelu { ratio } => Mlp::Gelu {
                fc1: linear("fc1", width, ratio * width),
                fc2: linear("fc2", ratio * width, width),
            },
            Self::SwiGlu { ratio } => Mlp::SwiGlu {
                gate: linear("gate", width, ratio * width),
                up: linear("up", width, ratio * width),
                down: linear("down", ratio * width, width),
            },
        }
    }

    /// Hidden width over width.
    pub fn ratio(self) -> i64 {
        match self {
            Self::Gelu { ratio } | Self::SwiGlu { ratio } => ratio,
        }
    }
}

impl Mlp {
    /// The variables of the last map.
    pub(crate) fn last(&self) -> Vec<Tensor> {
        let (Self::Gelu { fc2: map, .. } | Self::SwiGlu { down: map, .. }) = self;
        [Some(&map.ws), map.bs.as_ref()].into_iter().flatten().map(Tensor::shallow_clone).collect()
    }
}

impl nn::Module for Mlp {
    fn forward(&self, x: &Tensor) -> Tensor {
        match self {
            Self::Gelu { fc1, fc2 } => x.apply(fc1).gelu("none").apply(fc2),
            Self::SwiGlu { gate, up, down } => (x.apply(gate).silu() * x.apply(up)).apply(down),
        }
    }
}

impl Share for Mlp {
    fn share(&self) -> Self {
        match self {
            Self::Gelu { fc1, fc2 } => Self::Gelu { fc1: fc1.share(), fc2: fc2.share() },
            Self::SwiGlu { gate, up, down } => {
                Self::SwiGlu { gate: gate.share(), up: up.share(), down: down.share() }
            }
        }
    }
}
