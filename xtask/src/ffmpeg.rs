//! `ffmpeg`: a static FFmpeg from a wheel in the cache folder, for machines that have none.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::args::Args;
use crate::output::outln;
use crate::process;
use crate::setup::{Options, cache, fetch};
use crate::terminal::note;
use crate::wheels::{self, Wheel};

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
pub(crate) fn command(_: &crate::workspace::Workspace, args: &[String]) -> Result<(), String> {
    let options = parse(args)?;
    outln!("{}", fetched(&options)?.display());
    Ok(())
}

/// Makes sure that there is an FFmpeg, the machine's own or a fetched one.
pub(crate) fn ensure() -> Result<(), String> {
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

fn program() -> Result<PathBuf, String> {
    Ok(cache::folder()?.join(HOME).join(PROGRAM))
}

fn parse(args: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut args = Args::new("ffmpeg", args);
    while let Some(arg) = args.next() {
        match arg {
            "--force" => options.force = true,
            "--index-url" => options.index_url = Some(args.value("--index-url")?.to_owned()),
            other => return Err(args.unknown(other)),
        }
    }
    Ok(options)
}

/// The fetched program, fetched now if it is not there.
fn fetched(options: &Options) -> Result<PathBuf, String> {
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

fn make(cache: &Path, wheel: &Wheel, options: &Options) -> Result<(), String> {
    crate::python::pip()?;
    note(&format!("fetching {}", wheel.requirement));
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
fn take(folder: &Path, program: &Path) -> Result<(), String> {
    let failed = |error| format!("the wheel does not hold what was expected: {error}");
    let mut files = fs::read_dir(folder).map_err(failed)?;
    let file = files.next().ok_or("the wheel holds no FFmpeg")?.map_err(failed)?.path();
    fs::rename(&file, program)
        .and_then(|()| fs::set_permissions(program, fs::Permissions::from_mode(0o755)))
        .map_err(failed)?;
    let shown = program.to_string_lossy();
    match process::first_line(&shown, &["-version"]) {
        Some(line) if line.starts_with("ffmpeg version") => Ok(()),
        _ => Err("FFmpeg was fetched, but this system cannot run it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libtorch::tests::Scratch;

    #[test]
    fn the_program_is_tried_before_it_is_taken() {
        let scratch = Scratch::new("ffmpeg");
        let folder = scratch.0.join("binaries");
        let put = |text: &str| {
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("ffmpeg-linux"), text).unwrap();
        };
        put("#!/bin/sh\necho ffmpeg version n9.0.2\n");
        take(&folder, &scratch.0.join("fine")).unwrap();
        put("#!/bin/sh\necho something else\n");
        assert!(take(&folder, &scratch.0.join("wrong")).unwrap_err().contains("cannot run it"));
        assert!(take(&folder, &scratch.0.join("none")).unwrap_err().contains("no FFmpeg"));
    }

    #[test]
    fn options_are_read() {
        let args = ["--index-url", "https://index.example/simple", "--force"].map(str::to_owned);
        let options = parse(&args).unwrap();
        assert!(options.force && options.index_url.is_some() && !options.cuda);
        assert!(parse(&["--cuda".to_owned()]).is_err());
    }
}
