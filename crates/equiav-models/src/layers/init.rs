//! How parameters start: Xavier uniform for linear maps, one and zero for norms.

use tch::{Tensor, nn};

use crate::layers::norm::Norm;

/// A linear map from `from` to `to` channels, with bias. Where `path` has one already it is that one: a part that several networks
/// share is built by each of them.
pub(crate) fn linear(path: nn::Path, from: i64, to: i64) -> nn::Linear {
    let bias = path.entry("bias").or_zeros(&[to]);
    nn::Linear { bs: Some(bias), ..linear_without_bias(path, from, to) }
}

/// As [`linear`], without bias.
pub(crate) fn linear_without_bias(path: nn::Path, from: i64, to: i64) -> nn::Linear {
    nn::Linear { ws: path.entry("weight").or_var(&[to, from], xavier_uniform(from, to)), bs: None }
}

/// A layer norm over `width` channels.
pub(crate) fn norm(path: nn::Path, width: i64) -> Norm {
    Norm::new(&path, width)
}

/// A variable of `shape` that starts as a Xavier uniform matrix from `from` to `to` channels.
pub(crate) fn xavier(path: &nn::Path, name: &str, shape: &[i64], from: i64, to: i64) -> Tensor {
    path.var(name, shape, xavier_uniform(from, to))
}

/// Uniform within √(6 / (from + to)), as Glorot and Bengio (2010), equation 16.
fn xavier_uniform(from: i64, to: i64) -> nn::Init {
    let bound = (6.0 / (from + to) as f64).sqrt();
    nn::Init::Uniform { lo: -bound, up: bound }
}
