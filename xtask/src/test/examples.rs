//! The crates in `examples/`: outside the workspace, on our crates by path, as a user's own would be.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::output::note;
use crate::process;
use crate::workspace::Workspace;

/// Depend on equiav-augment and nothing else of ours.
const WITHOUT_TORCH: [&str; 2] = ["examples/augment-only", "examples/own-augmentation"];
/// Swaps in its own predictor and trains EquiAV with it.
const OWN_PREDICTOR: &str = "examples/own-predictor";
/// Trains a method of its own; its tests kill and resume it, and have two processes train it.
const OWN_METHOD: &str = "examples/own-method";

/// Builds and runs all of them.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    for example in WITHOUT_TORCH.into_iter().chain([OWN_PREDICTOR, OWN_METHOD]) {
        lock(workspace, example)?;
    }
    for example in WITHOUT_TORCH {
        let mut tree = cargo(workspace, example, "tree");
        let tree = process::capture(tree.args(["--edges", "all", "--prefix", "none"]))?;
        no_torch(example, &tree)?;
        note(&format!("{example}: {} crates, none of them libtorch's", crates(&tree)));
        build_and(workspace, example, "run")?;
    }
    build_and(workspace, OWN_PREDICTOR, "run")?;
    build_and(workspace, OWN_METHOD, "test")
}

/// Cargo on an example.
fn cargo(workspace: &Workspace, example: &str, what: &str) -> Command {
    let mut cargo = workspace.cargo();
    cargo.arg(what).arg("--manifest-path").arg(workspace.root().join(example).join("Cargo.toml"));
    cargo
}

/// Builds an example and has cargo do `what`, run or test it, with the workspace's target folder and profiles, which spares the
/// minutes that libtorch's wrappers take to compile.
fn build_and(workspace: &Workspace, example: &str, what: &str) -> Result<()> {
    note(&format!("{example}: build and {what}"));
    let target = workspace.target();
    let config = target.join("example-profiles.toml");
    let profiles = profiles(&workspace.read("Cargo.toml")?);
    fs::create_dir_all(&target)
        .and_then(|()| fs::write(&config, profiles))
        .with_context(|| format!("cannot write {}", config.display()))?;
    let mut cargo = cargo(workspace, example, what);
    process::run(cargo.arg("--target-dir").arg(target).arg("--config").arg(config))
}

/// The `[profile...]` sections of a manifest; cargo reads them in a configuration file as well.
fn profiles(manifest: &str) -> String {
    let mut inside = false;
    let kept = manifest.lines().filter(|line| {
        inside = if line.starts_with('[') { line.starts_with("[profile.") } else { inside };
        inside
    });
    kept.map(|line| format!("{line}\n")).collect()
}

/// Gives an example the workspace's versions; cargo itself then drops what it does not need.
fn lock(workspace: &Workspace, example: &str) -> Result<()> {
    let folder = workspace.root().join(example);
    let is_there = folder.join("Cargo.toml").is_file();
    ensure!(is_there, "{example} is missing: restore it with `git checkout {example}`");
    fs::copy(workspace.root().join("Cargo.lock"), folder.join("Cargo.lock"))
        .with_context(|| format!("cannot copy Cargo.lock into {example}"))?;
    Ok(())
}

/// An error if `cargo tree` lists a crate of libtorch.
fn no_torch(example: &str, tree: &str) -> Result<()> {
    let is_torch = |line: &&str| line.starts_with("tch ") || line.starts_with("torch-sys ");
    if let Some(line) = tree.lines().find(is_torch) {
        bail!("{example} reaches libtorch through {line}: see `cargo tree --invert tch`");
    }
    Ok(())
}

/// How many different crates `cargo tree` lists.
fn crates(tree: &str) -> usize {
    let names = tree.lines().filter(|line| line.contains(" v"));
    names.map(|line| line.trim_end_matches(" (*)")).collect::<std::collections::BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_taken_over_and_nothing_else() {
        let manifest = "[workspace]\nmembers = []\n[profile.dev]\ndebug = false\n\n\
                        [profile.dev.package.\"*\"]\nopt-level = 1\n[lints]\nx = 1\n";
        let wanted = "[profile.dev]\ndebug = false\n\n[profile.dev.package.\"*\"]\nopt-level = 1\n";
        assert_eq!(profiles(manifest), wanted);
    }

    #[test]
    fn torch_in_a_tree_is_found() {
        let clean = "augment-only v0.1.0 (x)\nndarray v0.16.1\nndarray v0.16.1 (*)\n";
        assert!(no_torch("augment-only", clean).is_ok());
        assert_eq!(crates(clean), 2);
        let message = no_torch("augment-only", &format!("{clean}torch-sys v0.24.0\n"))
            .unwrap_err()
            .to_string();
        assert!(message.contains("torch-sys v0.24.0"), "{message}");
    }
}
