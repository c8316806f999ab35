//! How exactly numbers are computed: `precision.cc`.

use std::ffi::c_char;

use super::check;
use crate::TorchError;

/// Whether and to which kind this thread narrows operations, laid out as in `precision.cc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct AutocastState {
    /// 1 inside a region.
    pub(crate) enabled: i32,
    /// Numbered as `c10::ScalarType`.
    pub(crate) kind: i32,
}

unsafe extern "C" {
    fn equiav_set_matmul_precision(level: i32) -> *mut c_char;
    fn equiav_matmul_precision(level: *mut i32) -> *mut c_char;
    fn equiav_autocast(device: i32, state: *mut AutocastState) -> *mut c_char;
    fn equiav_set_autocast(device: i32, state: *const AutocastState, nesting: i32) -> *mut c_char;
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

/// The state of this thread for devices of that type, numbered as `c10::DeviceType`.
pub(crate) fn autocast_state(device: i32) -> Result<AutocastState, TorchError> {
    let mut state = AutocastState::default();
    // SAFETY: `state` is written before the call ends; an unknown device is refused.
    check(unsafe { equiav_autocast(device, &mut state) })?;
    Ok(state)
}

/// Sets that state, and counts regions up (1) or down (-1).
pub(crate) fn set_autocast(
    device: i32,
    state: AutocastState,
    nesting: i32,
) -> Result<(), TorchError> {
    // SAFETY: `state` outlives the call, and holds a kind that libtorch knows: ours, or one it told.
    check(unsafe { equiav_set_autocast(device, &state, nesting) })
}
