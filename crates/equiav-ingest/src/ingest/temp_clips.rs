//! The clips of one file until it is certain that they are wanted; a long file's go to the disk.

use std::io::{self, Read, Seek, Write};
use std::path::Path;

use equiav_data::shard::{Member, ShardWriter};
use tempfile::SpooledTempFile;

use crate::IngestError;
use crate::analyze::clip::Encoded;

/// What is held in memory, in bytes.
const HELD: usize = 64 << 20;

/// Encoded clips in their order. Its file has no name, so a killed process leaves nothing.
pub(crate) struct TempClips {
    file: SpooledTempFile,
    clips: Vec<Entry>,
}

/// The number of a window, its key, and its members' suffixes and sizes.
struct Entry {
    window: usize,
    key: String,
    members: Vec<(String, usize)>,
}

impl TempClips {
    /// An empty one; what is too much for the memory goes to the disk of `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { file: tempfile::spooled_tempfile_in(HELD, folder), clips: Vec::new() }
    }

    /// Appends the clip of a `window`.
    pub(crate) fn push(
        &mut self,
        window: usize,
        key: String,
        members: Vec<Encoded>,
    ) -> io::Result<()> {
        let mut sizes = Vec::with_capacity(members.len());
        for (suffix, bytes) in members {
            self.file.write_all(&bytes)?;
            sizes.push((suffix, bytes.len()));
        }
        self.clips.push(Entry { window, key, members: sizes });
        Ok(())
    }

    /// Writes the clips of the windows `kept`, which are sorted, to `shard`; `folder` is named where the disk
    /// fails.
    pub(crate) fn write(
        mut self,
        kept: &[usize],
        shard: &mut ShardWriter,
        folder: &Path,
    ) -> Result<(), IngestError> {
        let failed = |error| IngestError::io(folder, error);
        self.file.rewind().map_err(failed)?;
        for clip in &self.clips {
            let mut contents = Vec::with_capacity(clip.members.len());
            for (_, size) in &clip.members {
                let mut bytes = vec![0; *size];
                self.file.read_exact(&mut bytes).map_err(failed)?;
                contents.push(bytes);
            }
            if kept.binary_search(&clip.window).is_err() {
                continue;
            }
            let pairs = clip.members.iter().zip(&contents);
            let members: Vec<_> =
                pairs.map(|((suffix, _), bytes)| Member { suffix, bytes }).collect();
            shard.write(&clip.key, &members)?;
        }
        Ok(())
    }
}
