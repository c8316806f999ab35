//! What goes to the machine with a GPU.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Options;
use crate::machine::gigabytes;
use crate::terminal::{note, warn};
use crate::test::built;
use crate::workspace::Workspace;
use crate::{jpeg, process, setup};

/// The most bytes that the folder may have.
const LIMIT: u64 = 60_000_000;

/// Files of the repository, where the folder has them too.
const COPIED: [&str; 3] = ["recipes", "benches/peer/step.py", "Cargo.lock"];

/// Dumps that `equiav parity` compares with.
const DUMPS: [&str; 6] =
    ["checkpoints", "fbank", "image_ops", "metrics", "model_tiny", "spectrogram_ops"];

/// Says by its presence that what is packed was built with the feature.
pub(super) const WITH_NCCL: &str = "with-nccl";

/// Starts the packed command in the packed folder, which it takes for its repository.
const SCRIPT: &str = "\
#!/usr/bin/env bash
# Runs on this machine's GPU what this folder holds and writes results; `bash run --help` says more.
# Needs PyTorch 2.11 with CUDA in python3, or in what --python names.
set -eu
here=\"$(cd \"$(dirname \"$0\")\" && pwd)\"
CARGO_MANIFEST_DIR=\"$here/xtask\" exec \"$here/bin/xtask\" gpu run \"$@\"
";

/// Builds and packs.
pub(super) fn pack(workspace: &Workspace, options: &Options) -> Result<(), String> {
    setup::ensure(workspace)?;
    let folder = options.out.clone().unwrap_or_else(|| workspace.target().join("gpu"));
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let mut build = workspace.cargo();
    build.args(["build", "--package", "equiav"]).args(jpeg::features());
    if !options.dev {
        build.arg("--release");
    }
    if options.nccl {
        build.args(["--features", "equiav/nccl"]);
        write(&folder.join(WITH_NCCL), "")?;
    }
    process::run(&mut build)?;
    let profile = if options.dev { "debug" } else { "release" };
    strip(&workspace.target().join(profile).join("equiav"), &folder.join("bin/equiav"))?;
    let own = std::env::current_exe().map_err(|e| format!("this program: {e}"))?;
    strip(&own, &folder.join("bin/xtask"))?;
    let mut selection = vec!["--package", "equiav-torch"];
    if !options.dev {
        selection.push("--release");
    }
    if options.nccl {
        selection.extend(["--features", "equiav-torch/nccl"]);
    }
    for binary in built(workspace, &selection)? {
        strip(&binary.program, &folder.join("tests").join(&binary.name))?;
    }
    let dumps = DUMPS.map(|dump| format!("fixtures/{dump}"));
    for path in COPIED.into_iter().chain(dumps.iter().map(String::as_str)) {
        copy(&workspace.root().join(path), &folder.join(path))?;
    }
    write(&folder.join("run"), SCRIPT)?;
    let bytes = size(&folder)?;
    note(&format!("{} in {}: run it by `bash run` there", gigabytes(bytes), folder.display()));
    if bytes > LIMIT {
        warn(&format!("that is more than {}", gigabytes(LIMIT)));
    }
    Ok(())
}

/// Copies a program without its symbols, or with them where there is no `strip`.
fn strip(from: &Path, to: &Path) -> Result<(), String> {
    copy(from, to)?;
    if let Err(message) = process::capture(Command::new("strip").arg(to)) {
        warn(&format!("{} keeps its symbols: {message}", to.display()));
    }
    Ok(())
}

/// Copies a file, or a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    if from.is_dir() {
        for path in entries(from)? {
            copy(&path, &to.join(path.file_name().unwrap_or_default()))?;
        }
        return Ok(());
    }
    let copied = fs::create_dir_all(to.parent().unwrap_or(to)).and_then(|()| fs::copy(from, to));
    copied.map(drop).map_err(|e| format!("cannot copy {} to {}: {e}", from.display(), to.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let wrote =
        fs::create_dir_all(path.parent().unwrap_or(path)).and_then(|()| fs::write(path, text));
    wrote.map_err(|e| format!("cannot write {}: {e}", path.display()))
}

fn size(path: &Path) -> Result<u64, String> {
    if path.is_dir() {
        return entries(path)?.iter().map(|path| size(path)).sum();
    }
    fs::metadata(path).map(|found| found.len()).map_err(|e| format!("{}: {e}", path.display()))
}

/// What is in a folder, by name.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let read = fs::read_dir(folder).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()
    });
    let mut paths = read.map_err(|e| format!("cannot list {}: {e}", folder.display()))?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libtorch::tests::Scratch;

    #[test]
    fn what_is_packed_is_there() {
        let workspace = Workspace::find().unwrap();
        let dumps = DUMPS.map(|dump| format!("fixtures/{dump}"));
        for path in COPIED.into_iter().chain(dumps.iter().map(String::as_str)) {
            assert!(workspace.root().join(path).exists(), "{path}");
        }
    }

    #[test]
    fn folders_are_copied_and_counted_whole() {
        let scratch = Scratch::new("pack");
        write(&scratch.0.join("a/b/c"), "12345").unwrap();
        write(&scratch.0.join("a/d"), "678").unwrap();
        copy(&scratch.0.join("a"), &scratch.0.join("copy")).unwrap();
        assert_eq!(size(&scratch.0.join("copy")), Ok(8));
        assert!(copy(&scratch.0.join("gone"), &scratch.0.join("x")).unwrap_err().contains("gone"));
    }
}
