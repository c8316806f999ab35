//! Whether an ogg ends where its last page does; what its pages hold is the decoders'.

use std::io::{self, Read, Seek, SeekFrom};

/// The longest page, in bytes.
const LONGEST_PAGE: u64 = 27 + 255 + 255 * 255;

/// Whether the file ends in the middle of a page. Decoders take the pages before it for all there are.
pub(super) fn is_cut(source: &mut (impl Read + Seek)) -> io::Result<bool> {
    let length = source.seek(SeekFrom::End(0))?;
    source.seek(SeekFrom::Start(length.saturating_sub(LONGEST_PAGE)))?;
    let mut tail = Vec::new();
    source.by_ref().take(LONGEST_PAGE).read_to_end(&mut tail)?;
    let Some(page) = memchr::memmem::rfind(&tail, b"OggS").map(|place| &tail[place..]) else {
        return Ok(false);
    };
    let Some(segments) = page.get(26) else { return Ok(true) };
    let Some(sizes) = page.get(27..27 + usize::from(*segments)) else { return Ok(true) };
    let content: usize = sizes.iter().map(|size| usize::from(*size)).sum();
    Ok(page.len() < 27 + sizes.len() + content)
}
