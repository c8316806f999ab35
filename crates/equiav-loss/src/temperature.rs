//! The temperature that the cosines are divided by: fixed, or learned by the caller.

use tch::Tensor;

/// What the cosines are divided by, above 0; smaller is sharper.
#[derive(Clone, Copy, Debug)]
pub enum Temperature<'t> {
    /// A number.
    Fixed(f64),
    /// A tensor of one element that holds the temperature itself (not its logarithm) and receives
    /// its gradient. The caller keeps it above 0, for example as the exponential of a parameter.
    Learned(&'t Tensor),
}

impl Temperature<'_> {
    /// `cosines` over the temperature.
    #[track_caller]
    pub(crate) fn divide(self, cosines: &Tensor) -> Tensor {
        match self {
            Self::Fixed(tau) => {
                assert!(tau > 0.0 && tau.is_finite(), "{tau} is no temperature");
                cosines / tau
            }
            Self::Learned(tau) => {
                assert_eq!(tau.numel(), 1, "a learned temperature has one element");
                cosines / tau.to_kind(cosines.kind()).reshape([1i64].as_slice())
            }
        }
    }
}

impl From<f64> for Temperature<'_> {
    fn from(tau: f64) -> Self {
        Self::Fixed(tau)
    }
}

impl<'t> From<&'t Tensor> for Temperature<'t> {
    fn from(tau: &'t Tensor) -> Self {
        Self::Learned(tau)
    }
}
