//! The active Python: needed once, by `setup`, to fetch wheels; nothing else of the project calls it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process;

/// The oldest pip that takes several `--platform` options and knows tags such as manylinux_2_28.
pub(crate) const OLDEST_PIP: (u32, u32) = (21, 0);

/// Python as a command.
pub(crate) fn command() -> Command {
    Command::new("python3")
}

/// Python's version, such as `3.11.7`.
pub(crate) fn version() -> Option<String> {
    let line = process::first_line("python3", &["--version"])?;
    line.strip_prefix("Python ").map(str::to_owned)
}

/// pip's version, or a message that says what helps.
pub(crate) fn pip() -> Result<String> {
    if version().is_none() {
        bail!("python3 is missing: install it with `{}`", install_python());
    }
    let line = process::first_line("python3", &["-m", "pip", "--version"])
        .with_context(|| format!("python3 has no pip: install it with `{}`", install_pip()))?;
    let version = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
    if is_old(&version) {
        let (major, minor) = OLDEST_PIP;
        let upgrade = "python3 -m pip install --user --upgrade pip";
        bail!("pip {version} is too old, {major}.{minor} is needed: `{upgrade}`");
    }
    Ok(version)
}

/// The folder of the torch package of the active Python, found without importing it.
pub(crate) fn torch_folder() -> Option<PathBuf> {
    let script = "import importlib.util as u; s = u.find_spec('torch'); \
                  print(s.submodule_search_locations[0] if s else '')";
    let line = process::first_line("python3", &["-c", script])?;
    Some(PathBuf::from(line)).filter(|folder| folder.is_dir())
}

/// Loads a shared library in a process of its own; the error is the loader's message.
pub(crate) fn load(library: &std::path::Path) -> Result<()> {
    let script =
        "import ctypes, sys\ntry: ctypes.CDLL(sys.argv[1])\nexcept OSError as e: sys.exit(str(e))";
    process::capture(command().args(["-c", script]).arg(library)).map(drop)
}

/// The command that installs Python here.
pub(crate) fn install_python() -> &'static str {
    if cfg!(target_os = "macos") {
        "brew install python"
    } else {
        "sudo apt-get install python3 python3-pip"
    }
}

/// The command that installs pip here.
fn install_pip() -> &'static str {
    if std::env::var_os("VIRTUAL_ENV").is_some() {
        "python3 -m ensurepip"
    } else if cfg!(target_os = "macos") {
        "python3 -m ensurepip --user"
    } else {
        "sudo apt-get install python3-pip"
    }
}

fn is_old(version: &str) -> bool {
    let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    found < OLDEST_PIP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(is_old("9.0.3"));
        assert!(is_old("20.3.4"));
        assert!(!is_old("21.0"));
        assert!(!is_old("100.1b2"));
    }
}
