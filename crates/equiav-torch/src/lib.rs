//! Adds to tch what training needs and it lacks.
//!
//! | module | what it adds |
//! |--|--|
//! | `optim` | AdamW with state that can be saved, gradient norms, loss scaling |
//! | `distributed` | process groups: collectives, averaged gradients, errors that name the missing rank |
//! | `autocast`, `precision` | mixed precision, and the precision of matrix products |
//! | `checkpoint` | blocks that are computed a second time in the backward pass to save memory |
//! | `device`, `transfer` | CUDA loaded at run time, copies to a device |
//! | `memory`, `product` | memory kept and measured, products of plain numbers |
//! | `ffi` | the C++ functions behind them, the only unsafe code |
//!
//! Nothing here knows batches or models. Every C++ exception becomes a [`TorchError`].

mod autocast;
mod checkpoint;
mod device;
mod distributed;
mod ffi;
mod memory;
mod optim;
mod precision;
mod product;
#[cfg(test)]
#[path = "../tests/support/skipped.rs"]
mod skipped;
mod transfer;

pub use autocast::{AutocastKind, autocast, autocast_kind, without_autocast};
pub use checkpoint::checkpoint;
pub use device::{OneThread, cuda_device, load_cuda, own_gpu, set_threads, threads, visible_gpus};
pub use distributed::{
    Gloo, GradientAverage, Group, GroupError, LaunchError, OverlappedAverage, ProcessRole, Reduce,
    RendezvousPoint, Solo, StoreHost, Timeouts, UnusedParameters, gather_with_gradient,
    gather_without_gradient,
};
pub use memory::{
    forget_peak_on_gpu, forget_peak_resident, is_out_of_memory, keep_freed_memory, peak_on,
    peak_on_gpu, peak_resident,
};
pub use optim::{
    AdamW, AdamWConfig, GroupConfig, LossScaler, LossScalerConfig, StateError, clip_grad_norm,
    found_inf,
};
pub use precision::{FullPrecision, MatmulPrecision, matmul_precision, set_matmul_precision};
pub use product::{Multiplier, MultiplierGuard};
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
