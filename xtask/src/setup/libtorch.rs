//! What a folder with `lib/` and `include/` holds: which libtorch, for which C++ ABI, with CUDA or not.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};

/// The version that `tch` of the root `Cargo.toml` accepts.
pub(crate) const VERSION: &str = "2.11.0";

/// The shared library of the name on this system.
fn library(name: &str) -> String {
    format!("lib{name}.{}", if cfg!(target_os = "macos") { "dylib" } else { "so" })
}

/// A libtorch that this workspace can be built with.
#[derive(Clone, Debug)]
pub(crate) struct Libtorch {
    /// Holds `lib/` and `include/`.
    pub(crate) folder: PathBuf,
    /// Whether the CUDA kernels lie beside it.
    pub(crate) cuda: bool,
}

impl Libtorch {
    /// The library that everything is in.
    pub(crate) fn main_library(&self) -> PathBuf {
        self.folder.join("lib").join(library("torch_cpu"))
    }

    /// For people: version, kind and place.
    pub(crate) fn describe(&self) -> String {
        let kind = if self.cuda { "with CUDA" } else { "CPU" };
        format!("libtorch {VERSION} ({kind}) in {}", self.folder.display())
    }
}

/// Looks into `folder`; the error says what is wrong with it, as a clause.
pub(crate) fn inspect(folder: &Path) -> Result<Libtorch> {
    ensure!(folder.is_dir(), "it is not there");
    let mut needed =
        ["c10", "torch_cpu", "torch"].map(|name| format!("lib/{}", library(name))).to_vec();
    needed.push("include/torch/csrc/api/include/torch/torch.h".to_owned());
    for file in needed {
        ensure!(folder.join(&file).is_file(), "it has no {file}");
    }
    match version(folder) {
        None => bail!("its version cannot be told"),
        Some(found) => ensure!(found == VERSION, "it is version {found}"),
    }
    ensure!(abi(folder) != Some(Abi::Old), "it is built for the C++ ABI from before C++11");
    let cuda = folder.join("lib").join(library("torch_cuda")).is_file();
    Ok(Libtorch { folder: folder.to_owned(), cuda })
}

/// Which C++ standard library a libtorch was built for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Abi {
    /// `std::__cxx11::string`, what today's compilers use.
    Cxx11,
    /// The one before, which some old wheels had.
    Old,
}

/// The ABI, told from how `c10` spells a function that takes a string; none where it is not found.
pub(crate) fn abi(folder: &Path) -> Option<Abi> {
    let bytes = fs::read(folder.join("lib").join(library("c10"))).ok()?;
    abi_of(&bytes)
}

fn abi_of(bytes: &[u8]) -> Option<Abi> {
    // c10::detail::torchCheckFail(const char*, const char*, uint32_t, const std::string&)
    let function = b"_ZN3c106detail14torchCheckFailEPKcS2_jRK";
    let starts = bytes.windows(function.len()).enumerate();
    let after = starts.filter(|(_, window)| window == function).map(|(at, _)| at + function.len());
    let mut endings = after.filter_map(|at| bytes.get(at..));
    endings.find_map(|ending| match ending {
        ending if ending.starts_with(b"NSt7__cxx11") => Some(Abi::Cxx11),
        ending if ending.starts_with(b"NSt3__1") => Some(Abi::Cxx11),
        ending if ending.starts_with(b"Ss") => Some(Abi::Old),
        _ => None,
    })
}

/// The version that the headers state, or else the package's own file; no local suffix.
pub(crate) fn version(folder: &Path) -> Option<String> {
    let headers =
        ["include/torch/headeronly/version.h", "include/torch/csrc/api/include/torch/version.h"];
    let read = |path: &str| fs::read_to_string(folder.join(path)).ok();
    let from_headers = || headers.iter().filter_map(|path| read(path)).find_map(header_version);
    let from_package = || {
        let text = read("version.py")?;
        let line = text.lines().find_map(|line| line.strip_prefix("__version__ = "))?;
        Some(line.trim().trim_matches(['\'', '"']).to_owned())
    };
    let found = from_headers().or_else(from_package).or_else(|| read("build-version"))?;
    found.trim().split('+').next().map(str::to_owned)
}

fn header_version(text: String) -> Option<String> {
    let number = |part: &str| {
        let name = format!("#define TORCH_VERSION_{part} ");
        text.lines().find_map(|line| line.strip_prefix(&name)).map(|value| value.trim().to_owned())
    };
    Some([number("MAJOR")?, number("MINOR")?, number("PATCH")?].join("."))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A folder that looks like libtorch of `version` to [`inspect`].
    pub(crate) fn imitate(folder: &Path, version: &str) {
        let include = folder.join("include/torch/csrc/api/include/torch");
        fs::create_dir_all(&include).unwrap();
        fs::create_dir_all(folder.join("lib")).unwrap();
        fs::write(include.join("torch.h"), "").unwrap();
        fs::write(folder.join("version.py"), format!("__version__ = '{version}+cu130'\n")).unwrap();
        for name in ["c10", "torch_cpu", "torch"] {
            fs::write(folder.join("lib").join(library(name)), "").unwrap();
        }
    }

    #[test]
    fn the_right_version_is_accepted_and_what_is_wrong_is_named() {
        let scratch = tempfile::tempdir().unwrap();
        let (folder, at) = (scratch.path(), |name| scratch.path().join("lib").join(library(name)));
        let wrong = |folder: &Path| inspect(folder).unwrap_err().to_string();
        imitate(folder, VERSION);
        assert!(!inspect(folder).unwrap().cuda);
        fs::write(at("torch_cuda"), "").unwrap();
        assert!(inspect(folder).unwrap().cuda);
        imitate(folder, "2.5.1");
        assert_eq!(wrong(folder), "it is version 2.5.1");
        fs::remove_file(at("torch_cpu")).unwrap();
        assert_eq!(wrong(folder), format!("it has no lib/{}", library("torch_cpu")));
        assert_eq!(wrong(&folder.join("gone")), "it is not there");
    }

    #[test]
    fn headers_state_the_version() {
        let text = "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 11\n\
                    #define TORCH_VERSION_PATCH 0\n";
        assert_eq!(header_version(text.to_owned()).as_deref(), Some("2.11.0"));
    }

    #[test]
    fn the_abi_is_told_from_a_mangled_string() {
        let symbol =
            |ending: &str| format!("..._ZN3c106detail14torchCheckFailEPKcS2_jRK{ending}\0");
        let abi = |ending: &str| abi_of(symbol(ending).as_bytes());
        assert_eq!(abi("NSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"), Some(Abi::Cxx11));
        assert_eq!(abi("Ss"), Some(Abi::Old));
        assert_eq!(abi_of(b"nothing of the kind"), None);
    }
}
