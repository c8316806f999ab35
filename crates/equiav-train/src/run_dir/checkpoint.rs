//! A run's state on disk: written whole or not at all, verified on reading.
//!
//! ```text
//! checkpoints/step-000000930/model.safetensors       weights, under their published names
//! checkpoints/step-000000930/optimizer.safetensors   both moments and the step of every parameter
//! checkpoints/step-000000930/scaler.safetensors      the loss scale, with precision = "fp16"
//! checkpoints/step-000000930/average.safetensors     EMA of the weights, with optimizer.average
//! checkpoints/step-000000930/method.safetensors      what a method carries along, such as queues
//! checkpoints/step-000000930/state.json              position, counters, the best measurement
//! checkpoints/step-000000930/checksums.json          of all the others
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use equiav_data::atomic_dir;
use equiav_models::{read_weights, restore, to_safetensors};
use tch::{Tensor, nn};

use crate::run_dir::State;

/// The weights.
pub const MODEL: &str = "model.safetensors";
/// Both moments and the step of every parameter.
pub(crate) const OPTIMIZER: &str = "optimizer.safetensors";
/// The loss scale.
pub(crate) const SCALER: &str = "scaler.safetensors";
/// The EMA of the weights.
pub(crate) const EMA: &str = "average.safetensors";
/// What the method carries along beside its weights.
pub(crate) const METHOD: &str = "method.safetensors";
const STATE: &str = "state.json";
const CHECKSUMS: &str = "checksums.json";
/// How the names of folders begin that are not yet whole.
const WRITING: &str = ".writing-";

/// The files of a checkpoint that hold tensors: these, by their names, under the file's.
pub type Files = BTreeMap<&'static str, BTreeMap<String, Tensor>>;

/// Writes a checkpoint under `folder` and returns its path.
///
/// Everything goes to a temporary folder first, is flushed to the disk and read back; only then
/// does the folder get its name, so a checkpoint that can be seen is complete. One of this very state
/// that is there already is left as it is.
///
/// # Errors
///
/// If the disk refuses; earlier checkpoints are untouched then.
pub fn save(folder: &Path, state: &State, files: &Files) -> anyhow::Result<PathBuf> {
    let target = path(folder, state.step);
    if !verified(&target).is_ok_and(|found| found == *state) {
        write(folder, &target, state, files)
            .with_context(|| format!("saving checkpoint {}", target.display()))?;
    }
    Ok(target)
}

/// Where the checkpoint after `step` steps lies under `folder`.
pub fn path(folder: &Path, step: u64) -> PathBuf {
    folder.join(name(step))
}

/// The name of the checkpoint after `step` steps.
pub(crate) fn name(step: u64) -> String {
    format!("step-{step:09}")
}

/// Does what [`save`] promises.
fn write(folder: &Path, target: &Path, state: &State, files: &Files) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let partial = folder.join(format!("{WRITING}{}", name(state.step)));
    atomic_dir(target, partial, |partial| {
        write_files(partial, state, files)?;
        let intact = verified(partial)? == *state;
        ensure!(intact, "the disk returned other bytes than were written");
        // The same step may have been saved by an earlier attempt that was found damaged.
        if target.exists() {
            fs::remove_dir_all(target)?;
        }
        Ok(())
    })
}

/// Writes the files of a checkpoint, and their checksums, to `folder`.
fn write_files(folder: &Path, state: &State, files: &Files) -> anyhow::Result<()> {
    let mut checksums = BTreeMap::new();
    let mut put = |name: &str, bytes: &[u8]| {
        checksums.insert(name.to_owned(), crc32c::crc32c(bytes));
        write_file(&folder.join(name), bytes)
    };
    for (name, tensors) in files {
        put(name, &to_safetensors(tensors)?)?;
    }
    put(STATE, &serde_json::to_vec_pretty(state)?)?;
    write_file(&folder.join(CHECKSUMS), &serde_json::to_vec_pretty(&checksums)?)
}

/// Writes `bytes` to `path`, flushed to the disk.
fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(())
}

/// The state of the checkpoint in `folder`, after checking every file of it.
///
/// # Errors
///
/// If a file is missing or damaged; the message names it.
pub fn verified(folder: &Path) -> anyhow::Result<State> {
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read(&path).with_context(|| format!("reading {}", path.display()))
    };
    let damaged = |name: &str| format!("{} is damaged", folder.join(name).display());
    let checksums: BTreeMap<String, u32> =
        serde_json::from_slice(&read(CHECKSUMS)?).with_context(|| damaged(CHECKSUMS))?;
    ensure!(checksums.contains_key(STATE), damaged(CHECKSUMS));
    for (name, expected) in &checksums {
        ensure!(crc32c::crc32c(&read(name)?) == *expected, damaged(name));
    }
    serde_json::from_slice(&read(STATE)?).with_context(|| damaged(STATE))
}

/// The newest whole checkpoint under `folder`, if there is any; each damaged newer one is told to `warn`.
///
/// # Errors
///
/// If the folder cannot be listed, or holds checkpoints of which none is whole.
pub fn latest(
    folder: &Path,
    warn: &mut dyn FnMut(String),
) -> anyhow::Result<Option<(PathBuf, State)>> {
    let mut damaged = 0;
    for path in newest_first(folder)? {
        match verified(&path) {
            Ok(state) => return Ok(Some((path, state))),
            Err(error) => {
                damaged += 1;
                warn(format!("skipping checkpoint: {error:#}"));
            }
        }
    }
    if damaged > 0 {
        bail!(
            "all {damaged} checkpoints in {} are damaged: restore one, or choose another --out",
            folder.display()
        );
    }
    Ok(None)
}

/// The tensors in `file` of the checkpoint at `path`.
///
/// # Errors
///
/// If it has no such file, or the file holds no tensors.
pub fn tensors(path: &Path, file: &str) -> anyhow::Result<BTreeMap<String, Tensor>> {
    let path = path.join(file);
    let read = Tensor::read_safetensors(&path);
    let read = read.with_context(|| format!("reading {}", path.display()))?;
    Ok(read.into_iter().collect())
}

/// What the names of variables begin with that a method trains beside the network which embeds: decoders, classifiers.
pub const METHOD_ONLY: &str = "method.";

/// Puts those weights of the checkpoint at `path` into `store` that are to be used: their EMA where there is one. What
/// only a method needs is left behind, see [`METHOD_ONLY`].
///
/// # Errors
///
/// If they have other names or shapes than the variables of `store`.
pub fn load_for_use(path: &Path, store: &nn::VarStore) -> anyhow::Result<()> {
    let weights = read_weights(&weights_for_use(path))?.without(METHOD_ONLY);
    restore(store, &weights).with_context(|| format!("checkpoint {}", path.display()))
}

/// The file of the checkpoint at `path` that holds the weights to be used.
pub(crate) fn weights_for_use(path: &Path) -> PathBuf {
    let file = if path.join(EMA).exists() { EMA } else { MODEL };
    path.join(file)
}

/// Removes all but the `keep` newest checkpoints and the one after `best` steps, and what a killed
/// writer left.
///
/// # Errors
///
/// If the folder cannot be listed or a removal fails.
pub fn prune(folder: &Path, keep: usize, best: Option<u64>) -> anyhow::Result<()> {
    let best = best.map(|step| folder.join(name(step)));
    for old in newest_first(folder)?.into_iter().skip(keep) {
        if Some(&old) != best.as_ref() {
            fs::remove_dir_all(&old).with_context(|| format!("removing {}", old.display()))?;
        }
    }
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(WRITING) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// The checkpoints under `folder`, the newest first; none where the folder is not there.
fn newest_first(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut numbered: Vec<(u64, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            Some((name.strip_prefix("step-")?.parse().ok()?, entry.path()))
        })
        .collect();
    numbered.sort_by(|a, b| b.cmp(a));
    Ok(numbered.into_iter().map(|(_, path)| path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_flipped_bit_in_any_file_is_noticed_and_an_earlier_checkpoint_serves() {
        let folder = tempfile::tempdir().expect("a folder");
        let tensors = |value: f32| {
            let named = BTreeMap::from([("w".to_owned(), Tensor::from_slice(&[value; 5]))]);
            Files::from([(MODEL, named)])
        };
        let at = |step| State { step, ..State::default() };
        let first = save(folder.path(), &at(3), &tensors(1.0)).expect("a checkpoint");
        let second = save(folder.path(), &at(5), &tensors(2.0)).expect("a checkpoint");
        let newest =
            || latest(folder.path(), &mut |_| ()).expect("one is whole").expect("there is one");
        for name in [MODEL, STATE, CHECKSUMS] {
            let path = second.join(name);
            let whole = fs::read(&path).expect("a file");
            for place in 0..whole.len() {
                let mut bytes = whole.clone();
                bytes[place] ^= 1;
                fs::write(&path, &bytes).expect("a damaged file");
                let error = format!("{:#}", verified(&second).expect_err("damaged"));
                assert!(error.contains("step-000000005"), "{name}, byte {place}: {error}");
            }
            assert_eq!(newest(), (first.clone(), at(3)), "{name} is damaged");
            fs::write(&path, &whole).expect("the file");
        }
        assert_eq!(newest(), (second.clone(), at(5)));
        fs::remove_file(second.join(MODEL)).expect("a file less");
        assert_eq!(newest(), (first, at(3)));
    }

    #[test]
    fn the_newest_and_the_best_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        for step in 1..=5 {
            let state = State { step, ..State::default() };
            save(folder.path(), &state, &Files::new()).expect("a checkpoint");
        }
        fs::create_dir(folder.path().join(".writing-left")).expect("what a killed writer left");
        prune(folder.path(), 2, Some(1)).expect("removals");
        let kept: Vec<String> = fs::read_dir(folder.path())
            .expect("the folder")
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        assert_eq!(kept.len(), 3, "{kept:?}");
        assert!([1, 4, 5].iter().all(|step| kept.contains(&name(*step))), "{kept:?}");
    }
}
