//! The Python with the peer's packages: the user's, or an environment of its own in the cache folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use super::{cache, python};
use crate::output::note;
use crate::process;
use crate::workspace::Workspace;

const REQUIREMENTS: &str = "benches/peer/requirements.txt";

/// The program to run the peer with.
pub(crate) fn python(workspace: &Workspace) -> Result<PathBuf> {
    let own = std::env::var_os("EQUIAV_PEER_PYTHON").filter(|value| !value.is_empty());
    match own.map(PathBuf::from) {
        Some(own) if own.exists() => Ok(own),
        Some(own) => bail!("EQUIAV_PEER_PYTHON={} is not there", own.display()),
        None => cached(workspace),
    }
}

/// A program of the peers' environment, such as torchrun.
pub(crate) fn program(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let program = python(workspace)?.with_file_name(name);
    ensure!(program.exists(), "{} is not there", program.display());
    Ok(program)
}

/// The environment in the cache folder, made anew where its packages are not the wanted ones.
fn cached(workspace: &Workspace) -> Result<PathBuf> {
    let wanted = workspace.read(REQUIREMENTS)?;
    let home = cache::folder()?.join("peer");
    let program = home.join("bin").join("python");
    // Written last, so it stands for a whole environment.
    let marker = home.join("requirements.txt");
    if program.exists() && fs::read_to_string(&marker).is_ok_and(|found| found == wanted) {
        return Ok(program);
    }
    python::pip()?;
    make(&home, &program, workspace)?;
    fs::write(&marker, wanted).with_context(|| format!("cannot write {}", marker.display()))?;
    Ok(program)
}

fn make(home: &Path, program: &Path, workspace: &Workspace) -> Result<()> {
    if home.exists() {
        fs::remove_dir_all(home).with_context(|| format!("cannot remove {}", home.display()))?;
    }
    note(&format!("installing the peer's packages into {}", home.display()));
    process::run(python::command().args(["-m", "venv"]).arg(home))?;
    let mut pip = Command::new(program);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    process::run(pip.arg(workspace.root().join(REQUIREMENTS)))
}
