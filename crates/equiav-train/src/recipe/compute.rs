//! Where tensors live, and in which precision they are computed.

use equiav_torch::MatmulPrecision;
use serde::{Deserialize, Serialize};

/// Where tensors live and how they are computed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Compute {
    /// `cpu` or `cuda`; a run that asks for CUDA fails where there is none.
    pub device: DeviceName,
    /// Threads of one operation; 0 for as many as there are processors.
    pub threads: usize,
    /// `highest`, `high` or `medium`, as PyTorch's float32 matrix product precision.
    pub matmul_precision: MatmulPrecision,
    /// `fp32`, `bf16` or `fp16`: what the networks multiply in. Losses, norms and weights are fp32
    /// always.
    pub precision: Precision,
    /// Whether the blocks of the encoders are computed a second time in the backward pass instead of
    /// being kept: less memory, a third more time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recompute_blocks: bool,
}

/// A kind of device.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceName {
    /// The processor.
    Cpu,
    /// The first GPU.
    Cuda,
}

/// What the networks multiply in.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats throughout.
    Fp32,
    /// bfloat16 products by autocast; needs no loss scaling.
    Bf16,
    /// 16-bit floats by autocast, with a dynamic loss scale.
    Fp16,
}
