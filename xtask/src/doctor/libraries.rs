//! libtorch: whether it is there, the right one, loadable, and with CUDA where there is a GPU.

use std::path::Path;

use anyhow::Result;

use super::Finding;
use super::Verdict::{Advice, Missing};
use crate::process;
use crate::setup::libtorch::{self, Abi, Libtorch, VERSION};
use crate::setup::python;
use crate::workspace::Workspace;

pub(super) fn findings(workspace: &Workspace) -> Vec<Finding> {
    let folder = workspace.users_libtorch().unwrap_or_else(|| workspace.link());
    let inspected = libtorch::inspect(&folder);
    let mut findings = vec![version(workspace, &folder, &inspected), abi(&folder)];
    if let Ok(found) = &inspected {
        findings.push(loading(found));
    }
    findings.push(cuda(inspected.is_ok_and(|found| found.cuda)));
    findings.extend(variables());
    findings
}

fn version(workspace: &Workspace, folder: &Path, inspected: &Result<Libtorch>) -> Finding {
    let set_by_user = workspace.users_libtorch().is_some();
    let place = if set_by_user { "$LIBTORCH" } else { ".libtorch" };
    let expected = format!("{VERSION}, linked as .libtorch or in $LIBTORCH");
    let mend = if set_by_user { "unset LIBTORCH" } else { "cargo xtask setup" };
    match inspected {
        Ok(found) => {
            let path = std::fs::canonicalize(&found.folder).unwrap_or_else(|_| folder.to_owned());
            Finding::fine("libtorch", format!("{VERSION} in {}", path.display()), expected)
        }
        Err(why) => {
            Finding::fine("libtorch", format!("{place}: {why}"), expected).but(Missing, mend)
        }
    }
}

fn abi(folder: &Path) -> Finding {
    let expected = "C++11, as today's compilers use";
    match libtorch::abi(folder) {
        Some(Abi::Cxx11) => Finding::fine("libtorch ABI", "C++11", expected),
        Some(Abi::Old) => Finding::fine("libtorch ABI", "before C++11", expected)
            .but(Missing, "cargo xtask setup --force"),
        None => Finding::fine("libtorch ABI", "cannot be told", expected).but(Advice, ""),
    }
}

fn loading(found: &Libtorch) -> Finding {
    let expected = "it can be loaded";
    if python::version().is_none() {
        return Finding::fine("libtorch loads", "not tried: no python3", expected).but(Advice, "");
    }
    match python::load(&found.main_library()) {
        Ok(()) => Finding::fine("libtorch loads", "yes", expected),
        Err(why) => Finding::fine("libtorch loads", why.to_string(), expected)
            .but(Missing, "cargo xtask setup --force"),
    }
}

fn cuda(has_library: bool) -> Finding {
    let query = ["--query-gpu=name,driver_version", "--format=csv,noheader"];
    let gpu = process::first_line("nvidia-smi", &query);
    let expected = "optional: a GPU, its driver and libtorch with CUDA 13";
    let library = if has_library { "libtorch has CUDA" } else { "libtorch is for the CPU" };
    let shown = format!("{}; {library}", gpu.as_deref().unwrap_or("no GPU"));
    match (gpu, has_library) {
        (Some(_), false) => {
            Finding::fine("cuda", shown, expected).but(Advice, "cargo xtask setup --cuda")
        }
        _ => Finding::fine("cuda", shown, expected),
    }
}

/// Variables that lead the build of torch-sys away from the libtorch that was found.
fn variables() -> Option<Finding> {
    let names = ["LIBTORCH_USE_PYTORCH", "LIBTORCH_LIB", "LIBTORCH_INCLUDE", "LIBTORCH_STATIC"];
    let set = names.into_iter().find(|name| std::env::var_os(name).is_some())?;
    let finding = Finding::fine("environment", format!("{set} is set"), "none of libtorch's own");
    Some(finding.but(Advice, format!("unset {set}")))
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_missing_libtorch_is_mended_by_setup() {
        let workspace = Workspace::find().unwrap();
        let inspected = Err(anyhow!("it is not there"));
        let finding = version(&workspace, Path::new("nowhere"), &inspected);
        assert_eq!(finding.verdict, Missing);
        assert!(["cargo xtask setup", "unset LIBTORCH"].contains(&finding.mend.as_str()));
    }

    #[test]
    fn an_abi_that_cannot_be_told_stops_nothing() {
        assert_eq!(abi(Path::new("nowhere")).verdict, Verdict::Advice);
    }
}
