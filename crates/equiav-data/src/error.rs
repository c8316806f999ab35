//! What can go wrong with data: a file, a clip, a list, a whole folder.
//!
//! A message holds what caused it, so that no error has a source that says the same again.

use std::io;
use std::path::{Path, PathBuf};

use equiav_frontend::FrontEndError;
use rustix::io::Errno;

/// A sound or picture that cannot be used, and why.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct MediaError {
    /// The file; of a member of a shard `SHARD.tar: MEMBER`.
    pub path: PathBuf,
    /// What is wrong with it, in one line.
    pub reason: String,
    /// Whether the file is simply not there.
    pub missing: bool,
    /// Whether the fault is the machine's (see [`is_fault_of_machine`]), so that other files would fare
    /// the same.
    pub machine: bool,
}

impl MediaError {
    /// A file that is there and cannot be used.
    pub(crate) fn broken(path: &Path, reason: impl Into<String>) -> Self {
        let reason = one_line(&reason.into());
        Self { path: path.to_owned(), reason, missing: false, machine: false }
    }

    /// A file that the system does not hand out.
    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        let missing = error.kind() == io::ErrorKind::NotFound;
        let reason = if missing { "no such file".to_owned() } else { one_line(&error.to_string()) };
        Self { path: path.to_owned(), reason, missing, machine: is_fault_of_machine(error) }
    }
}

/// A clip that cannot be used because of its sound or its picture.
#[derive(Clone, Debug, thiserror::Error)]
#[error("clip `{id}`: {media}")]
pub struct ClipError {
    /// The clip's position in its data set.
    pub clip: usize,
    /// The clip's name.
    pub id: String,
    /// The file at fault.
    pub media: MediaError,
}

/// Any failure of this crate; a corrupt clip and a missing disk are different variants.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// One clip cannot be used; others may.
    #[error(transparent)]
    Clip(#[from] ClipError),
    /// A list (manifest or label table) is not what it should be.
    #[error("{}: {reason}", path.display())]
    Manifest {
        /// The list.
        path: PathBuf,
        /// The entry and the key at fault, and what was expected.
        reason: String,
    },
    /// A shard or its index is not what it should be.
    #[error("{}: {reason}", path.display())]
    Shard {
        /// The tar file or its index.
        path: PathBuf,
        /// The member at fault, what is wrong with it, and what helps.
        reason: String,
    },
    /// The system refuses a file that is not a clip's own.
    #[error("{}: {reason}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        reason: io::Error,
    },
    /// The folder that all clips lie in is not there or empty: a missing disk, not a bad clip.
    #[error(
        "the data folder {} is missing or empty (noticed at clip `{id}`): mount its disk, or \
         correct its path",
        folder.display()
    )]
    FolderGone {
        /// The deepest folder that holds the files of every clip.
        folder: PathBuf,
        /// The clip that was looked for.
        id: String,
    },
    /// The machine cannot read a clip, nor would it another: too many open files, no memory, a disk that
    /// fails.
    #[error("clip `{}`: {} (a fault of the machine, not of the clip)", .0.id, .0.media)]
    Machine(ClipError),
    /// More clips are unreadable than the run puts up with.
    #[error(
        "{unreadable} of {seen} clips cannot be read, more than `max_unreadable` = {allowed} \
         allows; the first: {}", first.join("; ")
    )]
    TooManyUnreadable {
        /// Distinct clips that cannot be read.
        unreadable: usize,
        /// Distinct clips looked at.
        seen: usize,
        /// The share that is put up with.
        allowed: f64,
        /// The first of them, with their reasons.
        first: Vec<String>,
    },
    /// Every clip that may take the place of an unreadable one is unreadable too.
    #[error("{unreadable}; none of the {tries} other clips can be read either")]
    NoReplacement {
        /// The clip to be replaced.
        unreadable: ClipError,
        /// How many others there are, all of which were tried.
        tries: usize,
    },
    /// A data set without a clip.
    #[error("a data set needs at least one clip")]
    Empty,
    /// A value of the front end makes no sense.
    #[error(transparent)]
    FrontEnd(#[from] FrontEndError),
    /// A clip's labels cannot be used.
    #[error(
        "clip `{id}`: {reason} (help: a label table that lists every class, and a manifest \
         whose clips have labels)"
    )]
    Label {
        /// The clip.
        id: String,
        /// What is wrong with them.
        reason: String,
    },
    /// A loader's thread panicked.
    #[error("a loader thread panicked at clip `{id}` ({}): {message}", file.display())]
    Panicked {
        /// The clip it was working on.
        id: String,
        /// The clip's sound file, or its shard.
        file: PathBuf,
        /// The panic's message.
        message: String,
    },
}

impl DataError {
    pub(crate) fn io(path: &Path, reason: io::Error) -> Self {
        Self::Io { path: path.to_owned(), reason }
    }

    pub(crate) fn shard(path: &Path, reason: impl Into<String>) -> Self {
        Self::Shard { path: path.to_owned(), reason: one_line(&reason.into()) }
    }

    pub(crate) fn manifest(path: &Path, reason: impl Into<String>) -> Self {
        Self::Manifest { path: path.to_owned(), reason: one_line(&reason.into()) }
    }
}

/// Whether the system refuses for a reason that lies in no file: too many open files, no memory, a disk
/// that fails, is full or gone.
///
/// The next file would fare no better, so this is never to be taken for a fault of the file.
pub fn is_fault_of_machine(error: &io::Error) -> bool {
    const FAULTS: [Errno; 18] = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOMEM,
        Errno::AGAIN,
        Errno::IO,
        Errno::STALE,
        Errno::NXIO,
        Errno::NODEV,
        Errno::NOTCONN,
        Errno::CONNABORTED,
        Errno::CONNRESET,
        Errno::HOSTDOWN,
        Errno::HOSTUNREACH,
        Errno::NETUNREACH,
        Errno::TIMEDOUT,
        Errno::NOSPC,
        Errno::DQUOT,
        Errno::NOBUFS,
    ];
    let known = Errno::from_io_error(error).is_some_and(|errno| FAULTS.contains(&errno));
    known || error.kind() == io::ErrorKind::OutOfMemory
}

/// What a caught panic said, in one line.
pub fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    one_line(&text.unwrap_or_else(|| "no message".to_owned()))
}

/// `text` with its lines and control characters folded into one line.
pub fn one_line(text: &str) -> String {
    let line = text.replace(|c: char| c.is_control(), " ");
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
