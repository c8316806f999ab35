//! What a run is made with, kept in its folder: program, machine, device.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::ensure;
use equiav_data::{JpegDecoder, atomic_write};

/// The file in a run's folder.
pub const FILE: &str = "environment.json";
/// What decodes jpgs, among the facts.
const DECODER: &str = "jpg decoder";

/// What this program and machine are, by name.
pub fn environment() -> BTreeMap<String, String> {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let mut facts = BTreeMap::from([
        ("equiav".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("system".to_owned(), format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
        ("processors".to_owned(), processors.to_string()),
        ("CUDA devices".to_owned(), tch::Cuda::device_count().to_string()),
        (DECODER.to_owned(), format!("{:?}", JpegDecoder::BUILT)),
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

/// Notes it in the run folder `out`, for a run that begins.
///
/// # Errors
///
/// If the file cannot be written.
pub(crate) fn begin(out: &Path) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(&environment())? + "\n";
    Ok(atomic_write(&out.join(FILE), text.as_bytes())?)
}

/// As [`begin`], for a run that goes on: it keeps what it began with, if that was noted.
///
/// # Errors
///
/// As [`begin`].
pub(crate) fn keep(out: &Path) -> anyhow::Result<()> {
    if out.join(FILE).exists() { Ok(()) } else { begin(out) }
}

/// What the run in `folder` was begun with; nothing of runs that kept none.
pub fn kept(folder: &Path) -> BTreeMap<String, String> {
    let text = fs::read(folder.join(FILE)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// The jpg decoder that the run in `folder` was begun with, where that is another than this program's.
pub(crate) fn other_decoder(folder: &Path) -> Option<String> {
    let begun = kept(folder).remove(DECODER)?;
    (begun != format!("{:?}", JpegDecoder::BUILT)).then_some(begun)
}

/// Refuses to go on with the run in `folder` by another jpg decoder, which sees other levels: the run would
/// not end as it would have without an interruption.
///
/// # Errors
///
/// If it was begun with another one than this program's.
pub(crate) fn ensure_same_decoder(folder: &Path) -> anyhow::Result<()> {
    let begun = other_decoder(folder);
    let way = match JpegDecoder::BUILT {
        JpegDecoder::ZuneJpeg => "with",
        JpegDecoder::LibjpegTurbo => "without",
    };
    ensure!(
        begun.is_none(),
        "{} holds a run whose jpgs were decoded by {}; this program has {:?}, which gives other levels \
         (help: a build {way} `--features turbojpeg`, or another --out)",
        folder.display(),
        begun.unwrap_or_default(),
        JpegDecoder::BUILT
    );
    Ok(())
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
        begin(folder.path()).expect("another run");
        assert_eq!(kept(folder.path()), environment());
    }

    #[test]
    fn a_run_keeps_to_its_jpg_decoder() {
        let folder = tempfile::tempdir().expect("a folder");
        ensure_same_decoder(folder.path()).expect("nothing is known");
        keep(folder.path()).expect("a file");
        ensure_same_decoder(folder.path()).expect("the same");
        let path = folder.path().join(FILE);
        let text = fs::read_to_string(&path).expect("facts");
        let built = format!("{:?}", JpegDecoder::BUILT);
        fs::write(&path, text.replace(&built, "AnotherOne")).expect("a file");
        assert_eq!(other_decoder(folder.path()).as_deref(), Some("AnotherOne"));
        let message = ensure_same_decoder(folder.path()).expect_err("another").to_string();
        for part in ["by AnotherOne", &built, "--features turbojpeg", "another --out"] {
            assert!(message.contains(part), "{message}");
        }
        assert!(!message.contains('\n'), "{message}");
    }
}
