//! What ends an ingest or a scan; what is wrong with one file is a finding, not an error.

use std::io;
use std::path::{Path, PathBuf};

use equiav_data::ffmpeg::FfmpegError;
use equiav_data::{DataError, one_line};

use crate::{Finding, Reason};

/// Why a file gives nothing, or nothing more.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// What is wrong with the file.
    #[error("{0}")]
    Finding(Finding),
    /// What is wrong with the machine, in its words; the next file would fare no better.
    #[error("{0}")]
    Machine(String),
}

/// Why nothing more is done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// A setting makes no sense.
    #[error("{0}")]
    IngestSettings(String),
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
        /// What is wrong, and what helps.
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
    /// The machine's fault, met at a file: FFmpeg cannot be started or was killed, the system refuses its
    /// bytes.
    #[error(
        "`{file}`: {reason} (a fault of the machine, not of the file; nothing is counted as done)"
    )]
    Machine {
        /// The file.
        file: String,
        /// The system's words.
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

/// FFmpeg's words where the sound changes in the middle, and what newer ones say of their filters then.
const CHANGES: [&str; 2] =
    ["frame properties on the fly is not supported", "] Error while filtering"];

impl Fault {
    /// A fault of the file's that FFmpeg told of as `said`.
    pub(crate) fn said(reason: Reason, said: &str) -> Self {
        if CHANGES.iter().any(|words| said.contains(words)) && !said.contains("[vf#") {
            let detail = "its sound changes its rate or its channels: cut it there";
            return Self::Finding(Finding::new(Reason::FormatChange, detail));
        }
        Self::Finding(Finding::new(reason, said))
    }
}

impl From<Finding> for Fault {
    fn from(finding: Finding) -> Self {
        Self::Finding(finding)
    }
}

impl From<FfmpegError> for Fault {
    fn from(error: FfmpegError) -> Self {
        match error {
            FfmpegError::Machine(reason) => Self::Machine(one_line(&reason)),
            FfmpegError::TimeLimit(reason) => Finding::new(Reason::TimeLimit, reason).into(),
            FfmpegError::Content(reason) => Finding::new(Reason::NotMedia, reason).into(),
            other => Self::said(Reason::Undecodable, &other.to_string()),
        }
    }
}
