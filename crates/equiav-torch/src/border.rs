//! The C++ border as safe functions; the only unsafe code of the workspace, and nothing else.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_void};

use tch::Tensor;

use crate::TorchError;

/// The numbers of one AdamW update, laid out as in `border.cc`.
#[repr(C)]
pub(crate) struct Settings {
    pub(crate) lr: f64,
    pub(crate) beta1: f64,
    pub(crate) beta2: f64,
    pub(crate) eps: f64,
    pub(crate) weight_decay: f64,
}

/// The tensors of one AdamW update: four lists of equal length, in the same order.
pub(crate) struct Lists<'t> {
    pub(crate) parameters: &'t [Tensor],
    pub(crate) exp_avgs: &'t [Tensor],
    pub(crate) exp_avg_sqs: &'t [Tensor],
    pub(crate) steps: &'t [Tensor],
}

/// A pointer to a C++ tensor.
type Pointer = *const c_void;

unsafe extern "C" {
    fn equiav_free_message(text: *mut c_char);
    fn equiav_adamw_step(
        count: usize,
        parameters: *const Pointer,
        exp_avgs: *const Pointer,
        exp_avg_sqs: *const Pointer,
        steps: *const Pointer,
        settings: *const Settings,
    ) -> *mut c_char;
    fn equiav_gradient_norm(
        count: usize,
        parameters: *const Pointer,
        norm: *mut f64,
    ) -> *mut c_char;
    fn equiav_scale_gradients(count: usize, parameters: *const Pointer, factor: f64)
    -> *mut c_char;
    fn equiav_set_matmul_precision(level: i32) -> *mut c_char;
    fn equiav_matmul_precision(level: *mut i32) -> *mut c_char;
    fn equiav_load_cuda() -> *mut c_char;
    fn equiav_keep_freed_memory();
}

/// Updates every parameter that has a gradient, in place.
pub(crate) fn adamw_step(lists: &Lists<'_>, settings: &Settings) -> Result<(), TorchError> {
    let count = lists.parameters.len();
    let parameters = pointers(lists.parameters);
    let [exp_avgs, exp_avg_sqs, steps] =
        [lists.exp_avgs, lists.exp_avg_sqs, lists.steps].map(|list| {
            assert_eq!(list.len(), count, "adamw_step: the lists differ in length");
            pointers(list)
        });
    // SAFETY: each list holds `count` pointers to live C++ tensors, and all pointers outlive the call.
    check(unsafe {
        equiav_adamw_step(
            count,
            parameters.as_ptr(),
            exp_avgs.as_ptr(),
            exp_avg_sqs.as_ptr(),
            steps.as_ptr(),
            settings,
        )
    })
}

/// The norm of all gradients together.
pub(crate) fn gradient_norm(parameters: &[Tensor]) -> Result<f64, TorchError> {
    let pointers = pointers(parameters);
    let mut norm = f64::NAN;
    // SAFETY: the list holds pointers to live C++ tensors, and `norm` is written before the call ends.
    check(unsafe { equiav_gradient_norm(pointers.len(), pointers.as_ptr(), &mut norm) })?;
    Ok(norm)
}

/// Multiplies every gradient by `factor`, in place.
pub(crate) fn scale_gradients(parameters: &[Tensor], factor: f64) -> Result<(), TorchError> {
    let pointers = pointers(parameters);
    // SAFETY: the list holds pointers to live C++ tensors, and outlives the call.
    check(unsafe { equiav_scale_gradients(pointers.len(), pointers.as_ptr(), factor) })
}

/// Sets the precision of fp32 matrix products: 0 highest, 1 high, 2 medium.
pub(crate) fn set_matmul_precision(level: i32) -> Result<(), TorchError> {
    // SAFETY: the function takes a number and refuses one that it does not know.
    check(unsafe { equiav_set_matmul_precision(level) })
}

/// The precision of fp32 matrix products, numbered as for [`set_matmul_precision`].
pub(crate) fn matmul_precision() -> Result<i32, TorchError> {
    let mut level = 0;
    // SAFETY: `level` is written before the call ends.
    check(unsafe { equiav_matmul_precision(&mut level) })?;
    Ok(level)
}

/// Has the C library keep freed memory.
pub(crate) fn keep_freed_memory() {
    // SAFETY: the function sets two numbers of the C library, under its own lock.
    unsafe { equiav_keep_freed_memory() }
}

/// Loads libtorch's CUDA library from beside its CPU library.
pub(crate) fn load_cuda() -> Result<(), TorchError> {
    // SAFETY: the library is part of the same libtorch, whose initialisers only register kernels.
    check(unsafe { equiav_load_cuda() })
}

fn pointers(tensors: &[Tensor]) -> Vec<Pointer> {
    tensors.iter().map(|tensor| tensor.as_ptr().cast()).collect()
}

/// Turns a message of the border, null where there was no failure, into a result.
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
