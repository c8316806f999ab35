//! Files in the making: temporary names, one process at a time, final in one step.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::DataError;

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

/// The temporary file that is to become `path`; one name, so that nothing piles up.
pub(crate) fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.partial"))
}

/// Writes a small file at once: it is there whole or not at all. The caller holds a lock, since all
/// writers of `path` use one temporary name.
///
/// # Errors
///
/// If the system refuses; nothing is left behind then.
pub fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut partial = PartialFile { path: beside(path), renamed: false };
    let mut file = File::create(&partial.path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    partial.rename(path)
}

/// A temporary file that goes when its maker does.
#[derive(Debug)]
pub(crate) struct PartialFile {
    pub(crate) path: PathBuf,
    pub(crate) renamed: bool,
}

impl PartialFile {
    pub(crate) fn rename(&mut self, to: &Path) -> io::Result<()> {
        fs::rename(&self.path, to)?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if !self.renamed {
            let _ = fs::remove_file(&self.path);
        }
    }
}
