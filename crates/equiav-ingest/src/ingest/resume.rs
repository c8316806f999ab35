//! What earlier runs have left of a shard: finished, with clips or without, or to be made.

use std::path::{Path, PathBuf};
use std::{fs, io};

use equiav_data::atomic_write_locked;
use equiav_data::shard::finished;
use serde_json::Value;

use crate::{FileReport, IngestError, Reason};

/// What is there of a shard.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Before {
    /// All of it.
    Finished,
    /// Nothing that counts.
    Open,
}

/// What is there of shard `name`, none of whose files with a finding among `retry` counts as done.
pub(crate) fn before(out: &Path, name: &str, retry: &[Reason]) -> Result<Before, IngestError> {
    let made = finished(out, name)?;
    let reports = match reports(out, name) {
        Ok(reports) => reports,
        // The report goes first, so a tar without one was never finished.
        Err(_) if !made => return Ok(Before::Open),
        Err(error) => return Err(error),
    };
    let clips: usize = reports.iter().map(|report| report.clips).sum();
    let mut findings = reports.iter().flat_map(|report| &report.findings);
    // The report of a shard with clips goes first, and the shard after it.
    let open = (clips > 0 && !made) || findings.any(|finding| retry.contains(&finding.reason));
    Ok(if open { Before::Open } else { Before::Finished })
}

/// Puts the report of shard `name`, whose files give no clip; no tar file stands beside it.
pub(crate) fn without_clips(out: &Path, name: &str, report: &Value) -> Result<(), IngestError> {
    // An earlier try may have given clips: its index goes first, since it vouches for the tar.
    for ending in ["jsonl", "tar"] {
        let path = out.join(format!("{name}.{ending}"));
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(IngestError::io(&path, error));
            }
            _ => {}
        }
    }
    let path = path(out, name);
    atomic_write_locked(&path, format!("{report:#}\n").as_bytes())
        .map_err(|error| IngestError::io(&path, error))
}

/// The reports of the files of shard `name`.
pub(crate) fn reports(out: &Path, name: &str) -> Result<Vec<FileReport>, IngestError> {
    let path = path(out, name);
    let text = fs::read(&path).map_err(|error| IngestError::io(&path, error))?;
    let files = serde_json::from_slice(&text).and_then(|mut statistics: Value| {
        serde_json::from_value::<Vec<FileReport>>(statistics["files"].take())
    });
    files.map_err(|error| {
        let reason = format!("it holds no report ({error}); delete the shard to make it anew");
        IngestError::folder(&path, reason)
    })
}

fn path(out: &Path, name: &str) -> PathBuf {
    out.join(format!("{name}.stats.json"))
}
