//! A part of a file as if it were a file of its own, behind a head that is made for it.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use symphonia::core::io::MediaSource;

/// Some bytes, then a range of another source.
#[derive(Debug)]
pub(super) struct Section<S> {
    head: Vec<u8>,
    source: S,
    range: Range<u64>,
    /// Where the next byte is read, counted from the first byte of the head.
    at: u64,
    /// Where the source stands, once that is known.
    stands: Option<u64>,
}

impl<S> Section<S> {
    /// `range` of `source` behind `head`; a range that leads out of the source ends with it.
    pub(super) fn new(head: Vec<u8>, source: S, range: Range<u64>) -> Self {
        Self { head, source, range, at: 0, stands: None }
    }

    fn len(&self) -> u64 {
        self.head.len() as u64 + (self.range.end - self.range.start)
    }
}

impl<S: Read + Seek> Read for Section<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let head = self.head.len() as u64;
        if self.at < head {
            let read = (&self.head[self.at as usize..]).read(buffer)?;
            self.at += read as u64;
            return Ok(read);
        }
        let wanted = self.range.start + (self.at - head);
        let left = self.range.end.saturating_sub(wanted).min(buffer.len() as u64);
        if left == 0 {
            return Ok(0);
        }
        if self.stands != Some(wanted) {
            self.stands = None;
            self.source.seek(SeekFrom::Start(wanted))?;
        }
        let read = self.source.read(&mut buffer[..left as usize])?;
        self.stands = Some(wanted + read as u64);
        self.at += read as u64;
        Ok(read)
    }
}

impl<S> Seek for Section<S> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let wanted = match position {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(step) => self.at.checked_add_signed(step),
            SeekFrom::End(step) => self.len().checked_add_signed(step),
        };
        self.at = wanted.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

impl<S: Read + Seek + Send + Sync> MediaSource for Section<S> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_reads_and_seeks_as_a_file_of_its_own() {
        let source = io::Cursor::new(b"0123456789".to_vec());
        let mut section = Section::new(b"ab".to_vec(), source, 3..7);
        let mut text = String::new();
        section.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), section.len()), ("ab3456", 6));
        for (position, expected) in [
            (SeekFrom::Start(1), "b3456"),
            (SeekFrom::End(-2), "56"),
            (SeekFrom::Start(9), ""),
            (SeekFrom::Current(-7), "3456"),
        ] {
            section.seek(position).unwrap();
            let mut text = String::new();
            section.read_to_string(&mut text).unwrap();
            assert_eq!(text, expected, "{position:?}");
            if expected.is_empty() {
                assert_eq!(section.at, 9);
            }
        }
        assert!(section.seek(SeekFrom::Current(-7)).is_err(), "before the first byte");
    }
}
