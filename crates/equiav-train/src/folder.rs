//! A run's folder: taken by one process at a time, and by one recipe.
//!
//! ```text
//! recipe.toml      the recipe with every override in place
//! environment.json program and machine that began the run
//! checkpoints/     the newest checkpoints
//! metrics.jsonl    one JSON object per step and per measurement
//! events.out.*     the same for TensorBoard
//! lock             held by the process that trains
//! ```

use std::fs::{self, File, Permissions, TryLockError};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use crate::environment;
use crate::recipe::{self, Checked, Sections};

/// The recipe of the run.
pub(crate) const RECIPE: &str = "recipe.toml";
/// How often the lock is tried before it counts as held.
const LOOKS: u32 = 6;
/// The folder of the checkpoints.
pub(crate) const CHECKPOINTS: &str = "checkpoints";

/// Takes the folder `out` for a run of `recipe`; the lock is held as long as the file that is returned.
///
/// A folder without a checkpoint has nothing to lose and takes the new recipe.
///
/// # Errors
///
/// If another process trains in it, or it holds checkpoints of another recipe.
pub(crate) fn open<S: Sections>(recipe: &Checked<S>, out: &Path) -> anyhow::Result<File> {
    fs::create_dir_all(out).with_context(|| format!("making the run folder {}", out.display()))?;
    let lock = lock(out)?;
    let path = out.join(RECIPE);
    let started = out.join(CHECKPOINTS).exists();
    if started && path.exists() {
        ensure_same(recipe, out, &path)?;
    } else {
        write_whole(&path, recipe.to_toml().as_bytes())
            .with_context(|| format!("writing {}", path.display()))?;
    }
    environment::keep(out).with_context(|| format!("writing in {}", out.display()))?;
    Ok(lock)
}

fn lock(out: &Path) -> anyhow::Result<File> {
    let path = out.join("lock");
    let lock = File::create(&path).with_context(|| format!("writing {}", path.display()))?;
    // Who only looks whether a run is alive holds the lock for an instant.
    for _ in 0..LOOKS {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(50)),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("locking {}", path.display()));
            }
        }
    }
    bail!("{} is in use by another run: wait for it, or choose another --out", out.display())
}

fn ensure_same<S: Sections>(recipe: &Checked<S>, out: &Path, path: &Path) -> anyhow::Result<()> {
    let saved = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let keys = recipe::differing_keys(&saved, recipe)
        .with_context(|| format!("in recipe {}", path.display()))?;
    ensure!(
        keys.is_empty(),
        "{} holds a run of another recipe (different: {}): choose another --out, or the same recipe",
        out.display(),
        keys.join(", ")
    );
    Ok(())
}

/// Writes a file as a whole or not at all: what was there stays until all `bytes` are on the disk.
///
/// Who may read it is the user's umask to say, as of any file.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mode = Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new().permissions(mode).tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_file_is_as_readable_as_any() {
        let folder = tempfile::tempdir().expect("a folder");
        let [whole, plain] = ["whole", "plain"].map(|name| folder.path().join(name));
        write_whole(&whole, b"text").expect("written");
        fs::write(&plain, b"text").expect("written");
        let mode = |path| fs::metadata(path).expect("a file").permissions().mode();
        assert_eq!(mode(&whole), mode(&plain));
    }
}
