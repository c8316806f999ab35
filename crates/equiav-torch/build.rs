//! Compiles the C++ functions that call libtorch, and lets what is built here find libtorch at run time.
//!
//! libtorch is where torch-sys found it (`DEP_TCH_LIBTORCH_LIB`), else at `LIBTORCH`.

use std::path::{Path, PathBuf};
use std::{env, error::Error};

const FFI: &str = "src/ffi/cpp";
const SOURCES: [&str; 5] =
    ["checkpoint.cc", "message.cc", "optimizer.cc", "precision.cc", "system.cc"];

/// Process groups. Gloo's headers are not part of libtorch: `gloo/` declares the names that c10d's need.
const GROUP_SOURCES: [&str; 4] = ["gather.cc", "group.cc", "reducer.cc", "store.cc"];

fn main() -> Result<(), Box<dyn Error>> {
    for name in [
        "LIBTORCH",
        "LIBTORCH_INCLUDE",
        "LIBTORCH_CXX11_ABI",
        "DEP_TCH_LIBTORCH_LIB",
        "CUDA_HOME",
        "NCCL_HOME",
    ] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={FFI}");

    let lib = lib_folder()?;
    let include = include_folder(&lib)?;
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
    let mut build = cc::Build::new();
    if env::var_os("CARGO_FEATURE_NCCL").is_some() {
        build.define("EQUIAV_NCCL", None).define("USE_C10D_NCCL", None);
        for include in cuda_includes(&lib)? {
            build.flag(format!("-isystem{}", include.display()));
        }
    }
    build
        .cpp(true)
        .std("c++17")
        .debug(false)
        .define("_GLIBCXX_USE_CXX11_ABI", abi.as_str())
        .flag(format!("-isystem{}", include.display()))
        .flag(format!("-isystem{}", include.join("torch/csrc/api/include").display()))
        .define("USE_C10D_GLOO", None)
        .include(FFI)
        .files(SOURCES.iter().chain(&GROUP_SOURCES).map(|source| Path::new(FFI).join(source)))
        .try_compile("equiav_ffi")?;

    println!("cargo::rustc-link-search=native={}", lib.display());
    println!("cargo::rustc-link-lib=torch_cpu");
    println!("cargo::rustc-link-lib=c10");
    if env::var_os("CARGO_FEATURE_NCCL").is_some() {
        println!("cargo::rustc-link-lib=torch_cuda");
        println!("cargo::rustc-link-lib=c10_cuda");
    }
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

/// The folders of the headers of CUDA and of NCCL: at `CUDA_HOME` and `NCCL_HOME`, else where pip puts
/// them beside libtorch.
fn cuda_includes(lib: &Path) -> Result<[PathBuf; 2], String> {
    let packages = lib.canonicalize().ok().and_then(|lib| Some(lib.parent()?.parent()?.to_owned()));
    let find = |variable: &str, header: &str, beside: &str| {
        let set = env::var_os(variable).map(|root| Path::new(&root).join("include"));
        let pip = packages.as_ref().map(|packages| packages.join("nvidia").join(beside));
        let places = set.into_iter().chain(pip);
        let found = places.into_iter().find(|folder| folder.join(header).is_file());
        found
            .ok_or_else(|| format!("the feature `nccl` needs {header}: set {variable} to its root"))
    };
    Ok([
        find("CUDA_HOME", "cuda_runtime_api.h", "cu13/include")?,
        find("NCCL_HOME", "nccl.h", "nccl/include")?,
    ])
}

fn explain(what: &str) -> String {
    format!("{what}: run `cargo xtask setup`, or set LIBTORCH to the root of libtorch 2.11.0")
}
