//! Arrays that numpy saved. tch's own reader copies as many bytes as the header claims, whether the file has them or
//! not, and refuses Fortran order, in which pandas hands out its columns; `npyz` brings a parser generator, and
//! `ndarray-npy` reads no 16-bit floats.

use anyhow::{Context as _, bail, ensure};
use tch::{Kind, Tensor};

use super::tensor_of;

pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// A header is a line of text; a longer one belongs to a structured array.
const LONGEST_HEADER: usize = 1 << 16;

/// The array of a `.npy` file (format versions 1 to 3).
pub(super) fn array(bytes: &[u8]) -> anyhow::Result<Tensor> {
    const CUT: &str = "ends within its header; help: it is cut off, write it again";
    let version = *bytes.get(6).context(CUT)?;
    let start = match version {
        1 => 10,
        2 | 3 => 12,
        _ => bail!("is of .npy version {version}; help: save it with a numpy before that"),
    };
    let length = bytes.get(8..start).context(CUT)?;
    let length = length.iter().rev().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
    ensure!(length <= LONGEST_HEADER, "has a header of {length} bytes; help: save a plain array");
    let header = bytes.get(start..start + length).context(CUT)?;
    let header = std::str::from_utf8(header).context("has a header that is no text")?;
    let Header { kind, fortran, mut shape } = Header::parse(header)?;
    let data = &bytes[start + length..];
    if !fortran {
        return tensor_of(data, &shape, kind);
    }
    shape.reverse();
    let axes: Vec<i64> = (0..shape.len() as i64).rev().collect();
    Ok(tensor_of(data, &shape, kind)?.permute(axes).contiguous())
}

/// What the header says: `{'descr': '<f4', 'fortran_order': False, 'shape': (1000, 512), }`.
struct Header {
    kind: Kind,
    fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let value = |key: &str| {
            let after =
                text.split_once(key).and_then(|(_, rest)| rest.trim_start().strip_prefix(':'));
            after.map(str::trim_start).with_context(|| format!("has a header without {key}"))
        };
        let numbers = value("'descr'")?.strip_prefix('\'').and_then(|rest| rest.split_once('\''));
        let Some((numbers, _)) = numbers else {
            bail!("holds a structured array; help: save one of its fields")
        };
        let kind = match numbers {
            "<f2" => Kind::Half,
            "<f4" => Kind::Float,
            "<f8" => Kind::Double,
            _ => bail!(
                "holds `{numbers}`: expected <f2, <f4 or <f8; help: save x.astype('<f4') instead"
            ),
        };
        let fortran = match value("'fortran_order'")? {
            order if order.starts_with("True") => true,
            order if order.starts_with("False") => false,
            _ => bail!("has a header whose fortran_order is neither True nor False"),
        };
        let sizes = value("'shape'")?.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        let (sizes, _) = sizes.context("has a header whose shape is no tuple")?;
        let sizes = sizes.split(',').map(str::trim).filter(|size| !size.is_empty());
        let shape = sizes.map(str::parse).collect::<Result<Vec<usize>, _>>();
        Ok(Self { kind, fortran, shape: shape.context("has a header whose shape is no tuple")? })
    }
}
