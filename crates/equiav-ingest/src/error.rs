//! What ends an ingest or a scan; what is wrong with one file is a finding, not an error.

use std::io;
use std::path::{Path, PathBuf};

use equiav_data::DataError;

/// Why nothing more is done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// A setting makes no sense.
    #[error("{0}")]
    Settings(String),
    /// There is no FFmpeg that runs.
    #[error("{0}")]
    Ffmpeg(String),
    /// The system refuses a file or folder that is not a medium.
    #[error("{}: {reason}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        reason: io::Error,
    },
    /// The folders cannot be used as they are.
    #[error("{}: {reason}", path.display())]
    Folder {
        /// The folder or a file in it.
        path: PathBuf,
        /// What is wrong, and the way out.
        reason: String,
    },
    /// A shard cannot be written.
    #[error(transparent)]
    Shard(#[from] DataError),
    /// A finding whose policy is to fail.
    #[error("`{file}`: {reason} (the policy for this is `fail`)")]
    Refused {
        /// The file.
        file: String,
        /// The finding.
        reason: String,
    },
    /// A fault of this program, met at a file.
    #[error("`{file}`: this program's own fault: {message}")]
    Panicked {
        /// The file.
        file: String,
        /// The panic's message.
        message: String,
    },
}

impl IngestError {
    pub(crate) fn io(path: &Path, reason: io::Error) -> Self {
        Self::Io { path: path.to_owned(), reason }
    }

    pub(crate) fn folder(path: &Path, reason: impl Into<String>) -> Self {
        Self::Folder { path: path.to_owned(), reason: reason.into() }
    }
}
