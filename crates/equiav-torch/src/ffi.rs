//! Safe functions over the C++ ones of `cpp/`, in one file per part of libtorch; the only unsafe code of the
//! workspace, and nothing else.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;
use std::time::Duration;

use tch::Tensor;

use crate::TorchError;

mod checkpoint;
mod gather;
mod group;
mod optimizer;
mod precision;
mod product;
mod reducer;
mod store;
mod system;

pub(crate) use checkpoint::checkpoint;
pub(crate) use gather::gather_with_gradient;
pub(crate) use group::{ProcessGroup, Seat, Work};
pub(crate) use optimizer::{
    Lists, Scaling, Settings, adamw_step, clip_gradients, drop_gradients, unscale_gradients,
    update_scale,
};
pub(crate) use precision::{
    AutocastState, autocast_state, matmul_precision, set_autocast, set_matmul_precision,
};
pub(crate) use product::multiply;
pub(crate) use reducer::Reducer;
pub(crate) use store::{Address, Store};
pub(crate) use system::{cuda_peak, forget_cuda_peak, keep_freed_memory, load_cuda};

/// A pointer to a C++ tensor that stays ours.
type Pointer = *const c_void;

/// A pointer to a C++ tensor that its receiver frees.
type Owned = *mut c_void;

unsafe extern "C" {
    fn equiav_free_message(text: *mut c_char);
}

fn pointers(tensors: &[Tensor]) -> Vec<Pointer> {
    tensors.iter().map(pointer).collect()
}

fn pointer(tensor: &Tensor) -> Pointer {
    tensor.as_ptr().cast()
}

/// A C string; NUL characters, which it cannot hold, are skipped.
fn text(text: &str) -> CString {
    CString::new(text.replace('\0', "")).unwrap_or_default()
}

fn milliseconds(limit: Duration) -> i64 {
    i64::try_from(limit.as_millis()).unwrap_or(i64::MAX)
}

/// Turns a message of a C++ function, null where there was no failure, into a result.
fn check(message: *mut c_char) -> Result<(), TorchError> {
    if message.is_null() {
        return Ok(());
    }
    // SAFETY: a message that is not null is a C string that belongs to us until it is freed here.
    let text = unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        equiav_free_message(message);
        text
    };
    Err(TorchError(text))
}

/// The tensor that a function of C++ has made.
fn made(call: impl FnOnce(*mut Owned) -> *mut c_char) -> Result<Tensor, TorchError> {
    let mut tensor: Owned = ptr::null_mut();
    check(call(&mut tensor))?;
    assert!(!tensor.is_null(), "C++ has made no tensor");
    // SAFETY: a function that reports no failure has stored a C++ tensor of its own making.
    Ok(unsafe { Tensor::from_ptr(tensor.cast()) })
}
