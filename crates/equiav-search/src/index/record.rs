//! Records as bytes and back, each with a checksum over itself and its key.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use crc32c::{crc32c, crc32c_append};
use equiav_augment::Modality;
use sha2::{Digest, Sha256};

use crate::embed::{Medium, Row, Span};

/// Stands for no time, of pictures.
const NO_TIME: u64 = u64::MAX;
/// Bytes of a key: the medium, and the digest.
const KEY: usize = 33;

/// The content of a file: what it is taken for, and the SHA-256 of its bytes.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Content {
    /// What it is taken for, which decides how it is decoded.
    pub medium: Medium,
    /// The SHA-256 of its bytes.
    pub digest: [u8; 32],
}

impl Content {
    /// The content of the file at `path`.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub(super) fn of_file(path: &Path, medium: Medium) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(Self { medium, digest: hash.finalize().into() }),
                read => hash.update(&buffer[..read]),
            }
        }
    }

    pub(super) fn key(self) -> [u8; KEY] {
        let mut key = [0; KEY];
        key[0] = match self.medium {
            Medium::Sound => 0,
            Medium::Picture => 1,
            Medium::Recording => 2,
        };
        key[1..].copy_from_slice(&self.digest);
        key
    }

    pub(super) fn of_key(key: &[u8]) -> anyhow::Result<Self> {
        let key = <[u8; KEY]>::try_from(key).context("a key of a wrong length")?;
        let medium = match key[0] {
            0 => Medium::Sound,
            1 => Medium::Picture,
            2 => Medium::Recording,
            other => bail!("no medium has the number {other}"),
        };
        let mut digest = [0; 32];
        digest.copy_from_slice(&key[1..]);
        Ok(Self { medium, digest })
    }
}

/// `payload` behind the checksum of `key` and itself.
fn seal(key: &[u8], payload: &[u8]) -> Vec<u8> {
    let sum = crc32c_append(crc32c(key), payload);
    [&sum.to_le_bytes(), payload].concat()
}

fn open<'a>(key: &[u8], sealed: &'a [u8]) -> anyhow::Result<&'a [u8]> {
    let (sum, payload) = sealed.split_first_chunk::<4>().context("a record is cut off")?;
    let fits = u32::from_le_bytes(*sum) == crc32c_append(crc32c(key), payload);
    ensure!(fits, "a record does not fit its checksum");
    Ok(payload)
}

/// One line of JSON with its checksum behind it; JSON readers stop at the blank.
pub(super) fn seal_text(text: &str) -> String {
    format!("{text}\n{:08x}", crc32c(text.as_bytes()))
}

pub(super) fn open_text(sealed: &str) -> anyhow::Result<&str> {
    let (text, sum) = sealed.rsplit_once('\n').context("a record is cut off")?;
    let fits = u32::from_str_radix(sum, 16).is_ok_and(|sum| sum == crc32c(text.as_bytes()));
    ensure!(fits, "a record does not fit its checksum");
    Ok(text)
}

pub(super) fn seal_file(path: &str, content: Content) -> Vec<u8> {
    seal(path.as_bytes(), &content.key())
}

pub(super) fn open_file(path: &str, sealed: &[u8]) -> anyhow::Result<Content> {
    Content::of_key(open(path.as_bytes(), sealed)?)
}

/// Rows one after another: modality, start and end in milliseconds, then the vector, little-endian.
pub(super) fn seal_rows(key: &[u8], rows: &[Row]) -> Vec<u8> {
    let mut payload = Vec::new();
    for row in rows {
        payload.push(u8::from(row.modality == Modality::VISUAL));
        let span = row.span.unwrap_or(Span { start: NO_TIME, end: NO_TIME });
        payload.extend(span.start.to_le_bytes());
        payload.extend(span.end.to_le_bytes());
        payload.extend(row.vector.iter().flat_map(|value| value.to_le_bytes()));
    }
    seal(key, &payload)
}

pub(super) fn open_rows(key: &[u8], sealed: &[u8], width: usize) -> anyhow::Result<Vec<Row>> {
    let payload = open(key, sealed)?;
    let length = width.checked_mul(4).and_then(|bytes| bytes.checked_add(17));
    let length = length.context("an absurd width")?;
    ensure!(payload.len().is_multiple_of(length), "a record is cut off");
    payload.chunks_exact(length).map(open_row).collect()
}

fn open_row(bytes: &[u8]) -> anyhow::Result<Row> {
    let (modality, rest) = bytes.split_first().context("a row is cut off")?;
    let modality = match modality {
        0 => Modality::AUDIO,
        1 => Modality::VISUAL,
        other => bail!("no modality has the number {other}"),
    };
    let (times, values) = rest.split_at_checked(16).context("a row is cut off")?;
    let (times, _) = times.as_chunks::<8>();
    let [start, end] = [u64::from_le_bytes(times[0]), u64::from_le_bytes(times[1])];
    let span = (start != NO_TIME).then_some(Span { start, end });
    let (values, _) = values.as_chunks::<4>();
    let vector = values.iter().map(|value| f32::from_le_bytes(*value)).collect();
    Ok(Row { modality, span, vector })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let span = Some(Span { start: 1_280, end: 2_560 });
        vec![
            Row { modality: Modality::AUDIO, span, vector: vec![0.5, -0.25, f32::MIN_POSITIVE] },
            Row { modality: Modality::VISUAL, span: None, vector: vec![1.0, 0.0, -0.0] },
        ]
    }

    #[test]
    fn records_come_back_and_every_flipped_bit_is_noticed() {
        let content = Content { medium: Medium::Picture, digest: [7; 32] };
        let key = content.key();
        assert_eq!(Content::of_key(&key).expect("a key"), content);
        let sealed = seal_rows(&key, &rows());
        assert_eq!(open_rows(&key, &sealed, 3).expect("rows"), rows());
        for bit in 0..8 * sealed.len() {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(open_rows(&key, &damaged, 3).is_err(), "bit {bit}");
        }
        let other = Content { digest: [8; 32], ..content };
        assert!(open_rows(&other.key(), &sealed, 3).is_err(), "rows of another content");
        let sealed = seal_file("a/b.wav", content);
        assert_eq!(open_file("a/b.wav", &sealed).expect("a file"), content);
        assert!(open_file("a/c.wav", &sealed).is_err());
        assert!(open_text(&seal_text("{}").replace('{', "[")).is_err());
    }
}
