//! Writing one shard: reproducible to the byte, and under its final name only when it is whole.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::DataError;
use crate::io::atomic::{
    Partial, atomic_write_locked, beside, open_alone, remove_if_there, sync_folder,
};
use crate::manifest::entry::parse_labels;
use crate::shard::contents::BLOCK;
use crate::shard::index::{Head, Line, VERSION, index_path};
use crate::shard::key::{check_key, check_path, check_suffix};

/// One member of a sample: what follows the key and its dot, and the bytes.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// What the member is: `flac`, `0.jpg`, `json`.
    pub suffix: &'a str,
    /// Its content, as it goes into the tar file.
    pub bytes: &'a [u8],
}

/// One shard in the making; nothing stands under a final name before [`finish`](Self::finish).
///
/// The same samples in the same order give the same bytes: no time, no owner, no mode enters.
/// Dropped unfinished, it removes its temporary files; what a killed process left is overwritten by
/// the next writer of that name.
pub struct ShardWriter {
    tar: PathBuf,
    partial: Partial,
    builder: tar::Builder<Counted>,
    /// The lines of the index so far.
    lines: Vec<u8>,
    keys: HashSet<String>,
    /// Whether a sample went in halfway.
    torn: bool,
}

impl fmt::Debug for ShardWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (samples, bytes) = (self.len(), self.bytes());
        write!(f, "ShardWriter({}, {samples} samples, {bytes} bytes)", self.tar.display())
    }
}

impl ShardWriter {
    /// Begins `folder/NAME.tar`; its bytes go to a temporary file beside it. `folder` is made if
    /// it is not there.
    ///
    /// # Errors
    ///
    /// If `name` is no plain file name, the folder cannot be written to, or another process writes
    /// the same shard.
    pub fn create(folder: &Path, name: &str) -> Result<Self, DataError> {
        let plain = !name.is_empty() && !name.starts_with('.') && !name.contains('/');
        if !plain || name.chars().any(char::is_control) {
            let reason = format!("`{}` is no name for a shard", name.escape_debug());
            return Err(DataError::shard(folder, reason));
        }
        fs::create_dir_all(folder).map_err(|error| DataError::io(folder, error))?;
        let tar = folder.join(format!("{name}.tar"));
        let path = beside(&tar);
        let file = open_alone(&path)?;
        let mut builder = tar::Builder::new(Counted { file: BufWriter::new(file), bytes: 0 });
        builder.mode(tar::HeaderMode::Deterministic);
        let partial = Partial { path, renamed: false };
        Ok(Self { tar, partial, builder, lines: Vec::new(), keys: HashSet::new(), torn: false })
    }

    /// Appends the sample `key`; its members are sorted by suffix.
    ///
    /// A member `json` is an object, whose `labels` (text with commas, or a list) go into the
    /// index.
    ///
    /// # Errors
    ///
    /// If the key is empty, absolute, holds `..`, a control character or a dot in its last part, or
    /// came before; if there is no member or a suffix comes twice; if the JSON is none; if the file
    /// cannot be written. After a failure of the file the shard cannot be finished.
    pub fn write(&mut self, key: &str, members: &[Member<'_>]) -> Result<(), DataError> {
        let mut members = members.to_vec();
        members.sort_by_key(|member| member.suffix);
        let labels = check_sample(key, &members).and_then(|labels| {
            let new = self.keys.insert(key.to_owned());
            if new { Ok(labels) } else { Err("the key came before in this shard".to_owned()) }
        });
        let wrong = |reason| DataError::shard(&self.tar, format!("sample `{key}`: {reason}"));
        let labels = labels.map_err(wrong)?;
        let mut places = Vec::with_capacity(members.len());
        self.torn = true;
        for member in &members {
            let offset = self.append(&format!("{key}.{}", member.suffix), member.bytes)?;
            places.push((member.suffix, offset, member.bytes.len() as u64));
        }
        self.torn = false;
        let line = Line { key, labels: &labels, members: &places };
        push_line(&mut self.lines, &line).map_err(|error| DataError::io(&self.tar, error))
    }

    /// How many samples were written.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no sample was written yet.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How long the tar file is so far, in bytes.
    pub fn bytes(&self) -> u64 {
        self.builder.get_ref().bytes
    }

    /// Makes the shard final, with `statistics` as its `NAME.stats.json`; returns the tar's path.
    ///
    /// Everything reaches the disk first; then statistics, tar and index are renamed in this order,
    /// so that a shard is finished exactly when its index exists and fits the tar's length.
    ///
    /// # Errors
    ///
    /// If a file cannot be written; then no index stands under its final name.
    pub fn finish(mut self, statistics: &Value) -> Result<PathBuf, DataError> {
        let tar = self.tar.clone();
        let io = |error| DataError::io(&tar, error);
        if self.torn {
            return Err(DataError::shard(&tar, "a sample could not be written; begin again"));
        }
        // The index of an older shard of this name must not vouch for the new tar.
        remove_if_there(&index_path(&tar)).map_err(io)?;
        self.builder.finish().map_err(io)?;
        let counted = self.builder.get_mut();
        counted.flush().and_then(|()| counted.file.get_ref().sync_all()).map_err(io)?;
        let head = Head { shard_index: VERSION, bytes: counted.bytes, samples: self.keys.len() };
        let mut index = Vec::with_capacity(self.lines.len() + 128);
        push_line(&mut index, &head).map_err(io)?;
        index.extend_from_slice(&self.lines);
        let statistics = format!("{statistics:#}\n");
        atomic_write_locked(&tar.with_extension("stats.json"), statistics.as_bytes())
            .and_then(|()| self.partial.rename(&tar))
            .and_then(|()| atomic_write_locked(&index_path(&tar), &index))
            .and_then(|()| sync_folder(&tar))
            .map_err(io)?;
        Ok(tar)
    }

    /// Appends one member and says where its content begins.
    fn append(&mut self, path: &str, bytes: &[u8]) -> Result<u64, DataError> {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        let appended = self.builder.append_data(&mut header, path, bytes);
        appended.map_err(|error| DataError::io(&self.tar, error))?;
        Ok(self.bytes() - (bytes.len() as u64).next_multiple_of(BLOCK))
    }
}

/// The name of shard `number`: `clips-000012`.
pub fn shard_name(number: usize) -> String {
    format!("clips-{number:06}")
}

/// Checks a sample whose members are sorted, and takes the labels from its JSON.
fn check_sample(key: &str, members: &[Member<'_>]) -> Result<Vec<String>, String> {
    check_key(key)?;
    if members.is_empty() {
        return Err("a sample needs a member".to_owned());
    }
    if let Some(twice) = members.windows(2).find(|pair| pair[0].suffix == pair[1].suffix) {
        return Err(format!("member `{}` comes twice", twice[0].suffix));
    }
    let mut labels = Vec::new();
    for member in members {
        check_suffix(member.suffix)?;
        check_path(&format!("{key}.{}", member.suffix))?;
        if member.suffix == "json" {
            labels = json_labels(member.bytes)?;
        }
    }
    Ok(labels)
}

/// The labels in a sample's JSON.
pub(crate) fn json_labels(text: &[u8]) -> Result<Vec<String>, String> {
    let value: Value =
        serde_json::from_slice(text).map_err(|error| format!("member `json`: {error}"))?;
    let object = value.as_object().ok_or("member `json` must be an object")?;
    parse_labels(object.get("labels")).map_err(|reason| format!("member `json`: {reason}"))
}

fn push_line(lines: &mut Vec<u8>, line: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *lines, line)?;
    lines.push(b'\n');
    Ok(())
}

/// A file that knows how long it has become.
#[derive(Debug)]
struct Counted {
    file: BufWriter<File>,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
