//! Compiles the C++ border to libtorch and lets what is built here find libtorch at run time.
//!
//! libtorch is where torch-sys found it (`DEP_TCH_LIBTORCH_LIB`), else at `LIBTORCH`.

use std::path::{Path, PathBuf};
use std::{env, error::Error};

const BORDER: &str = "src/border";
const SOURCES: [&str; 5] =
    ["checkpoint.cc", "message.cc", "optimizer.cc", "precision.cc", "system.cc"];

/// Process groups. Gloo's headers are not part of libtorch: `gloo/` declares the names that c10d's need.
const GROUP_SOURCES: [&str; 4] = ["gather.cc", "group.cc", "reducer.cc", "store.cc"];

fn main() -> Result<(), Box<dyn Error>> {
    for name in ["LIBTORCH", "LIBTORCH_INCLUDE", "LIBTORCH_CXX11_ABI", "DEP_TCH_LIBTORCH_LIB"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={BORDER}");

    let lib = lib_folder()?;
    let include = include_folder(&lib)?;
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .debug(false)
        .define("_GLIBCXX_USE_CXX11_ABI", abi.as_str())
        .flag(format!("-isystem{}", include.display()))
        .flag(format!("-isystem{}", include.join("torch/csrc/api/include").display()))
        .define("USE_C10D_GLOO", None)
        .include(BORDER)
        .files(SOURCES.iter().chain(&GROUP_SOURCES).map(|source| Path::new(BORDER).join(source)))
        .try_compile("equiav_border")?;

    println!("cargo::rustc-link-search=native={}", lib.display());
    println!("cargo::rustc-link-lib=torch_cpu");
    println!("cargo::rustc-link-lib=c10");
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", lib.display());
    Ok(())
}

/// The folder of libtorch's shared libraries.
fn lib_folder() -> Result<PathBuf, String> {
    let from_torch_sys = env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from);
    let from_setting = env::var_os("LIBTORCH").map(|root| Path::new(&root).join("lib"));
    let lib = from_torch_sys.or(from_setting).ok_or_else(|| explain("LIBTORCH is not set"))?;
    if lib.is_dir() {
        return Ok(lib);
    }
    Err(explain(&format!("there is no folder {}", lib.display())))
}

/// The folder of libtorch's headers, beside `lib` unless `LIBTORCH_INCLUDE` names another root.
fn include_folder(lib: &Path) -> Result<PathBuf, String> {
    let root = match env::var_os("LIBTORCH_INCLUDE") {
        Some(root) => PathBuf::from(root),
        None => lib.parent().unwrap_or(lib).to_owned(),
    };
    let include = root.join("include");
    if include.join("ATen/ops/_fused_adamw.h").is_file() {
        return Ok(include);
    }
    Err(explain(&format!("{} does not hold libtorch's headers", include.display())))
}

fn explain(what: &str) -> String {
    format!("{what}: run `cargo xtask setup`, or set LIBTORCH to the root of libtorch 2.11.0")
}
