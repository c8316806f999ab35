//! What tch lacks: AdamW with state that can be saved, autocast of either kind, loss scaling, blocks that
//! are computed twice to save memory, gradient norms that nobody waits for, matrix products of plain
//! numbers and their precision, memory that is kept and measured, processes that work as one, and CUDA
//! found at run time; it knows no batches and no models.
//!
//! The crate is a thin C++ border to libtorch. Every C++ exception becomes a [`TorchError`].

mod adamw;
mod autocast;
mod border;
mod checkpoint;
mod device;
mod gradients;
mod group;
mod memory;
mod precision;
mod product;
mod scaler;
#[cfg(test)]
#[path = "../tests/support/skipped.rs"]
mod skipped;
mod state;
mod transfer;

pub use adamw::{AdamW, AdamWConfig};
pub use autocast::{AutocastKind, autocast, autocast_kind, without_autocast};
pub use checkpoint::checkpoint;
pub use device::{OneThread, cuda_device, load_cuda, own_gpu, set_threads, threads, visible_gpus};
pub use gradients::{clip_grad_norm, found_inf};
pub use group::{
    Gloo, GradientAverage, Group, GroupError, Limits, Meeting, OverlappedAverage, Reduce,
    Rendezvous, RendezvousError, Solo, StoreHost, Unused, gather_with_gradient,
    gather_without_gradient,
};
pub use memory::{
    forget_peak_on_gpu, forget_peak_resident, is_out_of_memory, keep_freed_memory, peak_on,
    peak_on_gpu, peak_resident,
};
pub use precision::{FullPrecision, MatmulPrecision, matmul_precision, set_matmul_precision};
pub use product::{Multiplier, Multiplying};
pub use scaler::{LossScaler, LossScalerConfig};
pub use state::StateError;
pub use transfer::to_device;

/// A failure inside libtorch, in libtorch's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TorchError(String);

impl std::fmt::Display for TorchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.trim_end())
    }
}

impl std::error::Error for TorchError {}
