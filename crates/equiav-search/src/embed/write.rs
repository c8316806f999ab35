//! Rows as two files that Python reads: safetensors, and one JSON object a row.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use equiav_augment::Modality;
use equiav_data::atomic_write;
use safetensors::{Dtype, View};
use serde_json::json;

use super::Row;
use crate::path_text;
use equiav_train::Fingerprint;

/// What was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The index beside the embeddings.
    pub index: PathBuf,
    /// Rows of each modality, in the order of [`Modality::AUDIO_VISUAL`].
    pub rows: [usize; 2],
}

/// Writes the rows of `files` to `out`, and what each row is of to a file beside it.
///
/// ```text
/// FILE.safetensors   audio, visual: f32 [rows, width], each row of unit length; a modality without a
///                    row is [0, width]
/// FILE.jsonl         {"modality": "audio", "row": 0, "file": "a.wav", "start": 0.0, "end": 1.28}
/// ```
///
/// `file` is the path's [`path_text`], without loss. Both appear as wholes, the embeddings last.
///
/// # Errors
///
/// If `out` does not end in `.safetensors`, or a file cannot be written.
pub fn write(
    files: &[(PathBuf, Vec<Row>)],
    fingerprint: &Fingerprint,
    out: &Path,
) -> anyhow::Result<Written> {
    let named = out.extension().is_some_and(|ending| ending == "safetensors");
    ensure!(named, "{}: expected a name that ends in .safetensors", out.display());
    let index = out.with_extension("jsonl");
    let (mut lines, mut rows) = (String::new(), [0; 2]);
    let mut values: [Vec<u8>; 2] = Default::default();
    for (path, own) in files {
        for row in own {
            let place = Modality::AUDIO_VISUAL.iter().position(|known| *known == row.modality);
            let place = place.expect("every modality is known");
            let times = row.span.map(super::Span::seconds);
            let line = json!({
                "modality": row.modality,
                "row": rows[place],
                "file": path_text(path),
                "start": times.map(|[start, _]| start),
                "end": times.map(|[_, end]| end),
            });
            lines.push_str(&format!("{line}\n"));
            values[place].extend(row.vector.iter().flat_map(|value| value.to_le_bytes()));
            rows[place] += 1;
        }
    }
    let tensors =
        Modality::AUDIO_VISUAL.iter().zip(&values).zip(rows).map(|((modality, bytes), rows)| {
            (modality.name(), Block { bytes, shape: [rows, fingerprint.width] })
        });
    let metadata = HashMap::from([
        ("format".to_owned(), "pt".to_owned()),
        ("equiav".to_owned(), json!({"model": fingerprint, "unit_length": true}).to_string()),
    ]);
    let bytes = safetensors::serialize(tensors, Some(metadata))?;
    for (path, bytes) in [(&*index, lines.as_bytes()), (out, &bytes)] {
        atomic_write(path, bytes).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(Written { index, rows })
}

/// The rows of one modality.
struct Block<'a> {
    bytes: &'a [u8],
    shape: [usize; 2],
}

impl View for Block<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.bytes.into()
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;
    use crate::text_path;

    #[test]
    fn names_that_are_not_unicode_are_told_apart() {
        let folder = tempfile::tempdir().expect("a folder");
        let names: [&[u8]; 3] = [b"clips/\xff.wav", b"clips/\xfe.wav", "clips/ü.wav".as_bytes()];
        let paths = names.map(|name| PathBuf::from(OsStr::from_bytes(name)));
        let row = Row { modality: Modality::AUDIO, span: None, vector: vec![1.0, 0.0] };
        let files = paths.clone().map(|path| (path, vec![row.clone()]));
        let fingerprint = Fingerprint { digest: "0".repeat(16), name: "tiny".to_owned(), width: 2 };
        let out = folder.path().join("e.safetensors");
        let written = write(&files, &fingerprint, &out).expect("written");
        let index = std::fs::read_to_string(&written.index).expect("an index");
        let found = index.lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            text_path(line["file"].as_str().expect("text"))
        });
        assert_eq!(found.collect::<Vec<_>>(), paths);
        assert!(
            index.contains("\"clips/ü.wav\"") && index.contains("file:clips/%FF.wav"),
            "{index}"
        );
    }
}
