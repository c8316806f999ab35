//! The bytes of a source from where a parser stands: looked at before they are taken.

use std::io::{self, Read, Seek, SeekFrom};

/// How many bytes are read at once.
const BLOCK: usize = 1 << 16;

/// A place in a source, and the bytes behind it that were read already.
#[derive(Debug)]
pub(super) struct Window<S> {
    source: S,
    bytes: Vec<u8>,
    /// How many of these are taken.
    taken: usize,
    /// Where the first byte that is not taken stands.
    place: u64,
}

impl<S: Read + Seek> Window<S> {
    /// At the byte `place` of `source`.
    pub(super) fn new(mut source: S, place: u64) -> io::Result<Self> {
        source.seek(SeekFrom::Start(place))?;
        Ok(Self { source, bytes: Vec::new(), taken: 0, place })
    }

    /// Where it stands, in bytes of the source.
    pub(super) fn place(&self) -> u64 {
        self.place
    }

    /// The next `length` bytes, or as many as there are.
    pub(super) fn look(&mut self, length: usize) -> io::Result<&[u8]> {
        if self.bytes.len() - self.taken < length {
            self.bytes.drain(..self.taken);
            self.taken = 0;
            let missing = length.max(BLOCK) - self.bytes.len();
            self.source.by_ref().take(missing as u64).read_to_end(&mut self.bytes)?;
        }
        let end = self.bytes.len().min(self.taken + length);
        Ok(&self.bytes[self.taken..end])
    }

    /// Leaves `length` bytes behind, which may be more than there are.
    pub(super) fn skip(&mut self, length: u64) -> io::Result<()> {
        let known = (self.bytes.len() - self.taken) as u64;
        self.place += length;
        if length <= known {
            self.taken += length as usize;
            return Ok(());
        }
        self.bytes.clear();
        self.taken = 0;
        self.source.seek(SeekFrom::Start(self.place)).map(drop)
    }

    /// Goes back, or on, to the byte `place`.
    pub(super) fn return_to(&mut self, place: u64) -> io::Result<()> {
        self.bytes.clear();
        self.taken = 0;
        self.place = place;
        self.source.seek(SeekFrom::Start(place)).map(drop)
    }
}
