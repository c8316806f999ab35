//! Safetensors files to tensors and back.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, bail};
use safetensors::{Dtype, SafeTensors, View};
use tch::{Device, Kind, Tensor};

use crate::weights;

/// The kinds that both safetensors and libtorch have.
const KINDS: [(Dtype, Kind); 10] = [
    (Dtype::F32, Kind::Float),
    (Dtype::F16, Kind::Half),
    (Dtype::BF16, Kind::BFloat16),
    (Dtype::F64, Kind::Double),
    (Dtype::I64, Kind::Int64),
    (Dtype::I32, Kind::Int),
    (Dtype::I16, Kind::Int16),
    (Dtype::I8, Kind::Int8),
    (Dtype::U8, Kind::Uint8),
    (Dtype::BOOL, Kind::Bool),
];

/// Reads every tensor of the file at `path`.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<(String, Tensor)>> {
    let bytes = std::fs::read(path)?;
    let file = SafeTensors::deserialize(&bytes).context("it is no sound safetensors file")?;
    let read = |(name, view): (&str, _)| {
        let tensor = to_tensor(&view).with_context(|| format!("in tensor `{name}`"))?;
        Ok((name.to_owned(), tensor))
    };
    file.iter().map(read).collect()
}

/// The bytes of a safetensors file that holds `tensors`, each of its own kind, and marks itself as
/// PyTorch's, so that Python's `safetensors` package reads it as it is.
///
/// # Errors
///
/// If a tensor is of a kind that safetensors lacks.
pub fn to_safetensors<'t>(
    tensors: impl IntoIterator<Item = (&'t String, &'t Tensor)>,
) -> anyhow::Result<Vec<u8>> {
    let saved = |(name, tensor): (&'t String, &Tensor)| {
        let saved = Saved::new(tensor).with_context(|| format!("in tensor `{name}`"))?;
        Ok((name.as_str(), saved))
    };
    let saved = tensors.into_iter().map(saved).collect::<anyhow::Result<Vec<_>>>()?;
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    Ok(safetensors::serialize(saved, Some(metadata))?)
}

fn to_tensor(view: &safetensors::tensor::TensorView<'_>) -> anyhow::Result<Tensor> {
    let kind = KINDS.iter().find(|(dtype, _)| *dtype == view.dtype());
    let Some((_, kind)) = kind else { bail!("libtorch has no kind {:?}", view.dtype()) };
    weights::tensor(view.data(), view.shape(), *kind)
}

/// A tensor on its way into a file.
struct Saved {
    dtype: Dtype,
    shape: Vec<usize>,
    length: usize,
    tensor: Tensor,
}

impl Saved {
    fn new(tensor: &Tensor) -> anyhow::Result<Self> {
        let kind = tensor.kind();
        let dtype = KINDS.iter().find(|(_, known)| *known == kind);
        let Some((dtype, _)) = dtype else { bail!("safetensors has no kind {kind:?}") };
        let shape =
            tensor.size().iter().map(|size| usize::try_from(*size)).collect::<Result<_, _>>()?;
        Ok(Self {
            dtype: *dtype,
            shape,
            length: tensor.numel() * kind.elt_size_in_bytes(),
            tensor: tensor.detach(),
        })
    }
}

impl View for Saved {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut bytes = vec![0; self.length];
        let tensor = self.tensor.to_device(Device::Cpu).contiguous();
        tensor.copy_data_u8(&mut bytes, tensor.numel());
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        self.length
    }
}
