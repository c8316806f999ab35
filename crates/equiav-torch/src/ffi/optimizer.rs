//! Parameters and gradients between two passes: `optimizer.cc`.

use std::ffi::c_char;
use std::ptr;

use tch::Tensor;

use super::{Owned, Pointer, check, made, pointer, pointers};
use crate::TorchError;

/// The numbers of one AdamW update, laid out as in `optimizer.cc`.
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

/// How a loss scale moves, laid out as in `optimizer.cc`.
#[repr(C)]
pub(crate) struct Scaling {
    pub(crate) growth: f64,
    pub(crate) backoff: f64,
    pub(crate) interval: i64,
}

unsafe extern "C" {
    fn equiav_adamw_step(
        count: usize,
        parameters: *const Pointer,
        exp_avgs: *const Pointer,
        exp_avg_sqs: *const Pointer,
        steps: *const Pointer,
        found_inf: Pointer,
        settings: *const Settings,
    ) -> *mut c_char;
    fn equiav_drop_gradients(count: usize, parameters: *const Pointer) -> *mut c_char;
    fn equiav_clip_gradients(
        count: usize,
        parameters: *const Pointer,
        max_norm: *const f64,
        norm: *mut Owned,
    ) -> *mut c_char;
    fn equiav_unscale_gradients(
        count: usize,
        parameters: *const Pointer,
        scale: Pointer,
        found_inf: *mut Owned,
    ) -> *mut c_char;
    fn equiav_update_scale(
        scale: Pointer,
        growth_tracker: Pointer,
        found_inf: Pointer,
        settings: *const Scaling,
    ) -> *mut c_char;
}

/// Updates every parameter that has a gradient, in place; none where `found_inf` is not 0.
pub(crate) fn adamw_step(
    lists: &Lists<'_>,
    settings: &Settings,
    found_inf: Option<&Tensor>,
) -> Result<(), TorchError> {
    let count = lists.parameters.len();
    let parameters = pointers(lists.parameters);
    let [exp_avgs, exp_avg_sqs, steps] =
        [lists.exp_avgs, lists.exp_avg_sqs, lists.steps].map(|list| {
            assert_eq!(list.len(), count, "adamw_step: the lists differ in length");
            pointers(list)
        });
    // SAFETY: each list holds `count` pointers to live C++ tensors, `found_inf` is one or null, and all
    // pointers outlive the call.
    check(unsafe {
        equiav_adamw_step(
            count,
            parameters.as_ptr(),
            exp_avgs.as_ptr(),
            exp_avg_sqs.as_ptr(),
            steps.as_ptr(),
            found_inf.map_or(ptr::null(), pointer),
            settings,
        )
    })
}

/// Drops every gradient.
pub(crate) fn drop_gradients(parameters: &[Tensor]) -> Result<(), TorchError> {
    let pointers = pointers(parameters);
    // SAFETY: the list holds pointers to live C++ tensors, and outlives the call.
    check(unsafe { equiav_drop_gradients(pointers.len(), pointers.as_ptr()) })
}

/// The norm of all gradients together, on their device; scales them down to `max_norm`.
pub(crate) fn clip_gradients(
    parameters: &[Tensor],
    max_norm: Option<f64>,
) -> Result<Tensor, TorchError> {
    let pointers = pointers(parameters);
    let max_norm = max_norm.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: the list holds pointers to live C++ tensors, `max_norm` is null or a number, and both
    // outlive the call.
    made(|norm| unsafe { equiav_clip_gradients(pointers.len(), pointers.as_ptr(), max_norm, norm) })
}

/// Divides every gradient by `scale`, and tells whether any was not finite.
pub(crate) fn unscale_gradients(
    parameters: &[Tensor],
    scale: &Tensor,
) -> Result<Tensor, TorchError> {
    let pointers = pointers(parameters);
    // SAFETY: the list and `scale` hold pointers to live C++ tensors, and outlive the call.
    made(|found_inf| unsafe {
        equiav_unscale_gradients(pointers.len(), pointers.as_ptr(), pointer(scale), found_inf)
    })
}

/// Moves `scale` and `growth_tracker` as `found_inf` asks for.
pub(crate) fn update_scale(
    scale: &mut Tensor,
    growth_tracker: &mut Tensor,
    found_inf: &Tensor,
    settings: &Scaling,
) -> Result<(), TorchError> {
    // SAFETY: all three are live C++ tensors, two of which are ours to change.
    check(unsafe {
        equiav_update_scale(pointer(scale), pointer(growth_tracker), pointer(found_inf), settings)
    })
}
