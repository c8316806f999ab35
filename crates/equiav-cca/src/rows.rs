//! Rows of numbers from the files of anyone: `.npy` and `.safetensors`.

mod npy;

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use safetensors::{Dtype, SafeTensors};
use tch::{Kind, Tensor};

/// How a zip archive begins, which `.npz`, `.pt` and `.pth` files are.
const ZIP: &[u8] = b"PK\x03\x04";

/// Reads rows of floating-point numbers; the contents decide the format, not the name.
///
/// A `.safetensors` file that holds several tensors is followed by a colon and the name of one: `e.safetensors:audio`.
/// Values are taken as little-endian 16-, 32- or 64-bit floats (bf16 of safetensors too); arrays in Fortran order are
/// read as well.
///
/// # Shapes
///
/// - returns: `[n, d]`, 64 bits, all of it finite
///
/// # Errors
///
/// If the file cannot be read, is of another format, holds no such tensor, or that has other dimensions than rows and
/// columns, no entry, or one that is not finite. Each message names the file and, after `help:`, what to do.
pub fn read_rows(name: &str) -> anyhow::Result<Tensor> {
    let (path, tensor) = match name.rsplit_once(':') {
        Some((path, tensor)) if !Path::new(name).exists() => (path, Some(tensor)),
        _ => (name, None),
    };
    let read = || -> anyhow::Result<Tensor> {
        let bytes = std::fs::read(path)?;
        ensure!(!bytes.is_empty(), "is empty; help: write it again");
        let rows = if bytes.starts_with(npy::MAGIC) {
            ensure!(
                tensor.is_none(),
                "is a .npy file, whose array has no name; help: leave it out"
            );
            npy::array(&bytes)?
        } else {
            one_of(&bytes, tensor)?
        };
        ensure_rows(&rows)?;
        let rows = rows.to_kind(Kind::Double);
        ensure_finite(&rows)?;
        Ok(rows)
    };
    read().with_context(|| path.to_owned())
}

/// The tensor `wanted` of a safetensors file, or its only one.
fn one_of(bytes: &[u8], wanted: Option<&str>) -> anyhow::Result<Tensor> {
    const HELP: &str = "help: write it by numpy.save or by safetensors' save_file";
    if bytes.starts_with(ZIP) {
        bail!("is a zip archive, such as .npz or .pt; {HELP}, one array a file")
    }
    let Ok(file) = SafeTensors::deserialize(bytes) else {
        bail!("is neither a sound .npy nor a sound .safetensors file; {HELP}")
    };
    let mut names: Vec<&str> = file.names().into_iter().collect();
    names.sort_unstable();
    let listed = names.join(", ");
    let name = match (wanted, &names[..]) {
        (Some(name), _) if names.contains(&name) => name,
        (Some(name), _) => bail!("holds no tensor `{name}`; help: there are: {listed}"),
        (None, [name]) => name,
        (None, []) => bail!("holds no tensor; help: write rows into it"),
        (None, _) => {
            bail!("holds {} tensors; help: name one after a colon: {listed}", names.len())
        }
    };
    let view = file.tensor(name)?;
    let kind = match view.dtype() {
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        other => {
            bail!("`{name}` holds {other:?}: expected F16, BF16, F32 or F64; help: convert it")
        }
    };
    tensor_of(view.data(), view.shape(), kind)
}

/// A tensor of `kind` and `shape` with a copy of `bytes`. libtorch would copy as many bytes as the shape says, whether
/// they are there or not.
pub(crate) fn tensor_of(bytes: &[u8], shape: &[usize], kind: Kind) -> anyhow::Result<Tensor> {
    let sizes: Vec<i64> =
        shape.iter().map(|size| i64::try_from(*size)).collect::<Result<_, _>>()?;
    let numbers = shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
    let expected = numbers.and_then(|numbers| numbers.checked_mul(kind.elt_size_in_bytes()));
    ensure!(
        expected == Some(bytes.len()),
        "has {} bytes of numbers, not those of shape {shape:?}; help: it is cut off or damaged, write it again",
        bytes.len()
    );
    Ok(Tensor::f_from_data_size(bytes, &sizes, kind)?)
}

fn ensure_rows(tensor: &Tensor) -> anyhow::Result<()> {
    match tensor.size()[..] {
        [rows, columns] if rows > 0 && columns > 0 => Ok(()),
        [rows, columns] => {
            bail!("has {rows} rows of {columns} columns; help: expected at least one of each")
        }
        [_] => bail!(
            "has one dimension: expected rows and columns; help: reshape(-1, 1) makes one column"
        ),
        _ => bail!(
            "has shape {:?}: expected rows and columns; help: reshape(len(x), -1) makes rows",
            tensor.size()
        ),
    }
}

fn ensure_finite(rows: &Tensor) -> anyhow::Result<()> {
    let wrong = rows.isfinite().logical_not();
    let count = wrong.sum(Kind::Int64).int64_value(&[]);
    if count == 0 {
        return Ok(());
    }
    let columns = rows.size()[1];
    let first = wrong.view(-1).to_kind(Kind::Uint8).argmax(0, false).int64_value(&[]);
    let (row, column) = (first / columns, first % columns);
    bail!(
        "row {row}, column {column} is {} and {} entries more are not finite; help: leave such rows out of both files",
        rows.double_value(&[row, column]),
        count - 1
    )
}
