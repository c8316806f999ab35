//! Where whatever can be made again is kept between runs.

use std::env;
use std::path::PathBuf;

/// The folder for everything that can be made again: `$EQUIAV_CACHE`, else `equiav` in
/// `$XDG_CACHE_HOME`, else `.cache/equiav` in the home folder; `None` if none of the three is set.
///
/// The folder need not exist yet.
pub fn cache_folder() -> Option<PathBuf> {
    choose(|name| env::var_os(name).map(PathBuf::from))
}

fn choose(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let filled = |name| variable(name).filter(|path| !path.as_os_str().is_empty());
    if let Some(own) = filled("EQUIAV_CACHE") {
        return Some(own);
    }
    // The XDG rules: a path that is not absolute is to be ignored.
    if let Some(base) = filled("XDG_CACHE_HOME").filter(|path| path.is_absolute()) {
        return Some(base.join("equiav"));
    }
    filled("HOME").map(|home| home.join(".cache").join("equiav"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(set: &[(&str, &str)], expected: Option<&str>) {
        let variable =
            |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, v)| PathBuf::from(v));
        assert_eq!(choose(variable), expected.map(PathBuf::from));
    }

    #[test]
    fn own_variable_goes_before_xdg_before_home() {
        check(&[("EQUIAV_CACHE", "here"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")], Some("here"));
        check(&[("EQUIAV_CACHE", ""), ("XDG_CACHE_HOME", "/x")], Some("/x/equiav"));
        check(&[("XDG_CACHE_HOME", "relative"), ("HOME", "/h")], Some("/h/.cache/equiav"));
        check(&[], None);
    }
}
