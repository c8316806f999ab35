//! Where the repository is and how cargo is started in it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::setup::libtorch;

/// The repository.
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The repository that this program was built from.
    pub(crate) fn find() -> Result<Workspace> {
        // `cargo run` sets it, so a repository that moved is found too.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .unwrap_or_else(|| OsString::from(env!("CARGO_MANIFEST_DIR")));
        let root = Path::new(&manifest).parent().map(Path::to_owned);
        match root {
            Some(root) if root.join("Cargo.lock").is_file() => Ok(Workspace { root }),
            _ => bail!("cannot find the repository: start me as `cargo xtask`"),
        }
    }

    /// The folder that holds the root `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The link to libtorch that `.cargo/config.toml` names.
    pub(crate) fn link(&self) -> PathBuf {
        self.root.join(".libtorch")
    }

    /// Where cargo puts what it builds.
    pub(crate) fn target(&self) -> PathBuf {
        let set = std::env::var_os("CARGO_TARGET_DIR").filter(|value| !value.is_empty());
        self.root.join(set.unwrap_or_else(|| OsString::from("target")))
    }

    /// The text of a file of the repository.
    pub(crate) fn read(&self, path: &str) -> Result<String> {
        std::fs::read_to_string(self.root.join(path)).with_context(|| format!("cannot read {path}"))
    }

    /// The user's own `LIBTORCH`, not the one that `.cargo/config.toml` gives us.
    pub(crate) fn users_libtorch(&self) -> Option<PathBuf> {
        let set = PathBuf::from(std::env::var_os("LIBTORCH").filter(|value| !value.is_empty())?);
        (set != self.link()).then_some(set)
    }

    /// Cargo, started in the repository as a user would start it by hand.
    ///
    /// Cargo tells us about ourselves in variables. Left in place they would differ from those of
    /// a plain `cargo build`, and crates whose build scripts watch them would be built again.
    pub(crate) fn cargo(&self) -> Command {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(is_about_ourselves) {
                command.env_remove(name);
            }
        }
        let usable = self.users_libtorch().is_some_and(|path| libtorch::inspect(&path).is_ok());
        if !usable {
            command.env_remove("LIBTORCH");
        }
        command
    }
}

fn is_about_ourselves(variable: &str) -> bool {
    let prefixes = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
    let names = ["CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "OUT_DIR"];
    prefixes.iter().any(|prefix| variable.starts_with(prefix)) || names.contains(&variable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_is_started_without_our_own_variables() {
        assert!(is_about_ourselves("CARGO_PKG_NAME"));
        assert!(!is_about_ourselves("CARGO_TARGET_DIR"));
        assert!(!is_about_ourselves("CARGO_HOME"));
    }
}
