//! What FFmpeg made of sounds, in the cache folder: by content, so that neither names nor folders count.
//!
//! A child for each clip of each epoch would take several times as long as all else that is done for it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use super::super::Extent;
use super::super::input::Input;
use crate::io::atomic::{own_name, replace};
use equiav_frontend::Waveform;

/// What a file begins with; another number where samples come to be made otherwise.
const MARK: &[u8; 12] = b"equiavsnd 2\n";
/// How many bytes stand in front of the samples: the mark, whose FFmpeg made them, the rate, their number.
const HEAD: usize = MARK.len() + 8 + 4 + 8;
/// How many bytes are kept in all; what came first stays, as epochs visit every clip once.
const MOST_BYTES: u64 = 16 << 30;

/// The place of one sound.
#[derive(Debug)]
pub(super) struct Kept {
    folder: PathBuf,
    file: PathBuf,
}

impl Kept {
    /// The place in `folder` of what `input` holds within `extent`.
    pub(super) fn new(folder: &Path, input: &Input<'_>, extent: Extent) -> io::Result<Self> {
        let mut hash = Sha256::new();
        match input {
            Input::Bytes(bytes) => hash.update(bytes.as_ref()),
            Input::File(path) => {
                let mut file = File::open(path)?;
                let mut buffer = vec![0; 1 << 16];
                loop {
                    match file.read(&mut buffer)? {
                        0 => break,
                        read => hash.update(&buffer[..read]),
                    }
                }
            }
        }
        let digest = hash.finalize();
        let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let part = match extent {
            Extent::Whole => "whole".to_owned(),
            Extent::Start(seconds) => format!("{seconds}s"),
        };
        // Folders of a million files are slow.
        let file = folder.join(&digits[..2]).join(format!("{digits}-{part}.f32"));
        Ok(Self { folder: folder.to_owned(), file })
    }

    /// What is kept there, if anything whole is that the FFmpeg of that version made, or any where there is
    /// none.
    pub(super) fn read(&self, version: Option<&str>) -> Option<Waveform> {
        let bytes = fs::read(&self.file).ok()?;
        let (by, rest) = bytes.strip_prefix(MARK)?.split_first_chunk::<8>()?;
        let (rate, rest) = rest.split_first_chunk::<4>()?;
        let (count, body) = rest.split_first_chunk::<8>()?;
        let (samples, odd) = body.as_chunks::<4>();
        let whole = odd.is_empty() && u64::from_le_bytes(*count) == samples.len() as u64;
        let same = version.is_none_or(|version| *by == maker(version));
        let rate = u32::from_le_bytes(*rate);
        let samples = samples.iter().map(|sample| f32::from_le_bytes(*sample));
        (whole && same).then(|| Waveform { samples: samples.collect(), rate })
    }

    /// Keeps `waveform`, which the FFmpeg of that version made, there while there is room; a folder that
    /// cannot be written to is done without.
    pub(super) fn write(&self, waveform: &Waveform, version: &str) {
        let mut bytes = Vec::with_capacity(HEAD + 4 * waveform.samples.len());
        bytes.extend(MARK);
        bytes.extend(maker(version));
        bytes.extend(waveform.rate.to_le_bytes());
        bytes.extend((waveform.samples.len() as u64).to_le_bytes());
        bytes.extend(waveform.samples.iter().flat_map(|sample| sample.to_le_bytes()));
        static USED: OnceLock<AtomicU64> = OnceLock::new();
        let used = USED.get_or_init(|| AtomicU64::new(size(&self.folder)));
        let more = bytes.len() as u64;
        if used.fetch_add(more, Ordering::Relaxed) + more > MOST_BYTES || self.put(&bytes).is_err()
        {
            used.fetch_sub(more, Ordering::Relaxed);
        }
    }

    /// Writes beside and renames, as several threads and processes may do at once.
    fn put(&self, bytes: &[u8]) -> io::Result<()> {
        fs::create_dir_all(self.file.parent().unwrap_or(&self.folder))?;
        // What a crash of the machine takes can be decoded again: nothing waits for the disk.
        replace(&self.file, own_name(&self.file), |partial| fs::write(partial, bytes))
    }
}

/// Stands for the FFmpeg of that version.
fn maker(version: &str) -> [u8; 8] {
    let digest = Sha256::digest(version.as_bytes());
    std::array::from_fn(|place| digest[place])
}

/// How many bytes the files below `folder` have.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_by_content_is_found_by_content_and_only_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.opus");
        fs::write(&path, b"some bytes").unwrap();
        let at = |input: &Input<'_>| {
            Kept::new(&folder.path().join("x/sounds"), input, Extent::Whole).unwrap()
        };
        let waveform = Waveform { samples: vec![0.0, -1.0, f32::MIN_POSITIVE], rate: 44_100 };
        assert_eq!(at(&Input::File(&path)).read(None), None);
        at(&Input::File(&path)).write(&waveform, "ffmpeg version 9");
        let same = at(&Input::Bytes(b"some bytes".to_vec().into()));
        assert_eq!(same.read(None), Some(waveform.clone()));
        assert_eq!(same.read(Some("ffmpeg version 9")), Some(waveform));
        assert_eq!(same.read(Some("ffmpeg version 5")), None, "made by another one");
        assert_eq!(at(&Input::Bytes(b"other bytes".to_vec().into())).read(None), None);
        let bytes = fs::read(&same.file).unwrap();
        for wrong in [
            &bytes[..bytes.len() - 1],
            &bytes[..bytes.len() - 4],
            &bytes[..HEAD],
            &bytes[..10],
            b"",
            b"something else, longer than a head",
        ] {
            fs::write(&same.file, wrong).unwrap();
            assert_eq!(same.read(None), None);
        }
    }
}
