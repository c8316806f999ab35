//! Projection heads: from an encoder's width to the space in which embeddings are compared.

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use tch::{Tensor, nn};

use crate::config::size;
use crate::layers::init;
use crate::layers::norm::Norm;

/// The shape of a [`Head`].
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HeadConfig {
    /// What it is made of; absent, the published three maps.
    #[serde(default, skip_serializing_if = "HeadKind::is_projector")]
    pub kind: HeadKind,
    /// Channels of the two hidden layers, at least 1; 2048 as published. Only a projector has any.
    #[serde(default, skip_serializing_if = "is_none")]
    pub hidden: i64,
    /// Channels of an embedding, at least 1; 512 as published. None of a head that is not there, which leaves the width.
    #[serde(default, skip_serializing_if = "is_none")]
    pub out: i64,
    /// Whether all modalities have the very same head, so that their encoders must learn one space to begin with.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
}

/// What a head is made of.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadKind {
    /// Three linear maps, each with a norm, and ReLU between them: the published one.
    #[default]
    Projector,
    /// Two linear maps with ReLU between them.
    Perceptron,
    /// One linear map.
    Linear,
    /// Nothing: the point itself.
    None,
}

/// What leads from an encoder's width to the space in which embeddings are compared.
#[derive(Debug)]
pub enum Head {
    /// See [`HeadKind::Projector`].
    Projector(Box<Projector>),
    /// See [`HeadKind::Perceptron`].
    Perceptron(nn::Linear, nn::Linear),
    /// See [`HeadKind::Linear`].
    Linear(nn::Linear),
    /// See [`HeadKind::None`].
    None,
}

/// Three linear maps, each with a norm, and ReLU between them.
#[derive(Debug)]
pub struct Projector {
    fc1: nn::Linear,
    norm1: Norm,
    fc2: nn::Linear,
    norm2: Norm,
    fc3: nn::Linear,
    norm3: Norm,
}

impl HeadKind {
    /// Whether it is the published one, which recipes do not name.
    pub fn is_projector(&self) -> bool {
        *self == Self::Projector
    }
}

impl HeadConfig {
    /// The published head.
    pub const fn projector(hidden: i64, out: i64) -> Self {
        Self { kind: HeadKind::Projector, hidden, out, shared: false }
    }

    /// Two linear maps with ReLU between them.
    pub const fn perceptron(hidden: i64, out: i64) -> Self {
        Self { kind: HeadKind::Perceptron, hidden, out, shared: false }
    }

    /// One linear map.
    pub const fn linear(out: i64) -> Self {
        Self { kind: HeadKind::Linear, hidden: 0, out, shared: false }
    }

    /// No head.
    pub const NONE: Self = Self { kind: HeadKind::None, hidden: 0, out: 0, shared: false };

    /// Makes the head for `width` channels; its parameters go under `path`. Another call with the path of a shared head gives
    /// the same parameters.
    pub fn build(&self, path: &nn::Path, width: i64) -> Head {
        let linear = |name: &str, from, to| init::linear(path / name, from, to);
        let norm = |name: &str, width| init::norm(path / name, width);
        match self.kind {
            HeadKind::Projector => Head::Projector(Box::new(Projector {
                fc1: linear("fc1", width, self.hidden),
                norm1: norm("norm1", self.hidden),
                fc2: linear("fc2", self.hidden, self.hidden),
                norm2: norm("norm2", self.hidden),
                fc3: linear("fc3", self.hidden, self.out),
                norm3: norm("norm3", self.out),
            })),
            HeadKind::Perceptron => Head::Perceptron(
                linear("fc1", width, self.hidden),
                linear("fc2", self.hidden, self.out),
            ),
            HeadKind::Linear => Head::Linear(linear("fc", width, self.out)),
            HeadKind::None => Head::None,
        }
    }

    /// Channels of what the head makes of `width` channels.
    pub fn outputs(&self, width: i64) -> i64 {
        if self.kind == HeadKind::None { width } else { self.out }
    }

    /// Checks its sizes; messages call it `name`.
    ///
    /// # Errors
    ///
    /// If a size is missing, or given where there is nothing of that size.
    pub(crate) fn check(&self, name: &str) -> anyhow::Result<()> {
        ensure!(
            !self.shared || matches!(self.kind, HeadKind::Perceptron | HeadKind::Linear),
            "{name}.shared: only heads of kind perceptron or linear can be shared"
        );
        let sizes = [("hidden", self.hidden), ("out", self.out)];
        let present = match self.kind {
            HeadKind::Projector | HeadKind::Perceptron => [true, true],
            HeadKind::Linear => [false, true],
            HeadKind::None => [false, false],
        };
        for ((key, value), present) in sizes.into_iter().zip(present) {
            match present {
                true => size(&format!("{name}.{key}"), value)?,
                false => ensure!(value == 0, "{name}.{key} = {value}: this kind of head has none"),
            }
        }
        Ok(())
    }
}

impl nn::Module for Head {
    /// `[.., width]` to `[.., out]`.
    fn forward(&self, x: &Tensor) -> Tensor {
        match self {
            Self::Projector(projector) => projector.forward(x),
            Self::Perceptron(first, second) => x.apply(first).relu().apply(second),
            Self::Linear(linear) => x.apply(linear),
            Self::None => x.shallow_clone(),
        }
    }
}

impl nn::Module for Projector {
    /// `[.., width]` to `[.., out]`.
    fn forward(&self, x: &Tensor) -> Tensor {
        let x = x.apply(&self.fc1).apply(&self.norm1).relu();
        let x = x.apply(&self.fc2).apply(&self.norm2).relu();
        x.apply(&self.fc3).apply(&self.norm3)
    }
}

fn is_none(size: &i64) -> bool {
    *size == 0
}
