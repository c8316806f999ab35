//! How parameters start: Xavier uniform for linear maps, one and zero for norms.

use tch::{Tensor, nn};

use crate::layers::norm::Norm;

/// A linear map from `from` to `to` channels, with bias.
pub(crate) fn linear(path: nn::Path, from: i64, to: i64) -> nn::Linear {
    nn::linear(path, from, to, linear_config(from, to, true))
}

/// As [`linear`], with the variables that are at `path` already where there are any.
pub(crate) fn shared_linear(path: nn::Path, from: i64, to: i64) -> nn::Linear {
    nn::Linear {
        ws: path.entry("weight").or_var(&[to, from], xavier_uniform(from, to)),
        bs: Some(path.entry("bias").or_zeros(&[to])),
    }
}

/// A linear map from `from` to `to` channels, without bias.
pub(crate) fn linear_without_bias(path: nn::Path, from: i64, to: i64) -> nn::Linear {
    nn::linear(path, from, to, linear_config(from, to, false))
}

/// A layer norm over `width` channels.
pub(crate) fn norm(path: nn::Path, width: i64) -> Norm {
    Norm::new(&path, width)
}

/// A variable of `shape` that starts as a Xavier uniform matrix from `from` to `to` channels.
pub(crate) fn xavier(path: &nn::Path, name: &str, shape: &[i64], from: i64, to: i64) -> Tensor {
    path.var(name, shape, xavier_uniform(from, to))
}

fn linear_config(from: i64, to: i64, bias: bool) -> nn::LinearConfig {
    nn::LinearConfig {
        ws_init: xavier_uniform(from, to),
        bs_init: Some(nn::Init::Const(0.0)),
        bias,
    }
}

/// Uniform within √(6 / (from + to)), as Glorot and Bengio (2010), equation 16.
fn xavier_uniform(from: i64, to: i64) -> nn::Init {
    let bound = (6.0 / (from + to) as f64).sqrt();
    nn::Init::Uniform { lo: -bound, up: bound }
}
