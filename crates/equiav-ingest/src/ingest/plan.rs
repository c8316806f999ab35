//! Which file goes to which shard, and whether a folder of shards is that of this plan.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::ops::Range;
use std::path::Path;

use equiav_data::ffmpeg::Ffmpeg;

use equiav_data::{atomic_write_locked, content_key, is_fault_of_machine};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{IngestError, IngestSettings, SourceFile, SourceKind};

/// Holds what the shards beside it are made of.
const PLAN: &str = "ingest.json";
/// Keeps a second process out.
const LOCK: &str = ".ingest.lock";
/// The version of the plan; another one cuts or names clips differently.
const VERSION: u32 = 2;

/// The files of each shard, as ranges of the sorted list.
///
/// A pure function of the list (names and sizes) and the settings: no thread and no restart changes
/// it, and no file need be opened for it.
pub(crate) fn groups(sources: &[SourceFile], settings: &IngestSettings) -> Vec<Range<usize>> {
    let most_bytes = settings.input_mb_per_shard.saturating_mul(1_000_000);
    let mut groups = Vec::new();
    let (mut start, mut bytes) = (0, 0u64);
    for (position, source) in sources.iter().enumerate() {
        bytes = bytes.saturating_add(source.bytes);
        let end = position + 1;
        if end - start >= settings.files_per_shard || bytes >= most_bytes || end == sources.len() {
            groups.push(start..end);
            (start, bytes) = (end, 0);
        }
    }
    groups
}

/// For each file the position of the first one with the same bytes, where that is another.
///
/// Only files of equal size are read. One that cannot be is no duplicate; what is wrong with it
/// turns up later.
///
/// # Errors
///
/// If the machine cannot read: that lies in no file.
pub(crate) fn duplicates(sources: &[SourceFile]) -> Result<Vec<Option<usize>>, IngestError> {
    let is_medium =
        |source: &SourceFile| matches!(source.kind, SourceKind::Video | SourceKind::Pair { .. });
    let mut sizes: HashMap<u64, usize> = HashMap::new();
    for source in sources.iter().filter(|source| is_medium(source)) {
        *sizes.entry(source.bytes).or_default() += 1;
    }
    let mut first = HashMap::new();
    let mut original = |position: usize, source: &SourceFile| {
        let alone = sizes.get(&source.bytes).is_none_or(|count| *count < 2);
        if alone || !is_medium(source) || source.bytes == 0 {
            return Ok(None);
        }
        let Some(picture) = key(&source.path)? else { return Ok(None) };
        let sound = match &source.kind {
            SourceKind::Pair { sound, .. } => match key(sound)? {
                Some(sound) => Some(sound),
                None => return Ok(None),
            },
            _ => None,
        };
        let original = *first.entry((source.bytes, picture, sound)).or_insert(position);
        Ok((original != position).then_some(original))
    };
    sources.iter().enumerate().map(|(position, source)| original(position, source)).collect()
}

/// The key of the content of `path`; `None` where it cannot be read.
fn key(path: &Path) -> Result<Option<u64>, IngestError> {
    match content_key(path) {
        Ok(key) => Ok(Some(key)),
        Err(error) if is_fault_of_machine(&error) => Err(IngestError::io(path, error)),
        Err(_) => Ok(None),
    }
}

/// What the shards are made of: whatever could change a byte of them.
pub(crate) fn identity(
    sources: &[SourceFile],
    settings: &IngestSettings,
    ffmpeg: &Ffmpeg,
) -> Value {
    let mut hash = Sha256::new();
    for source in sources {
        hash.update(source.name.as_bytes());
        hash.update([0]);
        hash.update(source.bytes.to_le_bytes());
    }
    let digest: String =
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let mut identity = json!({ "ingest": VERSION, "ffmpeg": ffmpeg.version });
    identity["files"] = json!(sources.len());
    identity["list"] = json!(digest);
    identity["settings"] = json!(settings);
    identity
}

/// A folder of shards that no other process writes to while this lives.
#[derive(Debug)]
pub(crate) struct OutputFolder {
    _lock: File,
}

impl OutputFolder {
    /// Makes `folder`, or goes on with it where it was begun from the same `identity`.
    pub(crate) fn open(folder: &Path, identity: &Value) -> Result<Self, IngestError> {
        fs::create_dir_all(folder).map_err(|error| IngestError::io(folder, error))?;
        let path = folder.join(LOCK);
        let lock = File::create(&path).map_err(|error| IngestError::io(&path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let reason = "another ingest is writing here; let it end first";
                return Err(IngestError::folder(folder, reason));
            }
            Err(TryLockError::Error(error)) => return Err(IngestError::io(&path, error)),
        }
        let plan = folder.join(PLAN);
        match fs::read(&plan) {
            Ok(text) => same(folder, &text, identity)?,
            Err(_) if is_in_use(folder)? => {
                let reason = format!("it holds files and no {PLAN}; name another folder");
                return Err(IngestError::folder(folder, reason));
            }
            Err(_) => atomic_write_locked(&plan, format!("{identity:#}\n").as_bytes())
                .map_err(|error| IngestError::io(&plan, error))?,
        }
        Ok(Self { _lock: lock })
    }
}

/// Whether files lie in `folder`; hidden ones may be what a killed process left.
fn is_in_use(folder: &Path) -> Result<bool, IngestError> {
    let entries = fs::read_dir(folder).map_err(|error| IngestError::io(folder, error))?;
    let names = entries.filter_map(|entry| entry.ok().map(|entry| entry.file_name()));
    let mut others = names.filter(|name| !name.as_encoded_bytes().starts_with(b"."));
    Ok(others.next().is_some())
}

/// An error that names what differs, unless the folder's plan is `identity`.
fn same(folder: &Path, text: &[u8], identity: &Value) -> Result<(), IngestError> {
    // By way of text, as the plan: numbers need not survive that to the last bit.
    let asked: Value = serde_json::from_str(&identity.to_string()).unwrap_or_default();
    let found: Value = serde_json::from_slice(text).unwrap_or_default();
    if found == asked {
        return Ok(());
    }
    let mut changes = Vec::new();
    differences("", &found, &asked, &mut changes);
    changes.truncate(4);
    let reason = format!(
        "its shards are made from something else ({}); delete it or name another folder",
        changes.join("; ")
    );
    Err(IngestError::folder(folder, reason))
}

/// Names what differs, such as `settings.window: 10.0 there, 5.0 asked for`.
fn differences(path: &str, found: &Value, asked: &Value, changes: &mut Vec<String>) {
    if let (Some(left), Some(right)) = (found.as_object(), asked.as_object()) {
        let gone = left.keys().filter(|key| !right.contains_key(*key));
        for key in right.keys().chain(gone) {
            let value = |map: &serde_json::Map<String, Value>| map.get(key).cloned();
            let (left, right) = (value(left).unwrap_or_default(), value(right).unwrap_or_default());
            differences(&format!("{path}.{key}"), &left, &right, changes);
        }
    } else if found != asked {
        let path = path.trim_start_matches('.');
        changes.push(format!("{path}: {found} there, {asked} asked for"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, bytes: u64) -> SourceFile {
        let path = std::path::PathBuf::from(name);
        SourceFile {
            name: name.to_owned(),
            relative: path.clone(),
            path,
            bytes,
            kind: SourceKind::Video,
        }
    }

    #[test]
    fn a_shard_is_closed_by_count_or_by_size() {
        let mb = 1_000_000;
        let sizes = [mb, mb, mb, 9 * mb, mb, mb];
        let sources: Vec<_> = sizes.iter().map(|bytes| source("x", *bytes)).collect();
        let settings = IngestSettings {
            files_per_shard: 3,
            input_mb_per_shard: 9,
            ..IngestSettings::default()
        };
        assert_eq!(groups(&sources, &settings), [0..3, 3..4, 4..6]);
        assert!(groups(&[], &settings).is_empty());
    }

    #[test]
    fn only_equal_bytes_are_duplicates() {
        let folder = tempfile::tempdir().unwrap();
        let sources: Vec<_> = [("a", "one"), ("b", "two"), ("c", "one"), ("d", "three")]
            .iter()
            .map(|(name, text)| {
                let path = folder.path().join(name);
                fs::write(&path, text).unwrap();
                SourceFile { path, ..source(name, text.len() as u64) }
            })
            .collect();
        assert_eq!(duplicates(&sources).unwrap(), [None, None, Some(0), None]);
    }

    #[test]
    fn another_plan_another_process_and_other_files_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("deep/shards");
        let identity = |window: f64| json!({ "settings": { "window": window }, "files": 3 });
        let held = OutputFolder::open(&folder, &identity(10.0)).unwrap();
        let message = OutputFolder::open(&folder, &identity(10.0)).unwrap_err().to_string();
        assert!(message.contains("another ingest is writing here"), "{message}");
        drop(held);
        OutputFolder::open(&folder, &identity(10.0)).unwrap();
        let message = OutputFolder::open(&folder, &identity(5.0)).unwrap_err().to_string();
        assert!(message.contains("settings.window: 10.0 there, 5.0 asked for"), "{message}");
        let foreign = home.path().join("foreign");
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join("mine"), "precious").unwrap();
        let message = OutputFolder::open(&foreign, &identity(10.0)).unwrap_err().to_string();
        assert!(message.contains("name another folder"), "{message}");
    }
}
