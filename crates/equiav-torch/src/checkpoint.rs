//! Activation checkpointing: memory for time.

use tch::Tensor;

use crate::autocast::AutocastSnapshot;
use crate::ffi;

/// What `body` makes of `input`, without keeping what the backward pass of `body` needs.
///
/// The backward pass runs `body` once more, on the same input and in the autocast state of the first
/// run, and differentiates that. Gradients are those of a plain call, to the bit where the operations
/// repeat themselves to the bit; as `torch.utils.checkpoint` with `use_reentrant=True`.
///
/// What `body` captures lives as long as the graph. Captured tensors that take a gradient must be leaves
/// (parameters), and get it; a tensor of the caller's graph belongs in `input`. `body` must draw no
/// random numbers and have no effects. The result takes a gradient whatever `input` does, except under
/// `no_grad`, where nothing is kept anyway.
///
/// Whoever differentiates does so by `backward`: gradients of chosen tensors (`run_backward`) and second
/// derivatives are refused by an error there. A panic of `body` in the backward pass is such an error
/// too, with the panic's words.
///
/// # Panics
///
/// If `body` does.
#[track_caller]
pub fn checkpoint(input: &Tensor, body: impl Fn(&Tensor) -> Tensor + Send + 'static) -> Tensor {
    let output = {
        let _no_grad = tch::no_grad_guard(); // ends with a panic too, unlike `tch::no_grad`
        body(input)
    };
    let narrowing = AutocastSnapshot::current();
    let again = move |input: &Tensor| narrowing.within(|| body(input));
    ffi::checkpoint(input, &output, Box::new(again)).expect("a node of the graph")
}
