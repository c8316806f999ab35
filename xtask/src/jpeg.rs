//! Which library decodes jpgs: libjpeg-turbo where its build tools are found, else zune-jpeg.

use crate::process;

/// What the build of libjpeg-turbo needs, each with the option that makes it tell its version.
const TOOLS: [(&str, &str); 2] = [("cmake", "--version"), ("nasm", "-v")];

/// What an optimized build is to be given, so that it has libjpeg-turbo where that can be built.
///
/// The tests of the workspace do without: they must not differ between machines. Those of equiav-data run with
/// either.
pub(crate) fn features() -> &'static [&'static str] {
    features_with(&tools())
}

/// Each tool with the first line that it says of itself, if it is on `PATH`.
pub(crate) fn tools() -> [(&'static str, Option<String>); 2] {
    TOOLS.map(|(name, option)| (name, process::first_line(name, &[option])))
}

/// Those of `tools` that were not found.
pub(crate) fn missing(tools: &[(&'static str, Option<String>)]) -> Vec<&'static str> {
    tools.iter().filter(|(_, found)| found.is_none()).map(|(name, _)| *name).collect()
}

fn features_with(tools: &[(&'static str, Option<String>)]) -> &'static [&'static str] {
    if missing(tools).is_empty() { &["--features", "turbojpeg"] } else { &[] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tool_is_not_enough() {
        let (cmake, nasm) = (("cmake", Some("cmake version 3".to_owned())), ("nasm", None));
        assert_eq!(missing(&[cmake.clone(), nasm.clone()]), ["nasm"]);
        assert!(features_with(&[cmake.clone(), nasm]).is_empty());
        let nasm = ("nasm", Some("NASM version 2".to_owned()));
        assert_eq!(features_with(&[cmake, nasm]), ["--features", "turbojpeg"]);
    }
}
