//! The index file of a shard: a head line, then one line of JSON a sample.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::DataError;
use crate::shard::contents::{Builder, Place, ShardContents};
use crate::shard::key::check_path;

/// The version of the format; a reader refuses any other.
pub(crate) const VERSION: u32 = 1;
/// The longest head, in bytes.
const LONGEST_HEAD: u64 = 1 << 12;
/// The longest index, in bytes: of the most members a shard may have.
const LONGEST_INDEX: u64 = 1 << 30;

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

/// A further line, to be written: one sample.
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

/// A further line as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadLine<'a> {
    #[serde(borrow)]
    key: Text<'a>,
    #[serde(borrow, default)]
    labels: Vec<Text<'a>>,
    #[serde(borrow)]
    members: Vec<(Text<'a>, u64, u64)>,
}

/// Text that is copied only where JSON escapes a character.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The index file of the tar file at `tar`.
pub(crate) fn index_path(tar: &Path) -> PathBuf {
    tar.with_extension("jsonl")
}

/// Reads the first line of the index file at `path`.
pub(crate) fn read_head(path: &Path) -> Result<Head, DataError> {
    let io = |error| DataError::io(path, error);
    let mut line = Vec::new();
    let file = BufReader::new(File::open(path).map_err(io)?);
    file.take(LONGEST_HEAD).read_until(b'\n', &mut line).map_err(io)?;
    parse_head(&line).map_err(|reason| DataError::shard(path, reason))
}

/// Reads the index file at `path`, and the length that its tar file has to have.
pub(crate) fn read_index(path: &Path) -> Result<(u64, ShardContents), DataError> {
    let io = |error| DataError::io(path, error);
    let file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    if length > LONGEST_INDEX {
        return Err(DataError::shard(path, "is larger than 1 GiB: no index of one shard"));
    }
    let mut text = Vec::with_capacity(length as usize);
    file.take(LONGEST_INDEX).read_to_end(&mut text).map_err(io)?;
    ShardContents::parse_index(path, &text)
}

impl ShardContents {
    /// The shard that the index in `text` speaks of, and the length of its tar file in bytes; `name`
    /// is for errors.
    ///
    /// # Errors
    ///
    /// If a line is not what it should be, with its number; if lines are missing.
    pub fn parse_index(name: &Path, text: &[u8]) -> Result<(u64, Self), DataError> {
        parse(text).map_err(|reason| DataError::shard(name, reason))
    }
}

fn parse(text: &[u8]) -> Result<(u64, ShardContents), String> {
    let mut lines = text.split(|byte| *byte == b'\n');
    let head = parse_head(lines.next().unwrap_or_default())?;
    let mut builder = Builder::new(head.bytes);
    let mut samples = 0;
    for line in lines.filter(|line| !line.is_empty()) {
        samples += 1;
        let at =
            |reason| format!("line {}: {reason}: move the index away to do without", samples + 1);
        parse_line(line, &mut builder).map_err(at)?;
    }
    if samples != head.samples {
        let expected = head.samples;
        return Err(format!(
            "{samples} samples where the head says {expected}: move the index away"
        ));
    }
    Ok((head.bytes, builder.finish()))
}

fn parse_line(line: &[u8], builder: &mut Builder) -> Result<(), String> {
    let line: ReadLine<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let key = &line.key.0;
    check_path(key)?;
    for (suffix, offset, length) in &line.members {
        let place = Place { offset: *offset, length: *length };
        let wrong = |reason| format!("member `{key}.{}` {reason}", suffix.0);
        builder.member(&suffix.0, place).map_err(wrong)?;
    }
    builder.sample(key, line.labels.iter().map(|label| &*label.0))
}

/// The head in `line`, of a version that is known.
fn parse_head(line: &[u8]) -> Result<Head, String> {
    let wrong = |error| format!("line 1 is no head of a shard's index ({error}): move it away");
    let head: Head = serde_json::from_slice(line).map_err(wrong)?;
    match head.shard_index {
        VERSION => Ok(head),
        other => {
            Err(format!("index format {other} is not known, expected {VERSION}: move it away"))
        }
    }
}

/// Whether `folder/NAME.tar` is finished: its index is there and fits the tar's length.
///
/// # Errors
///
/// If index and tar contradict each other, or the index is none of this program's.
pub fn finished(folder: &Path, name: &str) -> Result<bool, DataError> {
    let tar = folder.join(format!("{name}.tar"));
    let index = index_path(&tar);
    match index.try_exists() {
        Ok(true) => {}
        Ok(false) => return Ok(false),
        Err(error) => return Err(DataError::io(&index, error)),
    }
    let head = read_head(&index)?;
    let found = match fs::metadata(&tar) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let reason = "index of a tar file that is not there; delete it, or bring the tar back";
            return Err(DataError::shard(&index, reason));
        }
        Err(error) => return Err(DataError::io(&tar, error)),
    };
    match found == head.bytes {
        true => Ok(true),
        false => Err(length_differs(&tar, head.bytes, found)),
    }
}

/// The error of a tar file that is not the one that its index was made of.
pub(crate) fn length_differs(tar: &Path, expected: u64, found: u64) -> DataError {
    let reason = format!(
        "the file has {found} bytes, its index says {expected}: it was cut off or replaced; copy it \
         again, or delete {} to use it as it is",
        index_path(tar).display()
    );
    DataError::shard(tar, reason)
}
