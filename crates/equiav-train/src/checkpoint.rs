//! A run's state on disk: written whole or not at all, verified on reading.
//!
//! ```text
//! checkpoints/epoch-0007/model.safetensors       weights, under their published names
//! checkpoints/epoch-0007/optimizer.safetensors   both moments and the step of every parameter
//! checkpoints/epoch-0007/state.json              position, and the checksums of the other two
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use equiav_models::{read_weights, restore, to_safetensors};
use equiav_torch::AdamW;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::network::Network;

const MODEL: &str = "model.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const STATE: &str = "state.json";
/// How the names of folders begin that are not yet whole.
const WRITING: &str = ".writing-";

/// Where a run stands.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Finished epochs.
    pub epoch: u64,
    /// Finished updates.
    pub step: u64,
    /// Clips that could not be read so far, by their ids, with the reasons.
    pub unreadable: BTreeMap<String, String>,
    /// CRC-32C of the other files, by name.
    #[serde(default)]
    checksums: BTreeMap<String, u32>,
}

/// Writes a checkpoint of `state` under `folder` and returns its path.
///
/// Everything goes to a temporary folder first, is flushed to the disk and read back; only then
/// does the folder get its name, so a checkpoint that can be seen is complete.
///
/// # Errors
///
/// If the disk refuses; earlier checkpoints are untouched then.
pub fn save(
    folder: &Path,
    state: &State,
    network: &Network,
    optimizer: &AdamW,
) -> anyhow::Result<PathBuf> {
    let target = folder.join(format!("epoch-{:04}", state.epoch));
    write(folder, &target, state, network, optimizer)
        .with_context(|| format!("saving checkpoint {}", target.display()))?;
    Ok(target)
}

/// Does what [`save`] promises.
fn write(
    folder: &Path,
    target: &Path,
    state: &State,
    network: &Network,
    optimizer: &AdamW,
) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let temporary = tempfile::Builder::new().prefix(WRITING).tempdir_in(folder)?;
    let weights = network.store.variables().into_iter().collect();
    let mut state = state.clone();
    for (name, tensors) in [(MODEL, weights), (OPTIMIZER, optimizer.state())] {
        let bytes = to_safetensors(&tensors)?;
        write_file(&temporary.path().join(name), &bytes)?;
        state.checksums.insert(name.to_owned(), crc32c::crc32c(&bytes));
    }
    write_file(&temporary.path().join(STATE), &serde_json::to_vec_pretty(&state)?)?;
    ensure!(
        verified(temporary.path())? == state,
        "the disk returned other bytes than were written"
    );
    // The same epoch may have been saved by an earlier attempt that was found damaged.
    if target.exists() {
        fs::remove_dir_all(target)?;
    }
    fs::rename(temporary.keep(), target)?;
    File::open(folder)?.sync_all()?;
    Ok(())
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
    let path = folder.join(STATE);
    let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let state: State =
        serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))?;
    ensure!(!state.checksums.is_empty(), "{} lists no files", path.display());
    for (name, expected) in &state.checksums {
        let path = folder.join(name);
        let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        ensure!(crc32c::crc32c(&bytes) == *expected, "{} is damaged", path.display());
    }
    Ok(state)
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

/// Puts the weights of the checkpoint at `path` into `network`.
///
/// # Errors
///
/// If it holds other names or shapes than the network.
pub fn load_weights(path: &Path, network: &Network) -> anyhow::Result<()> {
    let path = path.join(MODEL);
    restore(&network.store, &read_weights(&path)?)
        .with_context(|| format!("checkpoint {}", path.display()))
}

/// Puts the state of the checkpoint at `path` into `optimizer`.
///
/// # Errors
///
/// If it does not fit the optimizer's parameters.
pub fn load_optimizer(path: &Path, optimizer: &mut AdamW) -> anyhow::Result<()> {
    let path = path.join(OPTIMIZER);
    let saved = Tensor::read_safetensors(&path);
    let saved = saved.with_context(|| format!("reading {}", path.display()))?;
    let saved: BTreeMap<String, Tensor> = saved.into_iter().collect();
    optimizer.load_state(&saved).with_context(|| format!("checkpoint {}", path.display()))
}

/// Removes all but the `keep` newest checkpoints, and what a killed writer left.
///
/// # Errors
///
/// If the folder cannot be listed or a removal fails.
pub fn prune(folder: &Path, keep: usize) -> anyhow::Result<()> {
    for old in newest_first(folder)?.iter().skip(keep) {
        fs::remove_dir_all(old).with_context(|| format!("removing {}", old.display()))?;
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
            Some((name.strip_prefix("epoch-")?.parse().ok()?, entry.path()))
        })
        .collect();
    numbered.sort_by(|a, b| b.cmp(a));
    Ok(numbered.into_iter().map(|(_, path)| path).collect())
}
