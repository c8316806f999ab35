//! The folder outside `target/` in which libtorch is kept, so that `cargo clean` does not cost a download.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

/// The cache folder, which need not exist yet.
pub(crate) fn folder() -> Result<PathBuf> {
    choose(|name| env::var_os(name).filter(|value| !value.is_empty()))
}

fn choose(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf> {
    if let Some(own) = variable("EQUIAV_CACHE").map(PathBuf::from) {
        let shown = own.display();
        ensure!(own.is_absolute(), "EQUIAV_CACHE={shown} is relative: give an absolute path");
        return Ok(own);
    }
    // The standard has relative ones ignored.
    let shared = variable("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(shared) = shared {
        return Ok(shared.join("equiav"));
    }
    let within = if cfg!(target_os = "macos") { "Library/Caches/equiav" } else { ".cache/equiav" };
    let home = variable("HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    home.map(|home| home.join(within))
        .context("there is no home folder: set EQUIAV_CACHE to a folder to keep libtorch in")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(variables: &[(&str, &str)]) -> Result<PathBuf> {
        choose(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn the_more_special_variable_wins() {
        let all = [("EQUIAV_CACHE", "/a"), ("XDG_CACHE_HOME", "/b"), ("HOME", "/c")];
        assert_eq!(chosen(&all).unwrap(), PathBuf::from("/a"));
        assert_eq!(chosen(&all[1..]).unwrap(), PathBuf::from("/b/equiav"));
        assert!(chosen(&all[2..]).unwrap().starts_with("/c"));
    }

    #[test]
    fn no_home_and_a_relative_folder_are_refused() {
        assert!(chosen(&[]).unwrap_err().to_string().contains("set EQUIAV_CACHE"));
        let error = chosen(&[("EQUIAV_CACHE", "here")]).unwrap_err();
        assert!(error.to_string().contains("is relative"));
    }
}
