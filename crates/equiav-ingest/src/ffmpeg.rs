//! Which FFmpeg is used; starting it on a file is `child`'s.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::IngestError;

/// Names an FFmpeg of one's own choice, before any other.
const VARIABLE: &str = "EQUIAV_FFMPEG";
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

impl Ffmpeg {
    /// Finds one: `$EQUIAV_FFMPEG`, else on the path, else the one fetched below `cache`.
    ///
    /// # Errors
    ///
    /// If there is none, with the ways to get one; if `$EQUIAV_FFMPEG` names one that does not run.
    pub fn find(cache: &Path) -> Result<Self, IngestError> {
        if let Some(own) = env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
            let program = PathBuf::from(own);
            return Self::at(&program).map_err(|reason| {
                let shown = program.display();
                IngestError::Ffmpeg(format!("{VARIABLE}={shown}: {reason}; correct or unset it"))
            });
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let on_path = env::split_paths(&path).map(|folder| folder.join("ffmpeg"));
        let mut candidates = on_path.chain([cache.join(FETCHED)]).filter(|path| path.is_file());
        candidates.find_map(|program| Self::at(&program).ok()).ok_or_else(|| {
            IngestError::Ffmpeg(format!(
                "there is no FFmpeg: install it with the system's package manager, fetch a static \
                 one with `cargo xtask ffmpeg`, or set {VARIABLE} to the program"
            ))
        })
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
