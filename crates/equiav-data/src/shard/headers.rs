//! The headers of a tar file one by one, refusing what no data set contains.
//!
//! Contents are jumped over. Whatever a header claims, memory and time stay in proportion to the
//! headers that are there. Which members make a sample is not known here.

use std::io;
use std::path::Path;

use tar::{EntryType, Header, PaxExtensions};

use crate::DataError;
use crate::shard::contents::{BLOCK, MOST_MEMBERS, Place};
use crate::shard::key::check_path;

/// The longest extension header, in bytes: room for names, none for a bomb.
const LONGEST_EXTENSION: u64 = 1 << 16;
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

/// What an extension header says of the member that follows.
#[derive(Default)]
struct Extension {
    path: Option<Vec<u8>>,
    size: Option<u64>,
}

/// A walk over the headers of a file.
pub(crate) struct Headers<'a> {
    read: Read<'a>,
    bytes: u64,
    offset: u64,
    count: usize,
    /// The member that came last, as errors show it.
    last: String,
}

impl<'a> Headers<'a> {
    /// Over a file of `bytes`.
    pub(crate) fn new(read: Read<'a>, bytes: u64) -> Result<Self, Stop> {
        let headers = Self { read, bytes, offset: 0, count: 0, last: String::new() };
        headers.check_kind_of_file()?;
        Ok(headers)
    }

    /// The next member; `None` at the zero block that closes the file.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, Stop> {
        let mut extension = Extension::default();
        while let Some(header) = self.header()? {
            let kind = header.entry_type();
            if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
                self.extend(&mut extension, &header)?;
            } else if kind.is_pax_global_extensions() {
                // Comments of the archiver; a path or a size for all members would make no sense.
                self.extend(&mut Extension::default(), &header)?;
            } else if let Some(entry) = self.entry(&header, std::mem::take(&mut extension))? {
                return Ok(Some(entry));
            }
        }
        Ok(None)
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

    /// The next header, checked; `None` at the zero block that closes the file.
    fn header(&mut self) -> Result<Option<Header>, Stop> {
        if self.bytes - self.offset < BLOCK {
            let reason = "truncated: it ends without the zero block that closes a tar file";
            return Err(if self.offset == 0 { "is no tar file" } else { reason }.to_owned().into());
        }
        let mut header = Header::new_old();
        (self.read)(header.as_mut_bytes(), self.offset)?;
        let bytes = header.as_bytes();
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let rest = bytes[..148].iter().chain(&bytes[156..]);
        let sum = rest.map(|byte| u32::from(*byte)).sum::<u32>() + 8 * u32::from(b' ');
        if header.cksum().ok() != Some(sum) {
            return Err(match self.offset {
                0 => "is no tar file: its first header has no valid checksum".to_owned(),
                at => format!("broken checksum of the header at byte {at}{}", self.behind()),
            }
            .into());
        }
        self.offset += BLOCK;
        self.count += 1;
        if self.count > MOST_MEMBERS {
            let remedy = "pack fewer members into each shard";
            return Err(format!("has more than {MOST_MEMBERS} headers: {remedy}").into());
        }
        Ok(Some(header))
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
        let size = size_of(header).filter(|size| *size <= LONGEST_EXTENSION).ok_or_else(|| {
            let at = self.offset - BLOCK;
            format!("extension header at byte {at} is larger than 64 KiB{}", self.behind())
        })?;
        let place = self.skip(size, || "an extension header".to_owned())?;
        let mut content = vec![0; size as usize];
        (self.read)(&mut content, place.offset)?;
        if long_name {
            let end = content.iter().position(|byte| *byte == 0).unwrap_or(content.len());
            content.truncate(end);
            extension.path = Some(content);
            return Ok(());
        }
        let broken = || format!("broken pax header at byte {}", place.offset - BLOCK);
        for record in PaxExtensions::new(&content) {
            let record = record.map_err(|_| broken())?;
            match record.key_bytes() {
                b"path" => extension.path = Some(record.value_bytes().to_vec()),
                b"size" => {
                    let size = record.value().ok().and_then(|size| size.parse().ok());
                    extension.size = Some(size.ok_or_else(broken)?);
                }
                key if key.starts_with(b"GNU.sparse") => {
                    return Err(format!("holds a sparse file{}", self.behind()).into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The member of `header`; `None` of a folder.
    fn entry(&mut self, header: &Header, extension: Extension) -> Result<Option<Entry>, Stop> {
        let path = extension.path.unwrap_or_else(|| header.path_bytes().into_owned());
        let shown: String =
            String::from_utf8_lossy(&path).escape_debug().take(LONGEST_SHOWN).collect();
        let at = |reason: String| format!("member `{shown}`: {reason}");
        let path = std::str::from_utf8(&path).map_err(|_| at("its name is no UTF-8".to_owned()))?;
        let path = path.strip_prefix("./").unwrap_or(path);
        let folder = header.entry_type() == EntryType::Directory;
        let path = if folder { path.trim_end_matches('/') } else { path };
        // `.` itself, which archivers put first.
        if !(folder && matches!(path, "" | ".")) {
            check_path(path).map_err(at)?;
        }
        check_type(header.entry_type()).map_err(at)?;
        let size = extension.size.or_else(|| size_of(header));
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
        let end = place.offset + size.next_multiple_of(BLOCK);
        if end > self.bytes {
            let missing = end - self.bytes;
            return Err(format!("truncated: {} lacks its last {missing} bytes", what()).into());
        }
        self.offset = end;
        Ok(place)
    }
}

fn size_of(header: &Header) -> Option<u64> {
    header.entry_size().ok()
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
