//! Blocks whose inner graph is computed anew in the backward pass: `checkpoint.cc`.

use std::any::Any;
use std::ffi::{CString, c_char, c_void};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::{Mutex, PoisonError};

use tch::Tensor;

use super::{Owned, Pointer, made, pointer};
use crate::TorchError;

/// What a block computes; a mutex, since the graph may be walked from any thread.
type Block = Mutex<Box<dyn Fn(&Tensor) -> Tensor + Send>>;

/// A body as the other side calls it, laid out as in `checkpoint.cc`.
#[repr(C)]
struct Body {
    state: *mut c_void,
    run: unsafe extern "C" fn(*const c_void, Pointer, *mut Owned) -> *mut c_char,
    drop: unsafe extern "C" fn(*mut c_void),
}

unsafe extern "C" {
    fn equiav_message(text: *const c_char) -> *mut c_char;
    fn equiav_checkpoint(
        input: Pointer,
        output: Pointer,
        body: Body,
        result: *mut Owned,
    ) -> *mut c_char;
}

/// Joins `output`, which `block` made of `input` without a graph, to the graph of `input`.
pub(crate) fn checkpoint(
    input: &Tensor,
    output: &Tensor,
    block: Box<dyn Fn(&Tensor) -> Tensor + Send>,
) -> Result<Tensor, TorchError> {
    let state = Box::into_raw(Box::new(Block::new(block))).cast();
    // SAFETY: both are live C++ tensors. `state` comes from a box of the type that `run` and `drop`
    // expect, and belongs to the other side from here on, which drops it once.
    made(|result| unsafe {
        equiav_checkpoint(pointer(input), pointer(output), Body { state, run, drop }, result)
    })
}

/// Runs a block; its panic becomes a message, since no panic may reach C++.
unsafe extern "C" fn run(state: *const c_void, input: Pointer, output: *mut Owned) -> *mut c_char {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `state` is the block of `checkpoint`, which lives until `drop`; `input` is a live C++
        // tensor, of which this makes a handle of its own.
        let (block, input) =
            unsafe { (&*state.cast::<Block>(), Tensor::clone_from_ptr(input.cast_mut().cast())) };
        block.lock().unwrap_or_else(PoisonError::into_inner)(&input)
    }));
    match outcome {
        Ok(tensor) => {
            let tensor = mem::ManuallyDrop::new(tensor);
            // SAFETY: `output` is the caller's to be written; the C++ tensor is its own from here on.
            unsafe { *output = tensor.as_ptr().cast_mut().cast() };
            ptr::null_mut()
        }
        Err(payload) => {
            let text = CString::new(panic_text(payload)).unwrap_or_default();
            // SAFETY: `text` is a C string that outlives the call.
            unsafe { equiav_message(text.as_ptr()) }
        }
    }
}

/// Lets go of a block.
unsafe extern "C" fn drop(state: *mut c_void) {
    // SAFETY: `state` is the box of `checkpoint`, and this is the one call with it.
    let block = unsafe { Box::from_raw(state.cast::<Block>()) };
    // What a block has captured may panic when dropped; there is nobody to tell.
    let _ = catch_unwind(AssertUnwindSafe(move || mem::drop(block)));
}

fn panic_text(payload: Box<dyn Any + Send>) -> String {
    let text = payload.downcast_ref::<&str>().copied().map(str::to_owned);
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    let text = text.unwrap_or_else(|| "no reason given".to_owned());
    format!("a checkpointed block panicked: {}", text.replace('\0', " "))
}
