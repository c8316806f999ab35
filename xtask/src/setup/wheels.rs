//! Which wheels hold libtorch and FFmpeg, by exact name and SHA-256, and which of their files are wanted.
//!
//! The hashes of Linux on x86-64 without CUDA are of files that were unpacked and run, those of FFmpeg on aarch64 of
//! one that was fetched; the others are those that the package index states, for files that were not fetched when
//! this was written.

use anyhow::{Context as _, Result, bail};

use super::libtorch::VERSION;

/// Every wheel, as `sha256sum` prints it.
const WHEELS: &str = include_str!("wheels.sha256");

/// One wheel.
#[derive(Debug)]
pub(super) struct Wheel {
    /// Its name, which holds package, version and platforms.
    pub(super) file: &'static str,
    /// Lower-case hexadecimal.
    pub(super) sha256: &'static str,
}

impl Wheel {
    /// What pip is asked for, such as `torch==2.11.0`.
    pub(super) fn requirement(&self) -> String {
        let mut parts = self.file.split('-');
        let mut next = || parts.next().unwrap_or_default();
        format!("{}=={}", next().replace('_', "-"), next())
    }

    /// The platform tags that the file's name ends in; pip must be given exactly these.
    pub(super) fn platforms(&self) -> Vec<&'static str> {
        let stem = self.file.strip_suffix(".whl").unwrap_or(self.file);
        stem.rsplit('-').next().unwrap_or_default().split('.').collect()
    }
}

/// All that is fetched for one kind of libtorch.
#[derive(Debug)]
pub(super) struct Plan {
    /// The name of the folder it becomes.
    pub(super) name: String,
    pub(super) wheels: Vec<Wheel>,
    /// Patterns of wanted files; one that starts with `!` leaves files out again.
    pub(super) members: &'static [&'static str],
    /// Disk space needed while it is made, in gigabytes.
    pub(super) gigabytes: u64,
    /// What is to be said when this has never been run by us.
    pub(super) caution: Option<&'static str>,
}

/// What to fetch for a system, named as in `std::env::consts`.
pub(super) fn plan(system: &str, architecture: &str, cuda: bool) -> Result<Plan> {
    let kind = if cuda { "cuda" } else { "cpu" };
    let caution = Some(UNTRIED);
    let (platform, members, gigabytes, caution) = match (system, architecture, cuda) {
        ("linux", "x86_64", false) => ("_x86_64", CPU_MEMBERS, 2, None),
        ("linux", "x86_64", true) => ("_x86_64", CUDA_MEMBERS, 12, caution),
        ("linux", "aarch64", false) => ("_aarch64", AARCH64_MEMBERS, 3, caution),
        ("macos", "aarch64", false) => ("_arm64", MACOS_MEMBERS, 1, caution),
        _ => bail!(
            "there is no {kind} libtorch {VERSION} for {system} on {architecture} in the package index: \
             build one and set LIBTORCH to its folder"
        ),
    };
    let wheels = wheels(platform).filter(|wheel| {
        let starts =
            |prefixes: &[&str]| prefixes.iter().any(|prefix| wheel.file.starts_with(prefix));
        starts(CPU_PACKAGES) || cuda && starts(&["nvidia_"])
    });
    let name = format!("libtorch-{VERSION}-{kind}");
    Ok(Plan { name, wheels: wheels.collect(), members, gigabytes, caution })
}

/// The wheel with a static FFmpeg for a system.
pub(super) fn ffmpeg(system: &str, architecture: &str) -> Result<Wheel> {
    let platform = format!("linux_2_28_{architecture}");
    let mut wheels = wheels(&platform).filter(|wheel| wheel.file.starts_with("imageio_ffmpeg"));
    wheels.find(|_| system == "linux").with_context(|| {
        format!(
            "no static FFmpeg is known for {system} on {architecture}: install FFmpeg with the \
             system's package manager, or set EQUIAV_FFMPEG to the program"
        )
    })
}

/// Those for a platform whose name ends in `ending`.
fn wheels(ending: &str) -> impl Iterator<Item = Wheel> + '_ {
    let all = WHEELS.lines().filter_map(|line| line.split_once("  "));
    let wheels = all.map(|(sha256, file)| Wheel { file, sha256 });
    wheels.filter(move |wheel| wheel.file.trim_end_matches(".whl").ends_with(ending))
}

const UNTRIED: &str = "these wheels are pinned by the hashes that the package index states, but this set was never tried by us";

/// What the CPU needs: `libtorch_cpu.so` is linked to two CUDA libraries.
const CPU_PACKAGES: &[&str] = &["torch-", "nvidia_cuda_runtime-", "nvidia_cuda_cupti-"];

const CPU_MEMBERS: &[&str] = &[
    "torch/version.py",
    "torch/include/*",
    "torch/lib/libc10.so",
    "torch/lib/libgomp.so.1",
    "torch/lib/libshm.so",
    "torch/lib/libtorch.so",
    "torch/lib/libtorch_cpu.so",
    "nvidia/cu13/lib/libcudart.so.13",
    "nvidia/cu13/lib/libcupti.so.13",
];

const CUDA_MEMBERS: &[&str] =
    &["torch/version.py", "torch/include/*", "torch/lib/*.so*", "nvidia/*/lib/*"];

const AARCH64_MEMBERS: &[&str] = &[
    "torch/version.py",
    "torch/include/*",
    "torch/lib/*.so*",
    "torch.libs/*",
    "nvidia/cu13/lib/libcudart.so.13",
    "nvidia/cu13/lib/libcupti.so.13",
    "!torch/lib/*cuda*",
    "!torch/lib/*nvshmem*",
    "!torch/lib/*nvrtc*",
    "!torch/lib/libtorch_python.so",
];

const MACOS_MEMBERS: &[&str] = &[
    "torch/version.py",
    "torch/include/*",
    "torch/lib/*.dylib",
    "!torch/lib/libtorch_python.dylib",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wheel_is_pinned_in_full() {
        for line in WHEELS.lines() {
            let (sha256, file) = line.split_once("  ").unwrap();
            let is_hash = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            assert!(sha256.len() == 64 && sha256.chars().all(is_hash), "{line}");
            assert!(file.ends_with(".whl") && file.split('-').count() == 5, "{line}");
        }
    }

    #[test]
    fn every_plan_has_torch_of_the_version_and_what_it_needs() {
        for (system, architecture, cuda, count) in [
            ("linux", "x86_64", false, 3),
            ("linux", "x86_64", true, 16),
            ("linux", "aarch64", false, 3),
            ("macos", "aarch64", false, 1),
        ] {
            let wheels = plan(system, architecture, cuda).unwrap().wheels;
            let wanted = format!("torch=={VERSION}");
            assert!(wheels.iter().any(|wheel| wheel.requirement() == wanted), "{wheels:?}");
            assert_eq!(wheels.len(), count, "{wheels:?}");
        }
        let first = &plan("linux", "x86_64", true).unwrap().wheels[0];
        assert_eq!(first.requirement(), "nvidia-cuda-runtime==13.0.96");
        assert_eq!(first.platforms(), ["manylinux2014_x86_64", "manylinux_2_17_x86_64"]);
        for architecture in ["x86_64", "aarch64"] {
            let wheel = ffmpeg("linux", architecture).unwrap();
            assert_eq!(wheel.requirement(), "imageio-ffmpeg==0.8.1");
            assert!(wheel.file.contains(architecture));
        }
    }

    #[test]
    fn an_unknown_system_is_refused_with_the_way_out() {
        let error = plan("plan9", "mips", false).unwrap_err().to_string();
        assert!(error.contains("plan9 on mips") && error.contains("LIBTORCH"), "{error}");
        assert!(plan("macos", "aarch64", true).is_err() && ffmpeg("macos", "aarch64").is_err());
        let error = ffmpeg("plan9", "mips").unwrap_err().to_string();
        assert!(error.contains("plan9 on mips") && error.contains("EQUIAV_FFMPEG"), "{error}");
    }
}
