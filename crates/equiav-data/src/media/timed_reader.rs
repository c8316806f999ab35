//! A file whose reads are booked as such, though a decoder asks for them in the middle of its work.

use std::io::{self, Read, Seek, SeekFrom};

use symphonia::core::io::MediaSource;

use crate::profiler::{self, Stage};

/// A source of bytes that books its reads as such.
pub(crate) struct TimedReader<S>(pub(crate) S);

impl<S: Read> Read for TimedReader<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let _span = profiler::span(Stage::Read);
        self.0.read(buffer)
    }
}

impl<S: Seek> Seek for TimedReader<S> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let _span = profiler::span(Stage::Read);
        self.0.seek(position)
    }
}

impl<S: MediaSource> MediaSource for TimedReader<S> {
    fn is_seekable(&self) -> bool {
        self.0.is_seekable()
    }

    fn byte_len(&self) -> Option<u64> {
        self.0.byte_len()
    }
}
