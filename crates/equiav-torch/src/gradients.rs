//! The global norm of the gradients, and clipping by it.

use tch::Tensor;

use crate::{TorchError, border};

/// What PyTorch's `clip_grad_norm_` adds to the norm before it divides.
const NORM_ADDEND: f64 = 1e-6;

/// The norm of the gradients of all `parameters` together, before they are clipped to `max_norm`.
///
/// ```text
/// norm = √ Σ gradient²        gradient ← gradient · min(1, max_norm / (norm + 1e-6))
/// ```
///
/// Parameters without a gradient are passed over. Without a `max_norm`, or when the norm is not
/// finite, the gradients stay as they are: it is for the caller to skip such an update.
///
/// # Errors
///
/// If libtorch fails, for example because the gradients lie on different devices.
///
/// # Panics
///
/// If `max_norm` is not above 0.
#[track_caller]
pub fn clip_grad_norm(parameters: &[Tensor], max_norm: Option<f64>) -> Result<f64, TorchError> {
    let norm = border::gradient_norm(parameters)?;
    let Some(max_norm) = max_norm else { return Ok(norm) };
    assert!(max_norm > 0.0, "clip_grad_norm: {max_norm} is no largest norm");
    let factor = max_norm / (norm + NORM_ADDEND);
    if norm.is_finite() && factor < 1.0 {
        border::scale_gradients(parameters, factor)?;
    }
    Ok(norm)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    /// Parameters whose gradients are the given rows.
    fn with_gradients(rows: &[&[f32]]) -> Vec<Tensor> {
        let parameter = |row: &&[f32]| {
            let parameter = Tensor::zeros([row.len() as i64], (Kind::Float, Device::Cpu))
                .set_requires_grad(true);
            (&parameter * Tensor::from_slice(row)).sum(Kind::Float).backward();
            parameter
        };
        rows.iter().map(parameter).collect()
    }

    fn gradient(parameter: &Tensor) -> Vec<f32> {
        Vec::try_from(parameter.grad()).expect("a row")
    }

    #[test]
    fn the_norm_is_over_all_gradients_and_they_shrink_to_it() {
        let parameters = with_gradients(&[&[3.0, 0.0], &[0.0, 4.0, 12.0]]);
        assert_eq!(clip_grad_norm(&parameters, None), Ok(13.0));
        assert_eq!(gradient(&parameters[1]), [0.0, 4.0, 12.0], "only measured");

        assert_eq!(clip_grad_norm(&parameters, Some(100.0)), Ok(13.0));
        assert_eq!(gradient(&parameters[1]), [0.0, 4.0, 12.0], "small enough already");

        assert_eq!(clip_grad_norm(&parameters, Some(1.3)), Ok(13.0));
        let clipped = clip_grad_norm(&parameters, None).expect("a norm");
        assert!((clipped - 1.3).abs() < 1e-6, "{clipped}");
    }

    #[test]
    fn a_norm_that_is_not_finite_is_told_and_changes_nothing() {
        let parameters = with_gradients(&[&[1.0], &[f32::INFINITY]]);
        let norm = clip_grad_norm(&parameters, Some(1.0)).expect("a norm");
        assert!(!norm.is_finite());
        assert_eq!(gradient(&parameters[0]), [1.0]);
    }

    #[test]
    fn no_gradient_has_norm_zero() {
        let parameter = Tensor::zeros([2], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        assert_eq!(clip_grad_norm(&[parameter], Some(1.0)), Ok(0.0));
    }
}
