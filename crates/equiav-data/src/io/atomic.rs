//! Files and folders that are there as a whole or not at all: made beside their place, then renamed.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::DataError;

/// Writes `bytes` beside `path` and renames, so that no reader meets half a file and what was there stays
/// until all is on the disk. Threads and processes may do so at once; the last one is read then. Who may
/// read the file is the user's umask to say, as of any file.
///
/// # Errors
///
/// If the system refuses; what was there stays, and nothing is left beside it.
pub fn atomic_write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, own_name(path), |partial| write_synced(partial, bytes))
}

/// As [`atomic_write`], by a caller that holds a lock: the temporary name is always the same, so that what
/// killed processes leave does not pile up.
///
/// # Errors
///
/// As [`atomic_write`].
pub fn atomic_write_locked(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, beside(path), |partial| write_synced(partial, bytes))
}

/// As [`atomic_write_locked`] of a file that `make` makes at the path that it gets, where nothing is.
///
/// # Errors
///
/// What `make` gives, and as [`atomic_write`].
pub fn atomic_file<E: From<io::Error>>(
    path: &Path,
    make: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let partial = beside(path);
    remove_if_there(&partial)?;
    replace(path, partial, make)
}

/// Makes the folder `target` by `fill`, which gets the empty folder `partial` of the same file system, and has
/// to flush its files. At `target` may be an empty folder, no other.
///
/// What a killed process left at `partial` is removed; the caller sees to it that no other process uses it.
///
/// # Errors
///
/// What `fill` gives, and if the system refuses; `target` is as it was then, and nothing is left at `partial`.
pub fn atomic_dir<E: From<io::Error>>(
    target: &Path,
    partial: PathBuf,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(|error| at(&partial, &error))?;
    }
    fs::create_dir(&partial).map_err(|error| at(&partial, &error))?;
    replace(target, partial, |partial| -> Result<(), E> {
        fill(partial)?;
        Ok(File::open(partial)?.sync_all().map_err(|error| at(partial, &error))?)
    })?;
    Ok(sync_folder(target)?)
}

/// Has `make` make `partial`, which becomes `path`, and goes where something fails or panics.
pub(crate) fn replace<E: From<io::Error>>(
    path: &Path,
    partial: PathBuf,
    make: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let mut partial = Partial { path: partial, renamed: false };
    make(&partial.path)?;
    Ok(partial.rename(path)?)
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// `error` with the path that it is about.
fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// A temporary file or folder that goes when its maker does.
#[derive(Debug)]
pub(crate) struct Partial {
    pub(crate) path: PathBuf,
    pub(crate) renamed: bool,
}

impl Partial {
    pub(crate) fn rename(&mut self, to: &Path) -> io::Result<()> {
        fs::rename(&self.path, to)?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.renamed && fs::remove_file(&self.path).is_err() {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// The temporary file that is to become `path`; one name, so that nothing piles up.
pub(crate) fn beside(path: &Path) -> PathBuf {
    hidden(path, ".partial")
}

/// A temporary file that is to become `path` and that no other thread or process uses.
pub(crate) fn own_name(path: &Path) -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    hidden(path, &format!(".{}-{number}.tmp", process::id()))
}

fn hidden(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(ending);
    path.with_file_name(name)
}

pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the renames in the folder of `file` last.
pub(crate) fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Opens the temporary file at `path`, empty and locked against other processes.
pub(crate) fn open_alone(path: &Path) -> Result<File, DataError> {
    let io = |error| DataError::io(path, error);
    let busy = || DataError::shard(path, "another process is writing this shard; let it end first");
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(io)?;
    file.try_lock().map_err(|error| match error {
        fs::TryLockError::WouldBlock => busy(),
        fs::TryLockError::Error(error) => io(error),
    })?;
    // Between opening and locking, its holder may have given the file its final name.
    let same = fs::metadata(path).and_then(|there| Ok(there.ino() == file.metadata()?.ino()));
    if !same.unwrap_or(false) {
        return Err(busy());
    }
    file.set_len(0).map_err(io)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn names(folder: &Path) -> Vec<OsString> {
        let entries = fs::read_dir(folder).expect("a folder");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("a file").file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_whole_file_is_as_readable_as_any() {
        let folder = tempfile::tempdir().expect("a folder");
        let [whole, locked, plain] = ["a", "b", "c"].map(|name| folder.path().join(name));
        atomic_write(&whole, b"text").expect("written");
        atomic_write_locked(&locked, b"text").expect("written");
        fs::write(&plain, b"text").expect("written");
        let mode = |path| fs::metadata(path).expect("a file").permissions().mode();
        assert_eq!([mode(&whole), mode(&locked)], [mode(&plain); 2]);
        assert_eq!(names(folder.path()), ["a", "b", "c"]);
    }

    #[test]
    fn a_failure_or_a_panic_leaves_what_was_there_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        atomic_write(&file, b"earlier").expect("written");
        let refuse = |partial: &Path| {
            fs::write(partial, b"half")?;
            Err(io::Error::other("no"))
        };
        atomic_file(&file, refuse).expect_err("it is refused");
        let panics = |partial: &Path| -> io::Result<()> {
            fs::write(partial, b"half")?;
            panic!("in the middle")
        };
        catch_unwind(AssertUnwindSafe(|| atomic_file(&file, panics))).expect_err("a panic");
        assert_eq!(fs::read(&file).expect("a file"), b"earlier");
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn a_folder_is_whole_or_absent_whatever_a_killed_process_left() {
        let home = tempfile::tempdir().expect("a folder");
        let (target, partial) = (home.path().join("target"), home.path().join(".partial"));
        fs::create_dir(&partial).expect("a folder");
        fs::write(partial.join("rest"), "half").expect("written");
        let fail = |folder: &Path| {
            fs::write(folder.join("text"), "half")?;
            Err(io::Error::other("no"))
        };
        atomic_dir(&target, partial.clone(), fail).expect_err("it is refused");
        assert!(names(home.path()).is_empty());
        let fill = |folder: &Path| fs::write(folder.join("text"), "whole");
        atomic_dir(&target, partial.clone(), fill).expect("made");
        assert_eq!(names(&target), ["text"]);
        atomic_dir(&target, partial, fill).expect_err("another folder is there");
        assert_eq!(names(home.path()), ["target"]);
    }
}
