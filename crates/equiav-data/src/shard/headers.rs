//! The headers of a tar file one by one, refusing what no data set contains.
//!
//! Contents are jumped over. Whatever a header claims, memory and time stay in proportion to the
//! headers that are there. Which members make a sample is not known here.

use std::io;
use std::path::Path;

use tar::{EntryType, Header};

use crate::error::DataError;
use crate::shard::contents::{BLOCK, MOST_MEMBERS, Place};
use crate::shard::extension::Extension;
use crate::shard::key::check_path;

/// The longest extension header, in bytes: room for names and attributes, none for a bomb.
const LONGEST_EXTENSION: u64 = 1 << 20;
/// How many bytes of zeros behind an archive are looked through for another one, and how many at once.
const MOST_ZEROS: u64 = 1 << 30;
const ZEROS: u64 = 1 << 16;
/// The longest member, in bytes.
const LONGEST_MEMBER: u64 = u32::MAX as u64;
/// How much of a name an error shows, in characters.
const LONGEST_SHOWN: usize = 200;

/// Reads exactly so many bytes from an offset on.
pub(crate) type Read<'a> = &'a dyn Fn(&mut [u8], u64) -> io::Result<()>;

/// One member that is a plain file.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its path, relative and without `..`.
    pub(crate) path: String,
    /// Its content.
    pub(crate) place: Place,
}

/// Why a walk ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    Io(io::Error),
    Wrong(String),
}

impl Stop {
    pub(crate) fn of(self, path: &Path) -> DataError {
        match self {
            Self::Io(error) => DataError::io(path, error),
            Self::Wrong(reason) => DataError::shard(path, reason),
        }
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Wrong("truncated while it was read".to_owned()),
            _ => Self::Io(error),
        }
    }
}

impl From<String> for Stop {
    fn from(reason: String) -> Self {
        Self::Wrong(reason)
    }
}

/// A walk over the headers of a file.
pub(crate) struct Headers<'a> {
    read: Read<'a>,
    bytes: u64,
    offset: u64,
    count: usize,
    /// The member that came last, as errors show it.
    last: String,
    /// Whether the zero block that closes an archive came last.
    closed: bool,
    /// Where behind a closed archive bytes begin that are no other one.
    unread: Option<u64>,
}

impl<'a> Headers<'a> {
    /// Over a file of `bytes`.
    pub(crate) fn new(read: Read<'a>, bytes: u64) -> Result<Self, Stop> {
        let (last, unread) = (String::new(), None);
        let headers = Self { read, bytes, offset: 0, count: 0, last, closed: false, unread };
        headers.check_kind_of_file()?;
        Ok(headers)
    }

    /// The next member; `None` behind the last. Archives that stand behind one another are one.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, Stop> {
        let mut extension = Extension::default();
        while let Some(header) = self.header()? {
            let kind = header.entry_type();
            if kind.is_gnu_longname() || is_pax(kind) {
                self.extend(&mut extension, &header)?;
            } else if kind.is_gnu_longlink() || matches!(kind.as_byte(), b'V' | b'D') {
                // Where a link leads, the name of the archive, what GNU tar lists of a folder.
                self.skip(header.entry_size().ok().unwrap_or(u64::MAX), || "a header".to_owned())?;
            } else if kind.is_pax_global_extensions() {
                // Comments of the archiver; a path or a size for all members would make no sense.
                self.extend(&mut Extension::default(), &header)?;
            } else if let Some(entry) = self.entry(&header, std::mem::take(&mut extension))? {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// Where behind the last archive bytes begin that are no archive, once the walk has ended.
    pub(crate) fn unread(&self) -> Option<u64> {
        self.unread
    }

    /// Says what else the file may be, where that is easy to tell.
    fn check_kind_of_file(&self) -> Result<(), Stop> {
        if self.bytes == 0 {
            return Err("empty file".to_owned().into());
        }
        let mut head = [0; 6];
        let length = self.bytes.min(6) as usize;
        (self.read)(&mut head[..length], 0)?;
        for (magic, name, remedy) in [
            (&b"\x1f\x8b"[..], "gzip", "gunzip"),
            (b"\xfd7zXZ\0", "xz", "unxz"),
            (b"\x28\xb5\x2f\xfd", "zstd", "unzstd"),
            (b"BZh", "bzip2", "bunzip2"),
        ] {
            if head.starts_with(magic) {
                let reason = format!("is compressed with {name}: run {remedy} on it first");
                return Err(reason.into());
            }
        }
        Ok(())
    }

    /// The next header, checked; `None` behind the last archive.
    fn header(&mut self) -> Result<Option<Header>, Stop> {
        let header = loop {
            if self.bytes - self.offset < BLOCK {
                return self.end();
            }
            let mut header = Header::new_old();
            (self.read)(header.as_mut_bytes(), self.offset)?;
            if header.as_bytes().iter().any(|byte| *byte != 0) {
                break header;
            }
            self.closed = true;
            self.pass_zeros()?;
        };
        let bytes = header.as_bytes();
        let rest = bytes[..148].iter().chain(&bytes[156..]);
        let sum = rest.map(|byte| u32::from(*byte)).sum::<u32>() + 8 * u32::from(b' ');
        if header.cksum().ok() != Some(sum) {
            if self.closed {
                self.unread = Some(self.offset);
                return Ok(None);
            }
            return Err(match self.offset {
                0 => "is no tar file: its first header has no valid checksum".to_owned(),
                at => format!("broken checksum of the header at byte {at}{}", self.behind()),
            }
            .into());
        }
        self.closed = false;
        self.offset += BLOCK;
        self.count += 1;
        if self.count > MOST_MEMBERS {
            let remedy = "pack fewer members into each shard";
            return Err(format!("has more than {MOST_MEMBERS} headers: {remedy}").into());
        }
        Ok(Some(header))
    }

    /// The end of the file, where less than a block is left.
    fn end(&mut self) -> Result<Option<Header>, Stop> {
        if !self.closed {
            let reason = "truncated: it ends without the zero block that closes a tar file";
            return Err(if self.offset == 0 { "is no tar file" } else { reason }.to_owned().into());
        }
        let mut rest = vec![0; (self.bytes - self.offset) as usize];
        (self.read)(&mut rest, self.offset)?;
        let more = rest.iter().any(|byte| *byte != 0);
        self.unread = self.unread.or(more.then_some(self.offset));
        Ok(None)
    }

    /// Goes on to the next block that holds more than zeros, or to the last that is whole.
    fn pass_zeros(&mut self) -> Result<(), Stop> {
        let end = self.bytes - self.bytes % BLOCK;
        let last = end.min(self.offset.saturating_add(MOST_ZEROS));
        let mut zeros = vec![0; ZEROS as usize];
        while self.offset < last {
            let part = &mut zeros[..(last - self.offset).min(ZEROS) as usize];
            (self.read)(part, self.offset)?;
            if let Some(found) = part.iter().position(|byte| *byte != 0) {
                self.offset += found as u64 / BLOCK * BLOCK;
                return Ok(());
            }
            self.offset += part.len() as u64;
        }
        if last < end {
            self.unread = Some(self.offset);
            self.offset = self.bytes;
        }
        Ok(())
    }

    /// Where in the file something went wrong, in terms of its members.
    fn behind(&self) -> String {
        match self.last.is_empty() {
            true => String::new(),
            false => format!(", behind member `{}`", self.last),
        }
    }

    /// Takes in the extension header whose content comes next.
    fn extend(&mut self, extension: &mut Extension, header: &Header) -> Result<(), Stop> {
        let long_name = header.entry_type().is_gnu_longname();
        let told = header.entry_size().ok().filter(|size| *size <= LONGEST_EXTENSION);
        let size = told.ok_or_else(|| {
            let at = self.offset - BLOCK;
            format!("extension header at byte {at} is larger than 1 MiB{}", self.behind())
        })?;
        let place = self.skip(size, || "an extension header".to_owned())?;
        let mut content = vec![0; size as usize];
        (self.read)(&mut content, place.offset)?;
        if long_name {
            extension.long_name(content);
            return Ok(());
        }
        let broken = || format!("broken pax header at byte {}", place.offset - BLOCK);
        Ok(extension.pax(&content).ok_or_else(broken)?)
    }

    /// The member of `header`; `None` of a folder.
    fn entry(&mut self, header: &Header, extension: Extension) -> Result<Option<Entry>, Stop> {
        let path = extension.path.unwrap_or_else(|| header.path_bytes().into_owned());
        let shown: String =
            String::from_utf8_lossy(&path).escape_debug().take(LONGEST_SHOWN).collect();
        let at = |reason: String| format!("member `{shown}`: {reason}");
        let path = std::str::from_utf8(&path).map_err(|_| at("its name is no UTF-8".to_owned()))?;
        let path = path.strip_prefix("./").unwrap_or(path);
        // Before there was a type for folders, their names ended in a slash.
        let folder = match header.entry_type() {
            EntryType::Directory => true,
            EntryType::Regular => path.ends_with('/'),
            _ => false,
        };
        let path = if folder { path.trim_end_matches('/') } else { path };
        // `.` itself, which archivers put first.
        if !(folder && matches!(path, "" | ".")) {
            check_path(path).map_err(at)?;
        }
        let kind = if extension.sparse { EntryType::GNUSparse } else { header.entry_type() };
        check_type(kind).map_err(at)?;
        let size = extension.size.or_else(|| header.entry_size().ok());
        let size = size.ok_or_else(|| at("its size is no number".to_owned()))?;
        if size > LONGEST_MEMBER {
            return Err(at(format!("claims {size} bytes, more than 4 GiB")).into());
        }
        let place = self.skip(if folder { 0 } else { size }, || format!("member `{shown}`"))?;
        let entry = Entry { path: path.to_owned(), place };
        self.last = shown;
        Ok((!folder).then_some(entry))
    }

    /// Jumps over a content of `size` bytes; says where it lies.
    fn skip(&mut self, size: u64, what: impl FnOnce() -> String) -> Result<Place, Stop> {
        let place = Place { offset: self.offset, length: size };
        let end =
            size.checked_next_multiple_of(BLOCK).unwrap_or(u64::MAX).saturating_add(self.offset);
        if end > self.bytes {
            let missing = end - self.bytes;
            return Err(format!("truncated: {} lacks its last {missing} bytes", what()).into());
        }
        self.offset = end;
        Ok(place)
    }
}

/// Whether a header extends the next one; Solaris has a type of its own for that.
fn is_pax(kind: EntryType) -> bool {
    kind.is_pax_local_extensions() || kind.as_byte() == b'X'
}

/// Refuses what is neither a file nor a folder.
fn check_type(kind: EntryType) -> Result<(), String> {
    let what = match kind {
        EntryType::Regular | EntryType::Continuous | EntryType::Directory => return Ok(()),
        EntryType::Symlink => "is a symbolic link",
        EntryType::Link => "is a hard link",
        EntryType::Char | EntryType::Block | EntryType::Fifo => "is a device",
        EntryType::GNUSparse => "is a sparse file",
        _ => "is of a kind that shards do not have",
    };
    Err(format!("{what}; a shard holds plain files only"))
}
