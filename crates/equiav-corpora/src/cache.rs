//! Where downloads and what is made from them are kept between runs.

use std::env;
use std::path::PathBuf;

/// The folder for everything that can be made again: `$EQUIAV_CACHE`, else `equiav` in
/// `$XDG_CACHE_HOME`, else `.cache/equiav` in the home folder.
///
/// The folder need not exist yet.
///
/// # Errors
///
/// If none of the three is set; the message says which to set.
pub fn cache_folder() -> anyhow::Result<PathBuf> {
    choose(|name| env::var_os(name).map(PathBuf::from))
}

fn choose(variable: impl Fn(&str) -> Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let filled = |name| variable(name).filter(|path| !path.as_os_str().is_empty());
    if let Some(own) = filled("EQUIAV_CACHE") {
        return Ok(own);
    }
    // The XDG rules: a path that is not absolute is to be ignored.
    if let Some(base) = filled("XDG_CACHE_HOME").filter(|path| path.is_absolute()) {
        return Ok(base.join("equiav"));
    }
    match filled("HOME") {
        Some(home) => Ok(home.join(".cache").join("equiav")),
        None => anyhow::bail!("there is no home folder to cache in; set EQUIAV_CACHE to a folder"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(set: &[(&str, &str)], expected: Option<&str>) {
        let variable =
            |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, v)| PathBuf::from(v));
        assert_eq!(choose(variable).ok(), expected.map(PathBuf::from));
    }

    #[test]
    fn own_variable_goes_before_xdg_before_home() {
        check(&[("EQUIAV_CACHE", "here"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")], Some("here"));
        check(&[("EQUIAV_CACHE", ""), ("XDG_CACHE_HOME", "/x")], Some("/x/equiav"));
        check(&[("XDG_CACHE_HOME", "relative"), ("HOME", "/h")], Some("/h/.cache/equiav"));
        check(&[], None);
    }
}
