//! How exactly fp32 matrix products are computed, for the whole process.

use serde::{Deserialize, Serialize};

use crate::{TorchError, border};

/// The precision of fp32 matrix products, as PyTorch's `set_float32_matmul_precision`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MatmulPrecision {
    /// fp32 throughout.
    Highest,
    /// TensorFloat32, or products of bfloat16 pairs, where the device has them.
    High,
    /// Products of bfloat16 where the device is faster with them.
    ///
    /// On processors it also hands fp32 products to oneDNN, which alone can be worth a factor of 1.8.
    /// On a virtual machine whose processor advertises AMX, oneDNN's kernels for it have ended the
    /// process with an illegal instruction; `ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16` avoids them, and was
    /// slower there than [`Highest`](Self::Highest).
    Medium,
}

/// Sets the precision of every later fp32 matrix product of this process.
///
/// # Errors
///
/// If libtorch refuses.
pub fn set_matmul_precision(precision: MatmulPrecision) -> Result<(), TorchError> {
    border::set_matmul_precision(match precision {
        MatmulPrecision::Highest => 0,
        MatmulPrecision::High => 1,
        MatmulPrecision::Medium => 2,
    })
}

/// The precision of fp32 matrix products of this process.
///
/// # Errors
///
/// If libtorch's setting was changed through an interface that has no such precision.
pub fn matmul_precision() -> Result<MatmulPrecision, TorchError> {
    match border::matmul_precision()? {
        0 => Ok(MatmulPrecision::Highest),
        1 => Ok(MatmulPrecision::High),
        2 => Ok(MatmulPrecision::Medium),
        other => Err(TorchError(format!("precision {other} is unknown"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_read_back() {
        for precision in [MatmulPrecision::Medium, MatmulPrecision::High, MatmulPrecision::Highest]
        {
            set_matmul_precision(precision).expect("libtorch takes it");
            assert_eq!(matmul_precision(), Ok(precision));
        }
    }
}
