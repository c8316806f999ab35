//! What surrounds the tensors: `system.cc`.

use std::ffi::c_char;

use super::check;
use crate::TorchError;

unsafe extern "C" {
    fn equiav_load_cuda() -> *mut c_char;
    fn equiav_keep_freed_memory();
    fn equiav_cuda_peak(index: i32, bytes: *mut i64) -> *mut c_char;
    fn equiav_forget_cuda_peak(index: i32) -> *mut c_char;
}

/// Has the C library keep freed memory.
pub(crate) fn keep_freed_memory() {
    // SAFETY: the function sets two numbers of the C library, under its own lock.
    unsafe { equiav_keep_freed_memory() }
}

/// Loads libtorch's CUDA library from beside its CPU library.
pub(crate) fn load_cuda() -> Result<(), TorchError> {
    // SAFETY: the library is part of the same libtorch, whose initializers only register kernels.
    check(unsafe { equiav_load_cuda() })
}

/// The most bytes that tensors on GPU `index` took at once.
pub(crate) fn cuda_peak(index: i32) -> Result<i64, TorchError> {
    let mut bytes = 0;
    // SAFETY: `bytes` is written before the call ends; an unknown GPU is refused.
    check(unsafe { equiav_cuda_peak(index, &mut bytes) })?;
    Ok(bytes)
}

/// Forgets that peak.
pub(crate) fn forget_cuda_peak(index: i32) -> Result<(), TorchError> {
    // SAFETY: the function takes a number; an unknown GPU is refused.
    check(unsafe { equiav_forget_cuda_peak(index) })
}
