//! A weight file in memory: tensors by name, whatever format they came in. How they go into a model and out again is
//! in the files below.

pub(crate) mod export;
pub(crate) mod import;
mod pickle;
pub(crate) mod report;
pub(crate) mod safetensor;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use tch::{Kind, Tensor};

/// What wrapping modules and training programs put before every name they save: DistributedDataParallel and
/// DataParallel, Lightning and its strategies. No parameter's own name begins so.
const PREFIXES: [&str; 7] = [
    "module.",
    "__M__.",
    "model.",
    "state_dict.",
    "model_state_dict.",
    "_forward_module.",
    "_lightning_module.",
];

/// Parts of names that stand for a wrapping module wherever they are: of torch.compile, FSDP and
/// activation checkpointing, which wrap blocks as well as whole models.
const WRAPPED: [&str; 3] = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

/// The entries under which training programs save their weights.
pub(crate) const WRAPPERS: [&str; 3] = ["model", "state_dict", "model_state_dict"];

/// Named tensors, each of the kind in which it was saved.
#[derive(Debug)]
pub struct Weights {
    tensors: BTreeMap<String, Tensor>,
}

/// Reads a weight file: safetensors, `.pth`/`.pt` of any age, or a folder with a `model.safetensors`.
///
/// The format is told from the content, not from the name. A pickle's objects are never made and its
/// functions never called; only its tensors are read. The names lose what wrapping modules and training
/// programs put around them, in any order: `module.`, `__M__.`, `model.`, `state_dict.` and the like at
/// their beginning, `_orig_mod.` and the like anywhere.
///
/// # Errors
///
/// If the file cannot be read or is damaged, claims tensors far beyond its own size (a decompression
/// bomb), holds no tensor, holds a kind of tensor that libtorch lacks, or holds one name twice.
pub fn read_weights(path: &Path) -> anyhow::Result<Weights> {
    let inner = path.join("model.safetensors");
    let path = if path.is_dir() { &inner } else { path };
    Weights::read(path).with_context(|| format!("reading weights {}", path.display()))
}

impl Weights {
    /// Weights that are in memory already, under the names given.
    pub fn new(tensors: BTreeMap<String, Tensor>) -> Self {
        Self { tensors }
    }

    /// Every tensor by its name.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }

    /// The tensors whose names do not begin with `prefix`.
    #[must_use]
    pub fn without(mut self, prefix: &str) -> Self {
        self.tensors.retain(|name, _| !name.starts_with(prefix));
        self
    }

    fn read(path: &Path) -> anyhow::Result<Self> {
        let named = match format_of(path)? {
            Format::Safetensors => safetensor::read(path)?,
            Format::Pickle => pickle::read(path)?,
        };
        ensure!(!named.is_empty(), "it holds no tensors");
        let mut tensors = BTreeMap::new();
        for (name, tensor) in named {
            let name = without_wrappers(&name);
            if tensors.insert(name.clone(), tensor).is_some() {
                bail!("it holds `{name}` twice, under different prefixes");
            }
        }
        Ok(Self { tensors })
    }
}

/// How a file holds its tensors.
enum Format {
    Safetensors,
    Pickle,
}

/// A safetensors file starts with the length of a JSON object, and then that object; every other file
/// is left to the pickle reader.
fn format_of(path: &Path) -> anyhow::Result<Format> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut start = Vec::new();
    file.by_ref().take(9).read_to_end(&mut start)?;
    let [header @ .., brace] = start.as_slice() else { bail!("the file is empty") };
    let Ok(header) = <[u8; 8]>::try_from(header) else { bail!("the file is only {length} bytes") };
    let fits = u64::from_le_bytes(header) <= length;
    Ok(if fits && *brace == b'{' { Format::Safetensors } else { Format::Pickle })
}

/// The name below every wrapping module.
fn without_wrappers(name: &str) -> String {
    let parts = name.split('.').filter(|part| !WRAPPED.contains(part));
    let name = parts.collect::<Vec<_>>().join(".");
    let mut rest = name.as_str();
    while let Some(inner) = PREFIXES.iter().find_map(|prefix| rest.strip_prefix(prefix)) {
        rest = inner;
    }
    rest.to_owned()
}

/// A tensor of `kind` and `shape` with a copy of `bytes`, row by row.
pub(crate) fn tensor(bytes: &[u8], shape: &[usize], kind: Kind) -> anyhow::Result<Tensor> {
    let sizes: Vec<i64> =
        shape.iter().map(|size| i64::try_from(*size)).collect::<Result<_, _>>()?;
    let numbers = shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
    let expected = numbers.and_then(|numbers| numbers.checked_mul(kind.elt_size_in_bytes()));
    ensure!(expected == Some(bytes.len()), "{} bytes for shape {shape:?}", bytes.len());
    Ok(Tensor::f_from_data_size(bytes, &sizes, kind)?)
}
