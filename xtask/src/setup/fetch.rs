//! libtorch from wheels: fetched by pip, checked by hash, unpacked beside and moved into place when complete.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::Options;
use crate::libtorch::{self, Libtorch};
use crate::machine::{GIGABYTE, free_disk, gigabytes};
use crate::python;
use crate::terminal::{note, warn};
use crate::wheels::{Plan, Wheel};

const UNPACK: &str = include_str!("unpack.py");

/// Written last; names the files and their sizes, so that a thinned-out cache is noticed.
const MARKER: &str = "complete.txt";

/// The libtorch of `plan` in the folder `cache`, fetched if it is not there in full.
pub(crate) fn cached(cache: &Path, plan: &Plan, options: &Options) -> Result<Libtorch, String> {
    let home = cache.join(&plan.name);
    if !options.force
        && let Some(found) = complete(&home)
    {
        return Ok(found);
    }
    make_folder(cache)?;
    let _lock = lock(&cache.join("setup.lock"))?;
    // Another process may have made it while this one waited.
    if !options.force
        && let Some(found) = complete(&home)
    {
        return Ok(found);
    }
    if !options.force
        && let Some(found) = adopt(&home)
    {
        return Ok(found);
    }
    make(cache, plan, options)?;
    complete(&home).ok_or_else(|| format!("{} was made, but is not complete", home.display()))
}

/// The libtorch in `home`, if its marker and all that the marker lists are there.
fn complete(home: &Path) -> Option<Libtorch> {
    let marker = fs::read_to_string(home.join(MARKER)).ok()?;
    let is_there = |line: &str| {
        let (size, path) = line.split_once(' ')?;
        let found = fs::metadata(home.join(path)).ok()?.len();
        (size.parse() == Ok(found)).then_some(())
    };
    let whole = !marker.is_empty() && marker.lines().all(|line| is_there(line).is_some());
    libtorch::inspect(&home.join("torch")).ok().filter(|_| whole)
}

/// Takes over a folder that was put there by hand, where it can be loaded.
fn adopt(home: &Path) -> Option<Libtorch> {
    if home.join(MARKER).exists() {
        return None;
    }
    let found = libtorch::inspect(&home.join("torch")).ok()?;
    python::load(&found.main_library()).ok()?;
    write_marker(home).ok()?;
    note(&format!("found {}", found.describe()));
    Some(found)
}

fn make(cache: &Path, plan: &Plan, options: &Options) -> Result<(), String> {
    python::pip()?;
    room(cache, plan)?;
    if let Some(caution) = plan.caution {
        warn(caution);
    }
    let partial = cache.join(format!("{}.partial", plan.name));
    let tree = partial.join("tree");
    // Whole wheels of an interrupted run are used again, half an unpacked tree is not.
    for folder in [&tree, &partial.join("temporary")] {
        remove(folder)?;
        make_folder(folder)?;
    }
    for wheel in plan.wheels {
        note(&format!("fetching {}", wheel.requirement));
        obtain(&partial, wheel, plan.members, options)?;
    }
    let found = libtorch::inspect(&tree.join("torch"))
        .map_err(|why| format!("the wheels do not hold what was expected: {why}"))?;
    python::load(&found.main_library())
        .map_err(|why| format!("libtorch was fetched, but this system cannot load it: {why}"))?;
    write_marker(&tree)?;
    install(&tree, &cache.join(&plan.name))?;
    remove(&partial)
}

/// Fetches and unpacks one wheel into `partial/tree`; a damaged one left from before is fetched again.
pub(crate) fn obtain(
    partial: &Path,
    wheel: &Wheel,
    members: &[&str],
    options: &Options,
) -> Result<(), String> {
    let file = partial.join("wheels").join(wheel.file);
    let tree = partial.join("tree");
    if file.exists() && unpack(&file, wheel, &tree, members).is_ok() {
        return Ok(());
    }
    fs::remove_file(&file).ok();
    download(partial, wheel, options)?;
    unpack(&file, wheel, &tree, members).inspect_err(|_| drop(fs::remove_file(&file)))
}

fn download(partial: &Path, wheel: &Wheel, options: &Options) -> Result<(), String> {
    let mut command = python::command();
    command.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]);
    command.args(["--disable-pip-version-check", "--python-version", "3.12", "--dest"]);
    command.arg(partial.join("wheels"));
    for platform in wheel.platforms() {
        command.args(["--platform", platform]);
    }
    if let Some(url) = &options.index_url {
        command.args(["--index-url", url]);
    }
    // pip writes half a gigabyte to its temporary folder, which is often a small disk of its own.
    command.arg(wheel.requirement).env("TMPDIR", partial.join("temporary"));
    // Standard output is for results; the progress of pip is not one.
    command.stdout(Stdio::from(io::stderr())).stdin(Stdio::null());
    let status = command.status().map_err(|e| format!("cannot start python3: {e}"))?;
    let wanted = wheel.requirement;
    if !status.success() {
        return Err(format!(
            "pip could not fetch {wanted} (its message is above): check the network, or name a mirror with `--index-url URL`"
        ));
    }
    if !partial.join("wheels").join(wheel.file).is_file() {
        return Err(format!(
            "the package index gave another file for {wanted} than {}: try another one with `--index-url URL`",
            wheel.file
        ));
    }
    Ok(())
}

fn unpack(file: &Path, wheel: &Wheel, tree: &Path, members: &[&str]) -> Result<(), String> {
    let mut command = python::command();
    command.args(["-c", UNPACK]).arg(file).arg(wheel.sha256).arg(tree).args(members);
    let output = command.output().map_err(|e| format!("cannot start python3: {e}"))?;
    match output.status.code() {
        Some(0) => Ok(()),
        Some(3) => Err(format!(
            "{} has SHA-256 {}, expected {}: it was removed; if this happens again, the package index serves another file, so name another one with `--index-url URL`",
            wheel.file,
            String::from_utf8_lossy(&output.stdout).trim(),
            wheel.sha256
        )),
        _ => {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.trim().lines().last().unwrap_or("python3 said nothing");
            Err(format!("cannot unpack {}: {last}", wheel.file))
        }
    }
}

/// An error where the disk cannot hold what is to be made.
fn room(cache: &Path, plan: &Plan) -> Result<(), String> {
    let needed = plan.gigabytes * GIGABYTE;
    match free_disk(cache) {
        Some(free) if free < needed => Err(format!(
            "{} has {} free, libtorch needs {} while it is unpacked: free some, or set EQUIAV_CACHE to a folder on a larger disk",
            cache.display(),
            gigabytes(free),
            gigabytes(needed)
        )),
        _ => Ok(()),
    }
}

/// Puts `tree` in the place of `home`.
pub(crate) fn install(tree: &Path, home: &Path) -> Result<(), String> {
    let mut aside = home.as_os_str().to_owned();
    aside.push(".old");
    let aside = PathBuf::from(aside);
    remove(&aside)?;
    let moved = if home.exists() { fs::rename(home, &aside) } else { Ok(()) };
    moved
        .and_then(|()| fs::rename(tree, home))
        .map_err(|e| format!("cannot move what was fetched to {}: {e}", home.display()))?;
    remove(&aside)
}

/// Lists the shared libraries under `home` with their sizes.
fn write_marker(home: &Path) -> Result<(), String> {
    let failed = |e: io::Error| format!("cannot complete {}: {e}", home.display());
    let mut lines = Vec::new();
    for folder in library_folders(home).map_err(failed)? {
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let size = fs::metadata(&path).map_err(failed)?.len();
            let name = path.strip_prefix(home).unwrap_or(&path).display().to_string();
            if path.is_file() {
                lines.push(format!("{size} {name}\n"));
            }
        }
    }
    lines.sort();
    fs::write(home.join(MARKER), lines.concat()).map_err(failed)
}

/// `torch/lib` and every `nvidia/*/lib`.
fn library_folders(home: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = vec![home.join("torch/lib")];
    if home.join("nvidia").is_dir() {
        for entry in fs::read_dir(home.join("nvidia"))? {
            folders.push(entry?.path().join("lib"));
        }
    }
    folders.retain(|folder| folder.is_dir());
    Ok(folders)
}

/// Keeps a second set-up out of the cache until the file is dropped.
pub(crate) fn lock(path: &Path) -> Result<File, String> {
    let failed = |e: io::Error| format!("cannot lock {}: {e}", path.display());
    let file = File::create(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            note("another set-up is at work, waiting for it");
            file.lock().map_err(failed)?;
        }
        Err(TryLockError::Error(e)) => warn(&format!("{}: do not start two at once", failed(e))),
    }
    Ok(file)
}

pub(crate) fn make_folder(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|e| {
        let shown = folder.display();
        format!("cannot make {shown}: {e}; set EQUIAV_CACHE to a folder that can be written to")
    })
}

pub(crate) fn remove(folder: &Path) -> Result<(), String> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {e}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libtorch::tests::{Scratch, imitate};

    #[test]
    fn a_folder_is_complete_only_with_its_marker_and_all_files() {
        let scratch = Scratch::new("complete");
        imitate(&scratch.0.join("torch"), libtorch::VERSION);
        assert!(complete(&scratch.0).is_none(), "there is no marker");
        write_marker(&scratch.0).unwrap();
        assert!(complete(&scratch.0).is_some());
        let library = fs::read_dir(scratch.0.join("torch/lib")).unwrap().next().unwrap().unwrap();
        fs::write(library.path(), "longer").unwrap();
        assert!(complete(&scratch.0).is_none(), "a size differs");
    }

    #[test]
    fn a_new_tree_takes_the_place_of_an_old_one() {
        let scratch = Scratch::new("install");
        let (tree, home) = (scratch.0.join("tree"), scratch.0.join("home-1"));
        for (folder, text) in [(&tree, "new"), (&home, "old")] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("file"), text).unwrap();
        }
        install(&tree, &home).unwrap();
        assert_eq!(fs::read_to_string(home.join("file")).unwrap(), "new");
        assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn too_small_a_disk_is_refused_before_anything_is_fetched() {
        let scratch = Scratch::new("room");
        let mut plan = crate::wheels::plan("linux", "x86_64", false).unwrap();
        plan.gigabytes = 1 << 30;
        let message = room(&scratch.0, &plan).unwrap_err();
        assert!(message.contains("free") && message.contains("EQUIAV_CACHE"), "{message}");
    }

    #[test]
    fn a_wheel_with_another_hash_is_not_unpacked() {
        let scratch = Scratch::new("hash");
        let file = scratch.0.join("x.whl");
        fs::write(&file, "abc").unwrap();
        let sha256 = "0000000000000000000000000000000000000000000000000000000000000000";
        let wheel = Wheel { requirement: "x==1", file: "x.whl", sha256 };
        let message = unpack(&file, &wheel, &scratch.0.join("tree"), &["*"]).unwrap_err();
        // The SHA-256 of "abc", from FIPS 180-4.
        assert!(message.contains("ba7816bf8f01cfea414140de5dae2223"), "{message}");
        assert!(!scratch.0.join("tree").exists());
    }
}
