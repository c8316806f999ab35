//! Gradients averaged while they are computed: `reducer.cc`.

use std::ffi::c_char;
use std::ptr::{self, NonNull};

use tch::Tensor;

use super::group::RawGroup;
use super::{Pointer, ProcessGroup, check, pointer, pointers};
use crate::TorchError;

/// `EquiavReducer` of `reducer.cc`.
#[repr(C)]
struct RawReducer {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn equiav_reducer_open(
        group: *mut RawGroup,
        count: usize,
        parameters: *const Pointer,
        search_unused: i32,
        reducer: *mut *mut RawReducer,
    ) -> *mut c_char;
    fn equiav_reducer_prepare(reducer: *mut RawReducer, loss: Pointer) -> *mut c_char;
    fn equiav_reducer_finish(reducer: *mut RawReducer) -> *mut c_char;
    fn equiav_reducer_free(reducer: *mut RawReducer);
}

/// c10d's Reducer over a list of parameters.
#[derive(Debug)]
pub(crate) struct Reducer(NonNull<RawReducer>);

// SAFETY: the reducer has a lock of its own, since backward passes call it from several threads.
unsafe impl Send for Reducer {}

impl Reducer {
    /// Watches the gradients of `parameters`; with `search_unused` not 0, each pass looks for those
    /// that it does not reach.
    pub(crate) fn open(
        group: &ProcessGroup,
        parameters: &[Tensor],
        search_unused: i32,
    ) -> Result<Self, TorchError> {
        let pointers = pointers(parameters);
        let mut reducer = ptr::null_mut();
        // SAFETY: the group is live, the list holds pointers to live C++ tensors and outlives the call,
        // and `reducer` is written where it reports no failure.
        check(unsafe {
            equiav_reducer_open(
                group.raw(),
                pointers.len(),
                pointers.as_ptr(),
                search_unused,
                &mut reducer,
            )
        })?;
        Ok(Self(NonNull::new(reducer).expect("C++ has made no reducer")))
    }

    /// Has the next backward pass, from `loss`, average the gradients.
    pub(crate) fn prepare(&self, loss: &Tensor) -> Result<(), TorchError> {
        // SAFETY: the reducer and the tensor are live.
        check(unsafe { equiav_reducer_prepare(self.0.as_ptr(), pointer(loss)) })
    }

    /// Fails where that pass has left parameters out that it should have reached.
    pub(crate) fn finish(&self) -> Result<(), TorchError> {
        // SAFETY: the reducer is live.
        check(unsafe { equiav_reducer_finish(self.0.as_ptr()) })
    }
}

impl Drop for Reducer {
    fn drop(&mut self) {
        // SAFETY: the reducer is ours, and its hooks on the parameters end with it.
        unsafe { equiav_reducer_free(self.0.as_ptr()) }
    }
}
