//! The global norm of the gradients, clipping by it, and whether numbers are finite; all on the device, without
//! waiting for it.

use tch::{Kind, Tensor};

use crate::{TorchError, ffi};

/// The norm of the gradients of all `parameters` together, before they are clipped to `max_norm`.
///
/// ```text
/// norm = √ Σ gradient²        gradient ← gradient · min(1, max_norm / (norm + 1e-6))
/// ```
///
/// The norm is a scalar `[]`, fp32, on the device of the gradients; the call does not wait for it.
/// Parameters without a gradient are skipped. Without a `max_norm`, or when the norm is not
/// finite, the gradients stay as they are: [`found_inf`] of the norm has
/// [`AdamW::step_unless`](crate::AdamW::step_unless) skip such an update.
///
/// # Errors
///
/// If libtorch fails, for example because the gradients lie on different devices.
///
/// # Panics
///
/// If `max_norm` is not above 0.
#[track_caller]
pub fn clip_grad_norm(parameters: &[Tensor], max_norm: Option<f64>) -> Result<Tensor, TorchError> {
    if let Some(max_norm) = max_norm {
        assert!(max_norm > 0.0, "clip_grad_norm: {max_norm} is no largest norm");
    }
    ffi::clip_gradients(parameters, max_norm)
}

/// The flag `[1]`, fp32, on the device: 1 where any of the `numbers` is not finite, else 0.
///
/// # Shapes
///
/// - `numbers`: of any shape, on one device; usually a loss and a norm
///
/// # Panics
///
/// If there are no numbers, or they lie on different devices.
#[track_caller]
pub fn found_inf(numbers: &[&Tensor]) -> Tensor {
    assert!(!numbers.is_empty(), "found_inf: no numbers");
    let finite: Vec<Tensor> =
        numbers.iter().map(|number| number.detach().isfinite().all().reshape([1i64])).collect();
    Tensor::cat(&finite, 0).all().logical_not().to_kind(Kind::Float).reshape([1i64])
}

#[cfg(test)]
mod tests {
    use tch::Device;

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

    /// The norm, read here where waiting does no harm.
    fn clip(parameters: &[Tensor], max_norm: Option<f64>) -> f64 {
        let norm = clip_grad_norm(parameters, max_norm).expect("a norm");
        assert_eq!((norm.size(), norm.kind()), (vec![], Kind::Float));
        norm.double_value(&[])
    }

    #[test]
    fn the_norm_is_over_all_gradients_and_they_shrink_to_it() {
        let parameters = with_gradients(&[&[3.0, 0.0], &[0.0, 4.0, 12.0]]);
        assert_eq!(clip(&parameters, None), 13.0);
        assert_eq!(gradient(&parameters[1]), [0.0, 4.0, 12.0], "only measured");

        assert_eq!(clip(&parameters, Some(100.0)), 13.0);
        assert_eq!(gradient(&parameters[1]), [0.0, 4.0, 12.0], "small enough already");

        assert_eq!(clip(&parameters, Some(1.3)), 13.0);
        let clipped = clip(&parameters, None);
        assert!((clipped - 1.3).abs() < 1e-6, "{clipped}");
    }

    #[test]
    fn clipping_equals_its_formula_to_the_bit() {
        let row: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.7).sin() * 3.0).collect();
        for max_norm in [0.01, 1.0, 50.0, 1e4] {
            let parameters = with_gradients(&[&row, &[0.1, -7.0]]);
            let norm = clip(&parameters, Some(max_norm));
            // PyTorch's: a quotient in 64 bits, at most 1, times each number in 32 bits.
            let factor = (max_norm / (norm + 1e-6)).min(1.0) as f32;
            let expected: Vec<f32> = row.iter().map(|number| number * factor).collect();
            assert_eq!(gradient(&parameters[0]), expected, "{max_norm}");
        }
    }

    #[test]
    fn a_norm_that_is_not_finite_is_told_and_changes_nothing() {
        for poison in [f32::INFINITY, f32::NAN] {
            let parameters = with_gradients(&[&[1.0, 0.0], &[poison]]);
            let norm = clip_grad_norm(&parameters, Some(0.5)).expect("a norm");
            assert!(!norm.double_value(&[]).is_finite());
            assert_eq!(gradient(&parameters[0]), [1.0, 0.0]);
            assert_eq!(found_inf(&[&norm]).double_value(&[0]), 1.0);
        }
    }

    #[test]
    fn no_gradient_has_norm_zero() {
        let parameter = Tensor::zeros([2], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        assert_eq!(clip(&[parameter], Some(1.0)), 0.0);
        assert_eq!(clip(&[], Some(1.0)), 0.0);
    }

    #[test]
    fn one_number_that_is_not_finite_raises_the_flag() {
        let flag = |numbers: &[f64]| {
            let tensors: Vec<Tensor> = numbers.iter().map(|number| Tensor::from(*number)).collect();
            let flag = found_inf(&tensors.iter().collect::<Vec<_>>());
            assert_eq!((flag.size(), flag.kind()), (vec![1], Kind::Float));
            flag.double_value(&[0])
        };
        assert_eq!(flag(&[1.0, -3e300, 0.0]), 0.0);
        assert_eq!(flag(&[1.0, f64::NAN]), 1.0);
        assert_eq!(flag(&[f64::NEG_INFINITY, 1.0]), 1.0);
        let row = Tensor::from_slice(&[0.0f32, f32::NAN]);
        assert_eq!(found_inf(&[&Tensor::from(1f32), &row]).double_value(&[0]), 1.0);
    }
}
