//! The git-ignored link `.libtorch` in the repository, which `.cargo/config.toml` names.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::libtorch::{self, Libtorch};
use crate::process;
use crate::terminal::note;
use crate::workspace::Workspace;

/// Points the link to `found`.
pub(crate) fn make(workspace: &Workspace, found: &Libtorch) -> Result<(), String> {
    let link = workspace.link();
    let target =
        fs::canonicalize(&found.folder).map_err(|e| format!("{}: {e}", found.folder.display()))?;
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
fn replace(link: &Path, target: &Path) -> Result<bool, String> {
    if fs::read_link(link).is_ok_and(|old| old == target) {
        return Ok(false);
    }
    if fs::symlink_metadata(link).is_ok_and(|found| !found.is_symlink()) {
        return Err(format!("{} is in the way, and no link: move it away", link.display()));
    }
    let new = link.with_extension(format!("new-{}", std::process::id()));
    let made = symlink(target, &new).and_then(|()| fs::rename(&new, link));
    made.map_err(|e| format!("cannot make the link {}: {e}", link.display()))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libtorch::tests::Scratch;

    #[test]
    fn a_link_is_made_once_and_moved() {
        let scratch = Scratch::new("link");
        let link = scratch.0.join(".libtorch");
        let (one, two) = (scratch.0.join("one"), scratch.0.join("two"));
        assert_eq!(replace(&link, &one), Ok(true));
        assert_eq!(replace(&link, &one), Ok(false));
        assert_eq!(replace(&link, &two), Ok(true));
        assert_eq!(fs::read_link(&link).unwrap(), two);
        assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_folder_in_the_way_is_not_removed() {
        let scratch = Scratch::new("folder-in-the-way");
        let link = scratch.0.join(".libtorch");
        fs::create_dir(&link).unwrap();
        assert!(replace(&link, Path::new("/nowhere")).unwrap_err().contains("in the way"));
        assert!(link.is_dir());
    }
}
