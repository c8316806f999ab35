//! A fitted model as safetensors.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use safetensors::{Dtype, SafeTensors, View};
use tch::{Kind, Tensor};

use super::{LinearCca, Projection};
use crate::rows::tensor_of;

/// How the tensors of either side are called.
const SIDES: [&str; 2] = ["a", "b"];

impl LinearCca {
    /// The bytes of a safetensors file that holds the model.
    ///
    /// ```text
    /// a.mean [1, p]   a.weights [p, k]   a.subspace [p, r], of robust models     and b. likewise
    /// correlations [k], of the fitted rows                                       all f64
    /// ```
    ///
    /// # Errors
    ///
    /// If libtorch hands out no bytes.
    pub fn to_safetensors(&self) -> anyhow::Result<Vec<u8>> {
        let mut named = vec![("correlations".to_owned(), &self.fitted)];
        for (name, side) in SIDES.iter().zip(&self.sides) {
            named.push((format!("{name}.mean"), &side.mean));
            named.push((format!("{name}.weights"), &side.weights));
            named.extend(side.subspace.as_ref().map(|t| (format!("{name}.subspace"), t)));
        }
        let saved = named.into_iter().map(|(name, tensor)| Ok((name, Saved::new(tensor)?)));
        let saved = saved.collect::<anyhow::Result<Vec<_>>>()?;
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        Ok(safetensors::serialize(saved, Some(metadata))?)
    }

    /// Reads a model from the file that [`to_safetensors`](Self::to_safetensors) made.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is no such model; the message names the file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let read = || {
            let bytes = std::fs::read(path)?;
            ensure!(!bytes.is_empty(), "is empty");
            Self::from_safetensors(&bytes)
        };
        read().with_context(|| path.display().to_string())
    }

    /// As [`read`](Self::read), of bytes in memory.
    fn from_safetensors(bytes: &[u8]) -> anyhow::Result<Self> {
        let file = SafeTensors::deserialize(bytes).context("is no sound safetensors file")?;
        let tensor = |name: &str, sizes: usize| -> anyhow::Result<Tensor> {
            let Ok(view) = file.tensor(name) else {
                bail!("holds no tensor `{name}`; help: expected a file of `equiav cca --out`")
            };
            ensure!(
                view.dtype() == Dtype::F64 && view.shape().len() == sizes,
                "`{name}` is {:?} {:?}: expected F64 with {sizes} sizes",
                view.dtype(),
                view.shape()
            );
            let tensor = tensor_of(view.data(), view.shape(), Kind::Double)?;
            let finite = tensor.isfinite().all().int64_value(&[]) == 1;
            ensure!(finite, "`{name}` holds a number that is not finite");
            Ok(tensor)
        };
        let side = |name: &str| -> anyhow::Result<Projection> {
            let subspace = format!("{name}.subspace");
            Ok(Projection {
                mean: tensor(&format!("{name}.mean"), 2)?,
                weights: tensor(&format!("{name}.weights"), 2)?,
                subspace: match file.tensor(&subspace) {
                    Ok(_) => Some(tensor(&subspace, 2)?),
                    Err(_) => None,
                },
            })
        };
        let model =
            Self { fitted: tensor("correlations", 1)?, sides: [side(SIDES[0])?, side(SIDES[1])?] };
        model.ensure_fits()?;
        Ok(model)
    }

    /// Refuses tensors whose sizes do not fit to each other.
    fn ensure_fits(&self) -> anyhow::Result<()> {
        let components = self.components();
        for (name, side) in SIDES.iter().zip(&self.sides) {
            let width = side.weights.size()[0];
            let fits = side.weights.size()[1] == components
                && side.mean.size() == [1, width]
                && side.subspace.as_ref().is_none_or(|subspace| subspace.size()[0] == width);
            ensure!(fits && width > 0 && components > 0, "the tensors of `{name}` do not fit");
        }
        Ok(())
    }
}

/// A tensor on its way into a file.
struct Saved {
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Saved {
    fn new(tensor: &Tensor) -> anyhow::Result<Self> {
        let sizes = tensor.size().into_iter().map(usize::try_from);
        let flat = tensor.to_device(tch::Device::Cpu).contiguous().view(-1);
        let numbers = Vec::<f64>::try_from(flat)?;
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Ok(Self { shape: sizes.collect::<Result<_, _>>()?, bytes })
    }
}

impl View for Saved {
    fn dtype(&self) -> Dtype {
        Dtype::F64
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.bytes.as_slice().into()
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}
