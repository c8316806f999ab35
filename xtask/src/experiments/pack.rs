//! `gpu pack`: what goes to the machine with a GPU.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::args::Args;
use crate::output::{note, warn};
use crate::setup::machine::gigabytes;
use crate::test::built;
use crate::workspace::Workspace;
use crate::{jpeg, process, setup};

/// The most bytes that the folder may have.
const LIMIT: u64 = 60_000_000;

/// Files of the repository, where the folder has them too.
const COPIED: [&str; 9] = [
    "recipes",
    "benches/peer/step.py",
    "Cargo.lock",
    // Dumps that `equiav parity` compares with.
    "fixtures/checkpoints",
    "fixtures/fbank",
    "fixtures/image_ops",
    "fixtures/metrics",
    "fixtures/model_tiny",
    "fixtures/spectrogram_ops",
];

/// Starts the packed program in the packed folder, which it takes for its repository.
const SCRIPT: &str = "\
#!/usr/bin/env bash
# Runs on this machine's GPU what this folder holds and writes results; `bash run --help` says more.
# Needs PyTorch 2.11 with CUDA in python3, or in what --python names.
set -eu
here=\"$(cd \"$(dirname \"$0\")\" && pwd)\"
CARGO_MANIFEST_DIR=\"$here/experiments\" exec \"$here/bin/equiav-experiments\" gpu run \"$@\"
";

/// Builds and packs.
pub(super) fn command(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let mut args = Args::new("gpu", arguments);
    let (dev, nccl) = (args.flag("--dev"), args.flag("--nccl"));
    let out = args.value("--out")?.map(PathBuf::from);
    args.finish()?;
    setup::ensure(workspace)?;
    let folder = out.unwrap_or_else(|| workspace.target().join("gpu"));
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    let profile: &[&str] = if dev { &[] } else { &["--release"] };
    let mut build = workspace.cargo();
    build.args(["build", "--package", "equiav"]).args(jpeg::features()).args(profile);
    let mut selection = [&["--package", "equiav-torch"], profile].concat();
    if nccl {
        build.args(["--features", "equiav/nccl"]);
        selection.extend(["--features", "equiav-torch/nccl"]);
        // Says by its presence that what is packed was built with the feature.
        write(&folder.join("with-nccl"), "")?;
    }
    process::run(&mut build)?;
    let mut build = workspace.cargo();
    process::run(build.args(["build", "--package", "equiav-experiments"]).args(profile))?;
    let programs = workspace.target().join(if dev { "debug" } else { "release" });
    for program in ["equiav", "equiav-experiments"] {
        strip(&programs.join(program), &folder.join("bin").join(program))?;
    }
    for binary in built(workspace, &selection)? {
        strip(&binary.program, &folder.join("tests").join(&binary.name))?;
    }
    for path in COPIED {
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
fn strip(from: &Path, to: &Path) -> Result<()> {
    copy(from, to)?;
    if let Err(error) = process::capture(Command::new("strip").arg(to)) {
        warn(&format!("{} keeps its symbols: {error:#}", to.display()));
    }
    Ok(())
}

/// Copies a file, or a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    let copied = fs::create_dir_all(to.parent().unwrap_or(to)).and_then(|()| fs::copy(from, to));
    copied.with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    let folder = fs::create_dir_all(path.parent().unwrap_or(path));
    let wrote = folder.and_then(|()| fs::write(path, text));
    wrote.with_context(|| format!("cannot write {}", path.display()))
}

fn size(path: &Path) -> Result<u64> {
    if !path.is_dir() {
        return Ok(fs::metadata(path).with_context(|| path.display().to_string())?.len());
    }
    fs::read_dir(path)?.map(|entry| size(&entry?.path())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_there() {
        let workspace = Workspace::find().unwrap();
        for path in COPIED {
            assert!(workspace.root().join(path).exists(), "{path}");
        }
    }

    #[test]
    fn folders_are_copied_and_counted_whole() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |path: &str| scratch.path().join(path);
        write(&at("a/b/c"), "12345").unwrap();
        write(&at("a/d"), "678").unwrap();
        copy(&at("a"), &at("copy")).unwrap();
        assert_eq!(size(&at("copy")).unwrap(), 8);
        assert!(copy(&at("gone"), &at("x")).unwrap_err().to_string().contains("gone"));
    }
}
