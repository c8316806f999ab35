//! How a trainer has the blocks of an encoder computed twice to save memory; how that is done, with libtorch's
//! graph, is the trainer's affair.

use tch::Tensor;

/// A block as a function of its tokens that owns what it needs.
pub type Segment = Box<dyn Fn(&Tensor) -> Tensor + Send>;

/// Gives what the segment makes of the tensor, and arranges that the backward pass computes the inside of
/// the segment anew instead of remembering it.
///
/// `equiav_torch::checkpoint` is one.
pub type Checkpoint = fn(&Tensor, Segment) -> Tensor;
