//! The git-ignored link `.libtorch` in the repository, which `.cargo/config.toml` names.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::libtorch::{self, Libtorch};
use crate::output::note;
use crate::process;
use crate::workspace::Workspace;

/// Points the link to `found`.
pub(crate) fn make(workspace: &Workspace, found: &Libtorch) -> Result<()> {
    let link = workspace.link();
    let shown = || found.folder.display().to_string();
    let target = fs::canonicalize(&found.folder).with_context(shown)?;
    let had_cuda = libtorch::inspect(&link).is_ok_and(|old| old.cuda);
    if replace(&link, &target)? && had_cuda && !found.cuda {
        // Its build script noted that there is a CUDA library to be linked.
        note("libtorch is without CUDA now: torch-sys will be built again");
        for profile in ["dev", "release"] {
            let clean = ["clean", "--quiet", "--package", "torch-sys", "--profile", profile];
            process::run(workspace.cargo().args(clean))?;
        }
    }
    Ok(())
}

/// Whether the link had to be changed; at no moment is there none.
fn replace(link: &Path, target: &Path) -> Result<bool> {
    if fs::read_link(link).is_ok_and(|old| old == target) {
        return Ok(false);
    }
    let in_the_way = fs::symlink_metadata(link).is_ok_and(|found| !found.is_symlink());
    ensure!(!in_the_way, "{} is in the way, and no link: move it away", link.display());
    let new = link.with_extension(format!("new-{}", std::process::id()));
    let made = symlink(target, &new).and_then(|()| fs::rename(&new, link));
    made.with_context(|| format!("cannot make the link {}", link.display()))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::tempdir;

    #[test]
    fn a_link_is_made_once_and_moved() {
        let scratch = tempdir().unwrap();
        let link = scratch.path().join(".libtorch");
        let (one, two) = (scratch.path().join("one"), scratch.path().join("two"));
        assert!(replace(&link, &one).unwrap());
        assert!(!replace(&link, &one).unwrap());
        assert!(replace(&link, &two).unwrap());
        assert_eq!(fs::read_link(&link).unwrap(), two);
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_folder_in_the_way_is_not_removed() {
        let scratch = tempdir().unwrap();
        let link = scratch.path().join(".libtorch");
        fs::create_dir(&link).unwrap();
        let error = replace(&link, Path::new("/nowhere")).unwrap_err();
        assert!(error.to_string().contains("in the way"));
        assert!(link.is_dir());
    }
}
