//! A file whose reads are booked as such, though a decoder asks for them in the middle of its work.

use std::io::{self, Read, Seek, SeekFrom};

use symphonia::core::io::MediaSource;

use crate::stage::{self, Stage};

/// A source of bytes that tells the stopwatch when it is read.
pub(crate) struct Reading<S>(pub(crate) S);

impl<S: Read> Read for Reading<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        stage::at(Stage::Read, || self.0.read(buffer))
    }
}

impl<S: Seek> Seek for Reading<S> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        stage::at(Stage::Read, || self.0.seek(position))
    }
}

impl<S: MediaSource> MediaSource for Reading<S> {
    fn is_seekable(&self) -> bool {
        self.0.is_seekable()
    }

    fn byte_len(&self) -> Option<u64> {
        self.0.byte_len()
    }
}
