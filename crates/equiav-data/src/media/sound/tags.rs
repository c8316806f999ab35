//! Tags that stand in front of a sound or behind it: ID3, APE and Lyrics3; what they say is not read.

use std::io::{self, Read, Seek, SeekFrom};

use super::window::Window;

/// How long an ID3v1 tag is, in bytes.
const ID3V1: usize = 128;
/// How long the header and the footer of an APE tag are, in bytes.
const APE: usize = 32;
/// The longest Lyrics3 tag of the first version, in bytes.
const LYRICS: usize = 5_100 + 20;

/// The length of the tag that `window` stands in front of; `None` if there is none.
pub(super) fn length<S: Read + Seek>(window: &mut Window<S>) -> io::Result<Option<u64>> {
    let head = window.look(APE)?;
    if head.len() >= 10
        && head.starts_with(b"ID3")
        && head[6..10].iter().all(|byte| byte & 0x80 == 0)
    {
        let size = head[6..10].iter().fold(0, |size, byte| size << 7 | u64::from(*byte));
        let footer = if head[5] & 0x10 != 0 { 10 } else { 0 };
        return Ok(Some(10 + size + footer));
    }
    if head.len() >= APE && head.starts_with(b"APETAGEX") {
        // The size counts the footer and not the header.
        let size = u64::from(u32::from_le_bytes([head[12], head[13], head[14], head[15]]));
        let is_header = head[23] & 0x20 != 0;
        return Ok(Some(if is_header { APE as u64 + size } else { APE as u64 }));
    }
    if head.starts_with(b"TAG+") {
        return Ok(Some(227));
    }
    if head.starts_with(b"TAG") {
        return Ok(Some(ID3V1 as u64));
    }
    if head.starts_with(b"LYRICSBEGIN") {
        let text = window.look(LYRICS)?;
        let end = [&b"LYRICS200"[..], b"LYRICSEND"].into_iter();
        let end = end.filter_map(|end| memchr::memmem::find(text, end)).min();
        return Ok(end.map(|end| end as u64 + 9));
    }
    Ok(None)
}

/// Where the tags at the end of `source` begin, which is its end if there are none.
pub(super) fn begin_at_end(source: &mut (impl Read + Seek)) -> io::Result<u64> {
    let mut end = source.seek(SeekFrom::End(0))?;
    let tail = |source: &mut _, end: u64, length: usize| {
        let length = (length as u64).min(end);
        tail(source, end - length, length)
    };
    if tail(source, end, ID3V1)?.starts_with(b"TAG") && end >= ID3V1 as u64 {
        end -= ID3V1 as u64;
    }
    let footer = tail(source, end, APE)?;
    if footer.starts_with(b"APETAGEX") && footer.len() == APE {
        let size = u64::from(u32::from_le_bytes([footer[12], footer[13], footer[14], footer[15]]));
        let header = if footer[23] & 0x80 != 0 { APE as u64 } else { 0 };
        // A size that leads out of the file is no reason to lose the sound.
        end = end.checked_sub(size + header).filter(|begin| *begin > 0).unwrap_or(end);
    }
    Ok(end)
}

fn tail(source: &mut (impl Read + Seek), at: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.seek(SeekFrom::Start(at))?;
    source.by_ref().take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}
