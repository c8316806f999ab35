//! Why the decoders of this program do not take a sound, and whether another one may.

use std::io;

use symphonia::core::errors::Error as SymphoniaError;

/// Why a sound is not read.
#[derive(Debug)]
pub(super) enum Refusal {
    /// What is wrong with it; no other decoder should take it either.
    Broken(String),
    /// What it is, or what the own decoder stumbled on: another decoder may know better.
    Foreign(String),
    /// The system does not hand out its bytes.
    Io(io::Error),
    /// Another decoder cannot be run, for a reason that lies in no sound.
    Machine(String),
}

impl Refusal {
    pub(super) fn broken(reason: impl Into<String>) -> Self {
        Self::Broken(reason.into())
    }

    pub(super) fn foreign(reason: impl Into<String>) -> Self {
        Self::Foreign(reason.into())
    }

    /// A file that ends where more had to come.
    pub(super) fn cut() -> Self {
        Self::broken("truncated: it ends in the middle")
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<SymphoniaError> for Refusal {
    fn from(error: SymphoniaError) -> Self {
        match error {
            error if is_end(&error) => Self::cut(),
            SymphoniaError::DecodeError(what) => Self::broken(format!("corrupt: {what}")),
            SymphoniaError::Unsupported(what) => Self::foreign(format!("not supported: {what}")),
            // Made up by decoders for bits that make no sense; the system's own have a number.
            SymphoniaError::IoError(error) if error.raw_os_error().is_none() => {
                Self::broken(format!("corrupt: {error}"))
            }
            SymphoniaError::IoError(error) => Self::Io(error),
            other => Self::foreign(other.to_string()),
        }
    }
}

/// Whether `error` says that a file has ended.
pub(super) fn is_end(error: &SymphoniaError) -> bool {
    matches!(error, SymphoniaError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof)
}
