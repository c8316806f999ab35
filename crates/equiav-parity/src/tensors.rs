//! Reads the arrays of a dump: a safetensors file by name, as ndarray values.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use ndarray::{ArrayD, IxDyn};
use safetensors::{Dtype, SafeTensors};

/// A safetensors file in memory.
pub(crate) struct Tensors {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Tensors {
    /// Reads the file at `path`.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        SafeTensors::deserialize(&bytes).with_context(|| format!("in {}", path.display()))?;
        Ok(Self { path: path.to_owned(), bytes })
    }

    /// The f32 array called `name`.
    pub(crate) fn f32(&self, name: &str) -> anyhow::Result<ArrayD<f32>> {
        self.array(name, Dtype::F32, |bytes: [u8; 4]| f32::from_le_bytes(bytes))
    }

    /// The i64 array called `name`.
    pub(crate) fn i64(&self, name: &str) -> anyhow::Result<ArrayD<i64>> {
        self.array(name, Dtype::I64, |bytes: [u8; 8]| i64::from_le_bytes(bytes))
    }

    /// The u8 array called `name`.
    pub(crate) fn u8(&self, name: &str) -> anyhow::Result<ArrayD<u8>> {
        self.array(name, Dtype::U8, |[byte]: [u8; 1]| byte)
    }

    fn array<T, const N: usize>(
        &self,
        name: &str,
        dtype: Dtype,
        read: impl Fn([u8; N]) -> T,
    ) -> anyhow::Result<ArrayD<T>> {
        let file = SafeTensors::deserialize(&self.bytes)?;
        let tensor = file
            .tensor(name)
            .with_context(|| format!("{} has no tensor `{name}`", self.path.display()))?;
        ensure!(
            tensor.dtype() == dtype,
            "tensor `{name}` of {} is {:?}, expected {dtype:?}",
            self.path.display(),
            tensor.dtype()
        );
        let (elements, _) = tensor.data().as_chunks::<N>();
        let values = elements.iter().map(|element| read(*element)).collect();
        Ok(ArrayD::from_shape_vec(IxDyn(tensor.shape()), values)?)
    }
}

/// The largest absolute difference of two arrays; infinite when their shapes differ or ours is not finite.
pub(crate) fn largest_difference(ours: &ArrayD<f32>, theirs: &ArrayD<f32>) -> f64 {
    if ours.shape() != theirs.shape() || ours.iter().any(|value| !value.is_finite()) {
        return f64::INFINITY;
    }
    let differences = ours.iter().zip(theirs).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    differences.fold(0.0, f64::max)
}
