//! Disk space and memory.

use std::path::Path;

use super::Finding;
use super::Verdict::Advice;
use crate::setup::machine::{GIGABYTE, free_disk, gigabytes, memory};
use crate::workspace::Workspace;

/// What a build with its tests and an optimized build take in `target/`.
const TARGET: u64 = 10 * GIGABYTE;
/// The C++ of torch-sys is the largest step of the build.
const MEMORY: u64 = 4 * GIGABYTE;

pub(super) fn findings(workspace: &Workspace) -> Vec<Finding> {
    vec![disk(&workspace.target(), TARGET), ram(memory(), MEMORY)]
}

fn disk(folder: &Path, needed: u64) -> Finding {
    let expected = format!("{} for what is built", gigabytes(needed));
    match free_disk(folder) {
        Some(free) if free < needed => {
            Finding::fine("disk", format!("{} free", gigabytes(free)), expected)
                .but(Advice, "export CARGO_TARGET_DIR=a folder on a larger disk")
        }
        Some(free) => Finding::fine("disk", format!("{} free", gigabytes(free)), expected),
        None => Finding::fine("disk", "cannot be told", expected).but(Advice, ""),
    }
}

fn ram(found: Option<(Option<u64>, u64)>, needed: u64) -> Finding {
    let expected = format!("{} for the build", gigabytes(needed));
    let Some((free, total)) = found else {
        return Finding::fine("memory", "cannot be told", expected).but(Advice, "");
    };
    let shown = match free {
        Some(free) => format!("{} free of {}", gigabytes(free), gigabytes(total)),
        None => gigabytes(total),
    };
    let finding = Finding::fine("memory", shown, expected);
    let is_short = free.unwrap_or(total) < needed;
    if is_short { finding.but(Advice, "export CARGO_BUILD_JOBS=1") } else { finding }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_full_disk_is_found() {
        assert_eq!(disk(&std::env::temp_dir(), u64::MAX).verdict, Advice);
        assert_eq!(disk(&std::env::temp_dir(), 0).verdict, Verdict::Fine);
    }

    #[test]
    fn little_memory_is_found() {
        let finding = ram(Some((Some(1_000), 64 * GIGABYTE)), MEMORY);
        assert_eq!((finding.verdict, finding.mend.as_str()), (Advice, "export CARGO_BUILD_JOBS=1"));
        assert_eq!(ram(Some((None, 64 * GIGABYTE)), MEMORY).verdict, Verdict::Fine);
    }
}
