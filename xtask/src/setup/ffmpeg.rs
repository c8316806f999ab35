//! `ffmpeg`: a static FFmpeg from a wheel in the cache folder, for machines that have none.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::wheels::{self, Wheel};
use super::{Options, cache, fetch, python};
use crate::args::Args;
use crate::output::{note, outln};
use crate::process;
use crate::workspace::Workspace;

pub(crate) const HELP: &str = "\
usage: cargo xtask ffmpeg [--index-url URL] [--force]

Fetches a static FFmpeg 9.0.2 (a wheel of 68 MB, pinned by SHA-256) into the cache folder that
`cargo xtask help setup` names, where `equiav data ingest` and `scan` find it when there is no
other. `cargo xtask test` calls it unless $EQUIAV_FFMPEG is set or an FFmpeg is on the path.
It is a build under the GPL, run as a program of its own: do not pass it on with ours.

options:
  --index-url URL  passed on to pip
  --force          fetch again, whatever is there
";

/// The folder below the cache folder, and the program in it; `equiav-ingest` looks there.
const HOME: &str = "ffmpeg-9.0.2";
const PROGRAM: &str = "ffmpeg";
/// Where the wheel has it, up to a name that differs by system.
const BINARIES: &str = "imageio_ffmpeg/binaries";

/// `cargo xtask ffmpeg`.
pub(crate) fn command(_: &Workspace, args: &[String]) -> Result<()> {
    outln!("{}", fetched(&Options::parse(Args::new("ffmpeg", args))?)?.display());
    Ok(())
}

/// Makes sure that there is an FFmpeg, the machine's own or a fetched one.
pub(crate) fn ensure() -> Result<()> {
    if find().is_some() {
        return Ok(());
    }
    fetched(&Options::default()).map(drop)
}

/// The FFmpeg that `equiav` would use: its version line, and where it is.
pub(crate) fn find() -> Option<String> {
    let version = |program: PathBuf| {
        let line = process::first_line(program.to_str()?, &["-version"])?;
        let version = line.split(" Copyright").next().unwrap_or_default().trim().to_owned();
        version.starts_with("ffmpeg").then(|| format!("{version} ({})", program.display()))
    };
    // As `equiav` does: one that is named and does not run is no reason to look on.
    if let Some(own) = std::env::var_os("EQUIAV_FFMPEG").filter(|program| !program.is_empty()) {
        return version(own.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("ffmpeg"));
    on_path.chain(program()).filter(|program| program.is_file()).find_map(version)
}

fn program() -> Result<PathBuf> {
    Ok(cache::folder()?.join(HOME).join(PROGRAM))
}

/// The fetched program, fetched now if it is not there.
fn fetched(options: &Options) -> Result<PathBuf> {
    let program = program()?;
    let cache = cache::folder()?;
    fetch::make_folder(&cache)?;
    let _lock = fetch::lock(&cache.join("ffmpeg.lock"))?;
    if options.force || !program.is_file() {
        let wheel = wheels::ffmpeg(std::env::consts::OS, std::env::consts::ARCH)?;
        make(&cache, &wheel, options)?;
    }
    Ok(program)
}

fn make(cache: &Path, wheel: &Wheel, options: &Options) -> Result<()> {
    python::pip()?;
    note(&format!("fetching {}", wheel.requirement()));
    let partial = cache.join(format!("{HOME}.partial"));
    for folder in ["tree", "temporary"].map(|name| partial.join(name)) {
        fetch::remove(&folder)?;
        fetch::make_folder(&folder)?;
    }
    fetch::obtain(&partial, wheel, &[&format!("{BINARIES}/ffmpeg-*")], options)?;
    let home = partial.join("home");
    fetch::remove(&home)?;
    fetch::make_folder(&home)?;
    take(&partial.join("tree").join(BINARIES), &home.join(PROGRAM))?;
    fetch::install(&home, &cache.join(HOME))?;
    fetch::remove(&partial)
}

/// Moves the one file of `folder` to `program`, and tries it out.
fn take(folder: &Path, program: &Path) -> Result<()> {
    let file = fs::read_dir(folder).ok().and_then(|mut files| files.next());
    let file = file.context("the wheel holds no FFmpeg")??.path();
    fs::rename(&file, program)
        .and_then(|()| fs::set_permissions(program, fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("cannot move FFmpeg to {}", program.display()))?;
    let line = process::first_line(&program.to_string_lossy(), &["-version"]);
    let runs = line.is_some_and(|line| line.starts_with("ffmpeg version"));
    ensure!(runs, "FFmpeg was fetched, but this system cannot run it");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_tried_before_it_is_taken() {
        let scratch = tempfile::tempdir().unwrap();
        let take = |text: Option<&str>| {
            let folder = scratch.path().join("binaries");
            fs::create_dir_all(&folder).unwrap();
            if let Some(text) = text {
                fs::write(folder.join("ffmpeg-linux"), text).unwrap();
            }
            take(&folder, &scratch.path().join("ffmpeg")).map_err(|error| error.to_string())
        };
        assert_eq!(take(Some("#!/bin/sh\necho ffmpeg version n9.0.2\n")), Ok(()));
        let error = take(Some("#!/bin/sh\necho something else\n")).unwrap_err();
        assert!(error.contains("cannot run it"), "{error}");
        assert!(take(None).unwrap_err().contains("no FFmpeg"));
    }
}
