//! Agreement with dumps of the published implementation, item by item.
//!
//! A dump is a folder in the format of `fixtures/README.md`; [`check`] recognizes what a folder holds by
//! the description in it, recomputes everything with this workspace's own code, and reports the largest
//! deviation of every item beside its tolerance.

mod checkpoints;
mod fbank;
mod image_ops;
mod metrics;
mod model;
mod spectrogram_ops;
mod tensors;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tch::Device;

/// One compared quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What was compared, for example `crop0 (largest level)`.
    pub name: String,
    /// How far ours is from theirs; not a number when ours is not finite.
    pub deviation: f64,
    /// The largest deviation that counts as agreement.
    pub tolerance: f64,
}

impl Item {
    /// An item called `name` that deviates by `deviation` where `tolerance` is allowed.
    pub fn new(name: impl Into<String>, deviation: f64, tolerance: f64) -> Self {
        Self { name: name.into(), deviation, tolerance }
    }

    /// Whether the deviation is within the tolerance; a deviation that is no number never is.
    pub fn agrees(&self) -> bool {
        self.deviation <= self.tolerance
    }
}

/// All items of one folder.
#[derive(Clone, Debug)]
pub struct Report {
    /// The folder that was read.
    pub folder: PathBuf,
    /// Every compared quantity, in the order of the description.
    pub items: Vec<Item>,
}

impl Report {
    /// Whether every item agrees.
    pub fn agrees(&self) -> bool {
        self.items.iter().all(Item::agrees)
    }
}

/// How one kind of dump is compared; what is no network computes on the processor.
type Check = fn(&Path, Device) -> anyhow::Result<Vec<Item>>;

/// The kinds of dump: the file that marks one, and what compares it.
const KINDS: [(&str, Check); 6] = [
    ("fbank.json", |folder, _| fbank::check(folder)),
    ("spectrogram_ops.json", |folder, _| spectrogram_ops::check(folder)),
    ("image_ops.json", |folder, _| image_ops::check(folder)),
    ("metrics.json", |folder, _| metrics::check(folder)),
    ("trajectory.json", model::check),
    ("expected.safetensors", |folder, _| checkpoints::check(folder)),
];

/// Compares `folder`, or each of its sub-folders when it is not itself a dump, on the processor.
///
/// # Errors
///
/// If neither it nor any sub-folder is a dump, or a file of a dump cannot be read.
pub fn check(folder: &Path) -> anyhow::Result<Vec<Report>> {
    check_on(folder, Device::Cpu)
}

/// As [`check`], with networks on `device`.
///
/// # Errors
///
/// As [`check`].
pub fn check_on(folder: &Path, device: Device) -> anyhow::Result<Vec<Report>> {
    if let Some(report) = check_one(folder, device)? {
        return Ok(vec![report]);
    }
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    let mut reports = Vec::new();
    for inner in folders.iter().filter(|path| path.is_dir()) {
        reports.extend(check_one(inner, device)?);
    }
    if reports.is_empty() {
        let names = KINDS.map(|(name, _)| name).join(", ");
        bail!("{} holds no dump: expected one of {names} in it", folder.display());
    }
    Ok(reports)
}

/// Compares `folder` if it is a dump.
fn check_one(folder: &Path, device: Device) -> anyhow::Result<Option<Report>> {
    let Some((_, check)) = KINDS.iter().find(|(marker, _)| folder.join(marker).is_file()) else {
        return Ok(None);
    };
    let items = check(folder, device).with_context(|| format!("comparing {}", folder.display()))?;
    anyhow::ensure!(!items.is_empty(), "{} describes nothing to compare", folder.display());
    Ok(Some(Report { folder: folder.to_owned(), items }))
}
