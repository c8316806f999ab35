//! What a run is made with, kept in its folder: program, machine, device.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The file in a run's folder.
pub const FILE: &str = "environment.json";

/// What this program and machine are, by name.
pub fn environment() -> BTreeMap<String, String> {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let mut facts = BTreeMap::from([
        ("equiav".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("system".to_owned(), format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
        ("processors".to_owned(), processors.to_string()),
        ("CUDA devices".to_owned(), tch::Cuda::device_count().to_string()),
        ("jpg decoder".to_owned(), format!("{:?}", equiav_data::JpegDecoder::BUILT)),
    ]);
    let found = [
        ("processor", field("/proc/cpuinfo", "model name")),
        ("memory", field("/proc/meminfo", "MemTotal")),
    ];
    facts.extend(found.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    facts
}

/// What stands behind `name:` in the system's file `path`; nothing where there is no such file.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

/// Keeps it in the run folder `out`, once: a run that goes on elsewhere keeps what it began with.
///
/// # Errors
///
/// If the file cannot be written.
pub(crate) fn keep(out: &Path) -> anyhow::Result<()> {
    let path = out.join(FILE);
    if !path.exists() {
        fs::write(path, serde_json::to_string_pretty(&environment())? + "\n")?;
    }
    Ok(())
}

/// What the run in `folder` was begun with; nothing of runs that kept none.
pub fn kept(folder: &Path) -> BTreeMap<String, String> {
    let text = fs::read(folder.join(FILE)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_back_and_not_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(kept(folder.path()), BTreeMap::new());
        keep(folder.path()).expect("a file");
        assert_eq!(kept(folder.path()), environment());
        assert!(!environment()["equiav"].is_empty());
        fs::write(folder.path().join(FILE), "{\"equiav\": \"0\"}").expect("a file");
        keep(folder.path()).expect("kept");
        assert_eq!(kept(folder.path())["equiav"], "0");
    }
}
