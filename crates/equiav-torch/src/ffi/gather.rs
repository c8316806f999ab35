//! A gather that gradients pass: `gather.cc`.

use std::ffi::{c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use tch::Tensor;

use super::{Owned, Pointer, made, pointer, text};
use crate::TorchError;

/// Sums a gradient over all processes in place; the error is what the backward pass fails with.
pub(crate) type Sum = dyn Fn(&mut Tensor) -> Result<(), String> + Send + Sync;

type RawSum = unsafe extern "C" fn(context: *mut c_void, tensor: Owned) -> *mut c_char;
type RawEnd = unsafe extern "C" fn(context: *mut c_void);

unsafe extern "C" {
    fn equiav_make_message(text: *const c_char) -> *mut c_char;
    fn equiav_gather_with_gradient(
        gathered: Pointer,
        own: Pointer,
        first: i64,
        context: *mut c_void,
        sum: RawSum,
        end: RawEnd,
        made: *mut Owned,
    ) -> *mut c_char;
}

/// `gathered`, whose rows from `first` on are `own`, as a function of `own`: its gradient is summed by
/// `sum`, and `own` receives its rows of that.
pub(crate) fn gather_with_gradient(
    gathered: &Tensor,
    own: &Tensor,
    first: i64,
    sum: Box<Sum>,
) -> Result<Tensor, TorchError> {
    let context: *mut Box<Sum> = Box::into_raw(Box::new(sum));
    // SAFETY: both tensors are live; the context is a box that C++ frees once, by `end_sum`.
    made(|made| unsafe {
        equiav_gather_with_gradient(
            pointer(gathered),
            pointer(own),
            first,
            context.cast(),
            call_sum,
            end_sum,
            made,
        )
    })
}

/// Calls the closure behind `context`.
unsafe extern "C" fn call_sum(context: *mut c_void, tensor: Owned) -> *mut c_char {
    let summed = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the context is the box of `gather_with_gradient`, not yet ended; the tensor is a new
        // box around a C++ tensor, and ours.
        let (sum, mut tensor) =
            unsafe { (&*context.cast_const().cast::<Box<Sum>>(), Tensor::from_ptr(tensor.cast())) };
        sum(&mut tensor)
    }));
    let failure = match summed {
        Ok(Ok(())) => return ptr::null_mut(),
        Ok(Err(failure)) => failure,
        Err(_) => "the sum of a gradient over processes panicked".to_owned(),
    };
    // SAFETY: the text outlives the call, which copies it.
    unsafe { equiav_make_message(text(&failure).as_ptr()) }
}

/// Ends the closure behind `context`.
unsafe extern "C" fn end_sum(context: *mut c_void) {
    // SAFETY: the context is the box of `gather_with_gradient`, which C++ frees once.
    drop(unsafe { Box::from_raw(context.cast::<Box<Sum>>()) });
}
