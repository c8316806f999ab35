//! Rows of all processes as one tensor, with and without their gradient.
//!
//! With W processes of B rows each, where each process's loss L_r is the mean over its own rows, the loss
//! of one process with W·B rows would be L = (1/W) Σ L_r. [`gather_with_gradient`] gives rank r the
//! gradient Σ_s ∂L_s/∂(its rows) = W · ∂L/∂(its rows): the sum over processes, not the mean. Averaging the
//! parameters' gradients over the W processes ([`GradientAverage`](super::GradientAverage)) divides by that
//! W, so the average is ∂L/∂(parameters) with no factor left.

use std::sync::Arc;

use tch::Tensor;

use super::{Group, GroupError, Reduce};
use crate::ffi;

/// Every rank's `own` rows as one tensor that passes gradients to all of them.
///
/// Backward, the gradients that all processes have for the result are summed (one `all_reduce`), and
/// `own` receives its rows; so every process's backward pass must reach the result's node.
///
/// # Shapes
///
/// - `own`: `[rows, ...]`, the same on all ranks
/// - result: `[world · rows, ...]`; rank r's rows begin at r · rows
///
/// # Errors
///
/// If a process does not take part within the limit, or the carrier fails. A failure of the sum is an
/// error of the backward pass, in the same words.
pub fn gather_with_gradient(
    group: &Arc<dyn Group>,
    own: &Tensor,
    purpose: &str,
) -> Result<Tensor, GroupError> {
    if group.world() == 1 {
        return Ok(own.shallow_clone());
    }
    let gathered = group.all_gather(own, purpose)?;
    let summed = Arc::clone(group);
    let of_gradient = format!("gradient of {purpose}");
    let sum = move |gradient: &mut Tensor| {
        let summed = summed.all_reduce(gradient, Reduce::Sum, &of_gradient);
        summed.map_err(|error| error.to_string())
    };
    ffi::gather_with_gradient(&gathered, own, first_row(group.as_ref(), own), Box::new(sum))
        .map_err(|error| GroupError::new(format!("gather ({purpose}): {error}"), Vec::new()))
}

/// Every rank's `own` rows as one tensor of constants, this rank's rows among them, as the published
/// training code has them: no gradient goes through it.
///
/// A lone process has nothing to gather. Its rows come back as they are, with their gradient, as they
/// do in the published code.
///
/// # Shapes
///
/// As for [`gather_with_gradient`].
///
/// # Errors
///
/// If a process does not take part within the limit, or the carrier fails.
pub fn gather_without_gradient(
    group: &dyn Group,
    own: &Tensor,
    purpose: &str,
) -> Result<Tensor, GroupError> {
    if group.world() == 1 {
        return Ok(own.shallow_clone());
    }
    group.all_gather(own, purpose)
}

/// Where this rank's rows begin.
fn first_row(group: &dyn Group, own: &Tensor) -> i64 {
    group.rank() as i64 * own.size()[0]
}
