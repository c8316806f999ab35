//! A run's figures as JSON lines: one object per line, appended, and consistent after a restart.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;

/// The file of figures, open for appending.
pub(crate) struct JsonLines {
    path: PathBuf,
    file: File,
}

impl JsonLines {
    /// Opens or makes the file at `path` for a run of which `step` updates are done.
    ///
    /// A last line that was cut off while it was written is dropped, and so is everything from the
    /// first record with a larger `step` on: those updates will be made again.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, read or cut, or a line before the last is no record.
    pub(crate) fn open(path: &Path, step: u64) -> anyhow::Result<Self> {
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .with_context(|| format!("opening {}", path.display()))?;
        let keep =
            length_until(&mut file, step).with_context(|| format!("reading {}", path.display()))?;
        file.set_len(keep).with_context(|| format!("cutting {}", path.display()))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Appends `record`, an object whose `step` is the number of updates done.
    ///
    /// # Errors
    ///
    /// If the disk refuses.
    pub(crate) fn write(&mut self, record: &Value) -> anyhow::Result<()> {
        // one write: another process that reads along sees whole lines
        let line = format!("{record}\n");
        self.file
            .write_all(line.as_bytes())
            .with_context(|| format!("writing {}", self.path.display()))
    }
}

/// How many bytes of `file` hold whole records of at most `step` updates.
fn length_until(file: &mut File, step: u64) -> anyhow::Result<u64> {
    let mut reader = BufReader::new(file);
    let (mut keep, mut line) = (0, Vec::new());
    for number in 1.. {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        match record_step(&line) {
            Some(done) if done <= step => keep += line.len() as u64,
            Some(_) => break,
            None if reader.read(&mut [0])? == 0 => break,
            None => bail!("line {number} is no record with a step: mend it or move the file away"),
        }
    }
    Ok(keep)
}

/// The `step` of a whole line.
fn record_step(line: &[u8]) -> Option<u64> {
    let record = line.strip_suffix(b"\n")?;
    serde_json::from_slice::<Value>(record).ok()?.get("step")?.as_u64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Opens a log that holds `before` at `step`, appends a record, and returns what it then holds.
    fn reopened(before: &str, step: u64) -> anyhow::Result<String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("metrics.jsonl");
        std::fs::write(&path, before).expect("a log");
        JsonLines::open(&path, step)?.write(&json!({"step": step + 1, "train/loss": 0.5}))?;
        Ok(std::fs::read_to_string(&path).expect("a log"))
    }

    #[test]
    fn writes_one_object_a_line() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("metrics.jsonl");
        let mut log = JsonLines::open(&path, 0).expect("a new log");
        log.write(&json!({"step": 1, "note": "two\nlines"})).expect("a record");
        log.write(&json!({"step": 2, "train/loss": f64::NAN})).expect("a record");
        let text = std::fs::read_to_string(&path).expect("a log");
        assert_eq!(
            text,
            "{\"note\":\"two\\nlines\",\"step\":1}\n{\"step\":2,\"train/loss\":null}\n"
        );
    }

    #[test]
    fn a_line_cut_off_while_written_is_dropped() {
        let new = "{\"step\":3,\"train/loss\":0.5}\n";
        for cut in ["{\"step\":2,\"tra", "{\"step\":2}", "", "{\"ste\n", "\0\0\0"] {
            let text = reopened(&format!("{{\"step\":1}}\n{cut}"), 2).expect("a log");
            assert_eq!(text, format!("{{\"step\":1}}\n{new}"), "{cut:?}");
        }
    }

    #[test]
    fn records_beyond_the_resumed_step_are_dropped() {
        let before = "{\"step\":1}\n{\"step\":2}\n{\"epoch\":1,\"step\":2}\n{\"step\":3}\n{\"st";
        let text = reopened(before, 2).expect("a log");
        let kept = "{\"step\":1}\n{\"step\":2}\n{\"epoch\":1,\"step\":2}\n";
        assert_eq!(text, format!("{kept}{{\"step\":3,\"train/loss\":0.5}}\n"));
        assert_eq!(reopened(before, 0).expect("a log"), "{\"step\":1,\"train/loss\":0.5}\n");
    }

    #[test]
    fn a_foreign_file_is_left_alone() {
        let failure = reopened("{\"step\":1}\nhello\n{\"step\":2}\n", 2).expect_err("no record");
        let message = format!("{failure:#}");
        assert!(message.contains("metrics.jsonl: line 2 is no record with a step"), "{message}");
    }
}
