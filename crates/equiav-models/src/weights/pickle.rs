//! Python pickles (`.pth`, `.pt`) to tensors, without running anything that they name.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;
use std::thread;

use anyhow::{Context, anyhow, bail, ensure};
use pytorch_reader::{DType, PytorchReader, Tensor as Stored};
use tch::{Kind, Tensor};
use zip::ZipArchive;

use crate::weights::{self, WRAPPERS};

/// How many times its own size a file may unfold to. PyTorch does not compress, and trained weights
/// hardly can be; shared tensors are counted as often as they are named.
const LARGEST_RATIO: u64 = 4;

/// What a file may unfold to beyond that, for the overhead of very small ones.
const ALLOWANCE: u64 = 1 << 20;

/// Enough for the deepest nesting that the reader follows.
const STACK: usize = 64 << 20;

/// Reads every tensor of the file at `path`.
///
/// The work is done in a thread of its own: a panic of the reader becomes an error.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<(String, Tensor)>> {
    thread::scope(|scope| {
        let reader = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || load(path))?;
        reader.join().unwrap_or_else(|_| Err(anyhow!("the file is damaged: the reader gave up")))
    })
}

fn load(path: &Path) -> anyhow::Result<Vec<(String, Tensor)>> {
    let mut file = File::open(path)?;
    let allowed = file.metadata()?.len().saturating_mul(LARGEST_RATIO).saturating_add(ALLOWANCE);
    refuse_bomb(&mut file, allowed)?;
    let stored = stored_tensors(path)?;
    let claimed =
        stored.iter().fold(0u64, |sum, stored| sum.saturating_add(stored.byte_len() as u64));
    refuse(claimed, allowed)?;
    stored.into_iter().map(to_tensor).collect()
}

/// The tensors under the first wrapper that the file has, else all of them.
fn stored_tensors(path: &Path) -> anyhow::Result<Vec<Stored>> {
    for wrapper in WRAPPERS {
        if let Ok(reader) = PytorchReader::with_top_level_key(path, wrapper)
            && !reader.is_empty()
        {
            return Ok(reader.into_tensors().into_values().collect());
        }
    }
    let reader = PytorchReader::new(path).context("it is no PyTorch file that can be read")?;
    ensure!(!reader.is_empty(), "it is a pickle without tensors; nothing that it names was run");
    Ok(reader.into_tensors().into_values().collect())
}

/// Refuses an archive whose entries unfold to more than `allowed` bytes.
fn refuse_bomb(file: &mut File, allowed: u64) -> anyhow::Result<()> {
    let mut start = [0; 4];
    let whole = file.read_exact(&mut start).is_ok();
    file.rewind()?;
    if !whole || &start != b"PK\x03\x04" {
        return Ok(());
    }
    let mut archive = ZipArchive::new(BufReader::new(file)).context("it is a damaged archive")?;
    let mut claimed = 0u64;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).context("it is a damaged archive")?;
        claimed = claimed.saturating_add(entry.size());
    }
    refuse(claimed, allowed)
}

fn refuse(claimed: u64, allowed: u64) -> anyhow::Result<()> {
    ensure!(
        claimed <= allowed,
        "it would unfold to {claimed} bytes, far beyond its own size ({allowed} are allowed): \
         refused as a decompression bomb"
    );
    Ok(())
}

fn to_tensor(stored: Stored) -> anyhow::Result<(String, Tensor)> {
    let name = stored.name.clone();
    let read = || {
        let kind = kind(stored.dtype())?;
        weights::tensor(&stored.read()?, stored.shape(), kind)
    };
    let tensor = read().with_context(|| format!("in tensor `{name}`"))?;
    Ok((name, tensor))
}

fn kind(dtype: DType) -> anyhow::Result<Kind> {
    Ok(match dtype {
        DType::F64 => Kind::Double,
        DType::F32 => Kind::Float,
        DType::F16 => Kind::Half,
        DType::BF16 => Kind::BFloat16,
        DType::I64 => Kind::Int64,
        DType::I32 => Kind::Int,
        DType::I16 => Kind::Int16,
        DType::I8 => Kind::Int8,
        DType::U8 => Kind::Uint8,
        DType::Bool => Kind::Bool,
        DType::U64 | DType::U32 | DType::U16 => bail!("this library has no kind {dtype:?}"),
    })
}
