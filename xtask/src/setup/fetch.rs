//! libtorch from wheels: fetched by pip, checked by hash, unpacked beside and moved into place when complete.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use super::libtorch::{self, Libtorch};
use super::machine::{GIGABYTE, free_disk, gigabytes};
use super::wheels::{Plan, Wheel};
use super::{Options, python};
use crate::output::{note, warn};

const UNPACK: &str = include_str!("unpack.py");

/// Written last; names the files and their sizes, so that a thinned-out cache is noticed.
const MARKER: &str = "complete.txt";

/// The libtorch of `plan` in the folder `cache`, fetched if it is not there in full.
pub(super) fn cached(cache: &Path, plan: &Plan, options: &Options) -> Result<Libtorch> {
    let home = cache.join(&plan.name);
    let usable = || complete(&home).filter(|_| !options.force);
    if let Some(found) = usable() {
        return Ok(found);
    }
    make_folder(cache)?;
    let _lock = lock(&cache.join("setup.lock"))?;
    // Another process may have made it while this one waited.
    if let Some(found) = usable() {
        return Ok(found);
    }
    if let Some(found) = adopt(&home).filter(|_| !options.force) {
        return Ok(found);
    }
    make(cache, plan, options)?;
    complete(&home).with_context(|| format!("{} was made, but is not complete", home.display()))
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

fn make(cache: &Path, plan: &Plan, options: &Options) -> Result<()> {
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
    for wheel in &plan.wheels {
        note(&format!("fetching {}", wheel.requirement()));
        obtain(&partial, wheel, plan.members, options)?;
    }
    let found = libtorch::inspect(&tree.join("torch"))
        .context("the wheels do not hold what was expected")?;
    python::load(&found.main_library())
        .context("libtorch was fetched, but this system cannot load it")?;
    write_marker(&tree)?;
    install(&tree, &cache.join(&plan.name))?;
    remove(&partial)
}

/// Fetches and unpacks one wheel into `partial/tree`; a damaged one left from before is fetched again.
pub(super) fn obtain(
    partial: &Path,
    wheel: &Wheel,
    members: &[&str],
    options: &Options,
) -> Result<()> {
    let file = partial.join("wheels").join(wheel.file);
    let tree = partial.join("tree");
    if file.exists() && unpack(&file, wheel, &tree, members).is_ok() {
        return Ok(());
    }
    fs::remove_file(&file).ok();
    download(partial, wheel, options)?;
    unpack(&file, wheel, &tree, members).inspect_err(|_| drop(fs::remove_file(&file)))
}

fn download(partial: &Path, wheel: &Wheel, options: &Options) -> Result<()> {
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
    let wanted = wheel.requirement();
    // pip writes half a gigabyte to its temporary folder, which is often a small disk of its own.
    command.arg(&wanted).env("TMPDIR", partial.join("temporary"));
    // Standard output is for results; the progress of pip is not one.
    command.stdout(Stdio::from(io::stderr())).stdin(Stdio::null());
    ensure!(
        command.status().context("cannot start python3")?.success(),
        "pip could not fetch {wanted} (its message is above): check the network, or name a mirror with `--index-url URL`"
    );
    ensure!(
        partial.join("wheels").join(wheel.file).is_file(),
        "the package index gave another file for {wanted} than {}: try another one with `--index-url URL`",
        wheel.file
    );
    Ok(())
}

fn unpack(file: &Path, wheel: &Wheel, tree: &Path, members: &[&str]) -> Result<()> {
    let mut command = python::command();
    command.args(["-c", UNPACK]).arg(file).arg(wheel.sha256).arg(tree).args(members);
    let output = command.output().context("cannot start python3")?;
    match output.status.code() {
        Some(0) => Ok(()),
        Some(3) => bail!(
            "{} has SHA-256 {}, expected {}: it was removed; if this happens again, the package index serves another file, so name another one with `--index-url URL`",
            wheel.file,
            String::from_utf8_lossy(&output.stdout).trim(),
            wheel.sha256
        ),
        _ => {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.trim().lines().last().unwrap_or("python3 said nothing");
            bail!("cannot unpack {}: {last}", wheel.file)
        }
    }
}

/// An error where the disk cannot hold what is to be made.
fn room(cache: &Path, plan: &Plan) -> Result<()> {
    let needed = plan.gigabytes * GIGABYTE;
    match free_disk(cache) {
        Some(free) if free < needed => bail!(
            "{} has {} free, libtorch needs {} while it is unpacked: free some, or set EQUIAV_CACHE to a folder on a larger disk",
            cache.display(),
            gigabytes(free),
            gigabytes(needed)
        ),
        _ => Ok(()),
    }
}

/// Puts `tree` in the place of `home`.
pub(super) fn install(tree: &Path, home: &Path) -> Result<()> {
    let mut aside = home.as_os_str().to_owned();
    aside.push(".old");
    let aside = PathBuf::from(aside);
    remove(&aside)?;
    let moved = if home.exists() { fs::rename(home, &aside) } else { Ok(()) };
    moved
        .and_then(|()| fs::rename(tree, home))
        .with_context(|| format!("cannot move what was fetched to {}", home.display()))?;
    remove(&aside)
}

/// Lists the shared libraries under `home`, in `torch/lib` and every `nvidia/*/lib`, with their sizes.
fn write_marker(home: &Path) -> Result<()> {
    let packages = fs::read_dir(home.join("nvidia")).into_iter().flatten();
    let packages = packages.map(|entry| Ok(entry?.path().join("lib")));
    let folders: io::Result<Vec<_>> = packages.chain([Ok(home.join("torch/lib"))]).collect();
    let list = |folders: Vec<PathBuf>| -> io::Result<Vec<String>> {
        let mut lines = Vec::new();
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                let (size, name) = (fs::metadata(&path)?.len(), path.strip_prefix(home));
                if path.is_file() {
                    lines.push(format!("{size} {}\n", name.unwrap_or(&path).display()));
                }
            }
        }
        lines.sort();
        Ok(lines)
    };
    let wrote =
        folders.and_then(list).and_then(|lines| fs::write(home.join(MARKER), lines.concat()));
    wrote.with_context(|| format!("cannot complete {}", home.display()))
}

/// Keeps a second set-up out of the cache until the file is dropped.
pub(super) fn lock(path: &Path) -> Result<File> {
    let failed = || format!("cannot lock {}", path.display());
    let file = File::create(path).with_context(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            note("another set-up is at work, waiting for it");
            file.lock().with_context(failed)?;
        }
        Err(TryLockError::Error(e)) => {
            warn(&format!("{}: {e}: do not start two at once", failed()))
        }
    }
    Ok(file)
}

pub(super) fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| {
        let shown = folder.display();
        anyhow!("cannot make {shown}: {e}; set EQUIAV_CACHE to a folder that can be written to")
    })
}

pub(super) fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::libtorch::tests::imitate;
    use super::*;
    use tempfile::tempdir;

    #[test]
    fn a_folder_is_complete_only_with_its_marker_and_all_files() {
        let scratch = tempdir().unwrap();
        imitate(&scratch.path().join("torch"), libtorch::VERSION);
        assert!(complete(scratch.path()).is_none(), "there is no marker");
        write_marker(scratch.path()).unwrap();
        assert!(complete(scratch.path()).is_some());
        let library =
            fs::read_dir(scratch.path().join("torch/lib")).unwrap().next().unwrap().unwrap();
        fs::write(library.path(), "longer").unwrap();
        assert!(complete(scratch.path()).is_none(), "a size differs");
    }

    #[test]
    fn a_new_tree_takes_the_place_of_an_old_one() {
        let scratch = tempdir().unwrap();
        let (tree, home) = (scratch.path().join("tree"), scratch.path().join("home-1"));
        for (folder, text) in [(&tree, "new"), (&home, "old")] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("file"), text).unwrap();
        }
        install(&tree, &home).unwrap();
        assert_eq!(fs::read_to_string(home.join("file")).unwrap(), "new");
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn too_small_a_disk_is_refused_before_anything_is_fetched() {
        let scratch = tempdir().unwrap();
        let mut plan = super::super::wheels::plan("linux", "x86_64", false).unwrap();
        plan.gigabytes = 1 << 30;
        let message = room(scratch.path(), &plan).unwrap_err().to_string();
        assert!(message.contains("free") && message.contains("EQUIAV_CACHE"), "{message}");
    }

    #[test]
    fn a_wheel_with_another_hash_is_not_unpacked() {
        let scratch = tempdir().unwrap();
        let file = scratch.path().join("x.whl");
        fs::write(&file, "abc").unwrap();
        let sha256 = "0000000000000000000000000000000000000000000000000000000000000000";
        let wheel = Wheel { file: "x.whl", sha256 };
        let message =
            unpack(&file, &wheel, &scratch.path().join("tree"), &["*"]).unwrap_err().to_string();
        // The SHA-256 of "abc", from FIPS 180-4.
        assert!(message.contains("ba7816bf8f01cfea414140de5dae2223"), "{message}");
        assert!(!scratch.path().join("tree").exists());
    }
}
