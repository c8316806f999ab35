//! Which FFmpeg is used, and what can be said of it and of a file that it reads; it is run by
//! [`process`], on what [`content`] lets through.

mod complaints;
pub mod content;
pub mod process;
pub mod task;
mod verdict;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub use complaints::{Said, is_of_container, is_of_decoder, one_complaint};

/// Names an FFmpeg of one's own choice, before any other.
const VARIABLE: &str = "EQUIAV_FFMPEG";
/// Begins what is said where there is none; one that is there and does not run is another matter.
pub(crate) const ABSENT: &str = "there is no FFmpeg";
/// Where `cargo xtask ffmpeg` puts one, below the cache folder.
const FETCHED: &str = "ffmpeg-9.0.2/ffmpeg";

/// An FFmpeg that runs.
#[derive(Clone, Debug)]
pub struct Ffmpeg {
    /// The program.
    pub program: PathBuf,
    /// The first line of what it says of itself, without the copyright.
    pub version: String,
}

/// Why FFmpeg gave nothing, or not all.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FfmpegError {
    /// The machine's fault, in its words: there is no FFmpeg, it cannot be started, it was killed by
    /// someone else, a pipe broke, or the system refuses the file's bytes. Other files would fare the same.
    #[error("{0}")]
    Machine(String),
    /// The file's fault: it gave nothing for longer than its [`Limits`](task::Limits) allow.
    #[error("{0}")]
    TimeLimit(String),
    /// The file's fault: its content, which is named, is none of the formats that are read.
    #[error("{0}")]
    Content(String),
    /// The file's fault: FFmpeg cannot decode it, with the end of its own message.
    #[error("{0}")]
    Undecodable(String),
}

impl FfmpegError {
    /// Whether it is no fault of the file's.
    pub fn is_of_machine(&self) -> bool {
        matches!(self, Self::Machine(_))
    }
}

impl Ffmpeg {
    /// Finds one: `$EQUIAV_FFMPEG`, else on the path, else the one fetched below `cache`, the cache
    /// folder, where there is such a folder.
    ///
    /// # Errors
    ///
    /// If there is none, with the ways to get one; if `$EQUIAV_FFMPEG` names one that does not run.
    pub fn find(cache: Option<&Path>) -> Result<Self, FfmpegError> {
        if let Some(own) = env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
            let program = PathBuf::from(own);
            return Self::at(&program).map_err(|reason| {
                let shown = program.display();
                let reason = format!("{VARIABLE}={shown}: {reason}; help: correct or unset it");
                FfmpegError::Machine(reason)
            });
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let on_path = env::split_paths(&path).map(|folder| folder.join("ffmpeg"));
        let fetched = cache.map(|cache| cache.join(FETCHED));
        let mut refused = None;
        for program in on_path.chain(fetched).filter(|path| path.is_file()) {
            match Self::at(&program) {
                Ok(found) => return Ok(found),
                Err(reason) => {
                    let shown = program.display();
                    refused.get_or_insert_with(|| format!("FFmpeg ({shown}) {reason}"));
                }
            }
        }
        Err(FfmpegError::Machine(refused.unwrap_or_else(|| {
            format!(
                "{ABSENT}: install it with the system's package manager, fetch a static one with \
                 `cargo xtask ffmpeg`, or set {VARIABLE} to the program"
            )
        })))
    }

    /// The one at `program`, asked for its version.
    fn at(program: &Path) -> Result<Self, String> {
        let mut command = Command::new(program);
        command.arg("-version").stdin(Stdio::null()).stderr(Stdio::null());
        let output = command.output().map_err(|error| format!("cannot be started: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().next().unwrap_or_default();
        let version = line.split(" Copyright").next().unwrap_or_default().trim().to_owned();
        if !output.status.success() || !version.starts_with("ffmpeg") {
            return Err("is no FFmpeg that runs".to_owned());
        }
        Ok(Self { program: program.to_owned(), version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_ffmpeg_is_refused() {
        assert!(Ffmpeg::at(Path::new("true")).unwrap_err().contains("no FFmpeg"));
        assert!(Ffmpeg::at(Path::new("no-such-program")).unwrap_err().contains("started"));
    }
}
