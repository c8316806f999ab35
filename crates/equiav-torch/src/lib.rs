//! What tch lacks: AdamW with state that can be saved, gradient norms, matrix product precision, memory
//! that is kept, and CUDA found at run time; it knows no batches and no models.
//!
//! The crate is a thin C++ border to libtorch. Every C++ exception becomes a [`TorchError`].

mod adamw;
mod border;
mod device;
mod gradients;
mod memory;
mod precision;

pub use adamw::{AdamW, AdamWConfig, StateError};
pub use device::{cuda_device, load_cuda, set_threads, threads};
pub use gradients::clip_grad_norm;
pub use memory::keep_freed_memory;
pub use precision::{MatmulPrecision, matmul_precision, set_matmul_precision};

/// A failure inside libtorch, in libtorch's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TorchError(String);

impl std::fmt::Display for TorchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.trim_end())
    }
}

impl std::error::Error for TorchError {}
