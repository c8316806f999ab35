//! The Python with the peer's packages: the user's, or an environment of its own in the cache folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::terminal::note;
use crate::workspace::Workspace;
use crate::{process, python, setup};

const REQUIREMENTS: &str = "benches/peer/requirements.txt";

/// The program to run the peer with.
pub(super) fn python(workspace: &Workspace) -> Result<PathBuf, String> {
    let own = std::env::var_os("EQUIAV_PEER_PYTHON").filter(|value| !value.is_empty());
    match own.map(PathBuf::from) {
        Some(own) if own.exists() => Ok(own),
        Some(own) => Err(format!("EQUIAV_PEER_PYTHON={} is not there", own.display())),
        None => cached(workspace),
    }
}

/// The environment in the cache folder, made anew where its packages are not the wanted ones.
fn cached(workspace: &Workspace) -> Result<PathBuf, String> {
    let wanted = workspace.read(REQUIREMENTS)?;
    let home = setup::cache::folder()?.join("peer");
    let program = home.join("bin").join("python");
    // Written last, so it stands for a whole environment.
    let marker = home.join("requirements.txt");
    if program.exists() && fs::read_to_string(&marker).is_ok_and(|found| found == wanted) {
        return Ok(program);
    }
    python::pip()?;
    make(&home, &program, workspace)?;
    let wrote = fs::write(&marker, wanted);
    wrote.map_err(|e| format!("cannot write {}: {e}", marker.display()))?;
    Ok(program)
}

fn make(home: &Path, program: &Path, workspace: &Workspace) -> Result<(), String> {
    if home.exists() {
        fs::remove_dir_all(home).map_err(|e| format!("cannot remove {}: {e}", home.display()))?;
    }
    note(&format!("installing the peer's packages into {}", home.display()));
    process::run(python::command().args(["-m", "venv"]).arg(home))?;
    let mut pip = Command::new(program);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    process::run(pip.arg(workspace.root().join(REQUIREMENTS)))
}
