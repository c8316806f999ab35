//! The inputs of a dump, which are not stored: an exact integer hash of each element's number.

use tch::Tensor;

/// The tensor of `shape` with that `seed`; every value is exact in f32 and in [-1, 1).
pub(crate) fn hashed(seed: u64, shape: &[i64]) -> Tensor {
    let count = shape.iter().product::<i64>().unsigned_abs() as usize;
    Tensor::from_slice(&equiav_train::clips::hash_noise(seed, count)).view(shape)
}
