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

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use equiav_data::atomic_write;

use crate::recipe::{self, Checked, Sections};
use crate::run_dir::environment;

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
/// If another process trains in it, or it holds checkpoints of another recipe or jpg decoder.
pub(crate) fn open<S: Sections>(recipe: &Checked<S>, out: &Path) -> anyhow::Result<File> {
    fs::create_dir_all(out).with_context(|| format!("making the run folder {}", out.display()))?;
    let lock = lock(out)?;
    let path = out.join(RECIPE);
    let started = out.join(CHECKPOINTS).exists();
    let noted = if started && path.exists() {
        ensure_same(recipe, out, &path)?;
        environment::ensure_same_decoder(out)?;
        environment::keep(out)
    } else {
        atomic_write(&path, recipe.to_toml().as_bytes())
            .with_context(|| format!("writing {}", path.display()))?;
        environment::begin(out)
    };
    noted.with_context(|| format!("writing in {}", out.display()))?;
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
