//! Writes one channel of 16-bit sound to a file.

use std::fs;
use std::path::Path;

use anyhow::Context;
use equiav_data::wav_bytes;

/// Writes `samples` at `rate` Hz to the wav file `path`.
pub(crate) fn write(path: &Path, samples: &[i16], rate: u32) -> anyhow::Result<()> {
    let bytes = wav_bytes(samples.iter().copied(), rate).map_err(anyhow::Error::msg);
    let written = bytes.and_then(|bytes| Ok(fs::write(path, bytes)?));
    written.with_context(|| format!("cannot write {}", path.display()))
}
