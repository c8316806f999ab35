//! The index file of a shard: a head line, then one line of JSON a sample.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::DataError;

/// The version of the format; a reader refuses any other.
pub(crate) const VERSION: u32 = 1;
/// The longest line that is taken for one, in bytes.
const LONGEST_LINE: u64 = 1 << 24;

/// The first line: what the index was made of.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    /// The version of the format.
    pub(crate) shard_index: u32,
    /// The length of the tar file, in bytes.
    pub(crate) bytes: u64,
    /// How many lines follow.
    pub(crate) samples: usize,
}

/// A further line: one sample.
#[derive(Debug, Serialize)]
pub(crate) struct Line<'a> {
    /// Its key.
    pub(crate) key: &'a str,
    /// Its labels.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) labels: &'a [String],
    /// Its members: suffix, offset of the content in the tar file, length of the content.
    pub(crate) members: &'a [(&'a str, u64, u64)],
}

/// The index file of the tar file at `tar`.
pub(crate) fn index_path(tar: &Path) -> PathBuf {
    tar.with_extension("jsonl")
}

/// Reads the first line of the index file at `path`.
pub(crate) fn read_head(path: &Path) -> Result<Head, DataError> {
    let io = |error| DataError::io(path, error);
    let mut line = Vec::new();
    let file = BufReader::new(File::open(path).map_err(io)?);
    file.take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(io)?;
    parse_head(&line).map_err(|reason| DataError::shard(path, reason))
}

/// The head in `line`, of a version that is known.
pub(crate) fn parse_head(line: &[u8]) -> Result<Head, String> {
    let wrong = |error| format!("line 1 is no head of a shard's index: {error}; delete the file");
    let head: Head = serde_json::from_slice(line).map_err(wrong)?;
    match head.shard_index {
        VERSION => Ok(head),
        other => Err(format!("index format {other} is not known, expected {VERSION}; delete it")),
    }
}
