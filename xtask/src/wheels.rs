//! Which wheels hold libtorch and FFmpeg, by exact name and SHA-256, and which of their files are wanted.
//!
//! The hashes of Linux on x86-64 without CUDA are of files that were unpacked and run; the others
//! are those that the package index states, for files that were not fetched when this was written.

use crate::libtorch::VERSION;

/// One wheel.
pub(crate) struct Wheel {
    /// What pip is asked for, such as `torch==2.11.0`.
    pub(crate) requirement: &'static str,
    /// The file that this must give.
    pub(crate) file: &'static str,
    /// Lower-case hexadecimal.
    pub(crate) sha256: &'static str,
}

impl Wheel {
    /// The platform tags that the file's name ends in; pip must be given exactly these.
    pub(crate) fn platforms(&self) -> Vec<&'static str> {
        let stem = self.file.strip_suffix(".whl").unwrap_or(self.file);
        stem.rsplit('-').next().unwrap_or_default().split('.').collect()
    }
}

/// All that is fetched for one kind of libtorch.
pub(crate) struct Plan {
    /// The name of the folder it becomes.
    pub(crate) name: String,
    pub(crate) wheels: &'static [Wheel],
    /// Patterns of wanted files; one that starts with `!` leaves files out again.
    pub(crate) members: &'static [&'static str],
    /// Disk space needed while it is made, in gigabytes.
    pub(crate) gigabytes: u64,
    /// What is to be said when this has never been run by us.
    pub(crate) caution: Option<&'static str>,
}

/// What to fetch for a system, named as in `std::env::consts`.
pub(crate) fn plan(system: &str, architecture: &str, cuda: bool) -> Result<Plan, String> {
    let kind = if cuda { "cuda" } else { "cpu" };
    let (wheels, members, gigabytes, caution): (_, _, _, Option<&str>) = match (
        system,
        architecture,
        cuda,
    ) {
        ("linux", "x86_64", false) => (&LINUX_X86_64[..CPU_ONLY], CPU_MEMBERS, 2, None),
        ("linux", "x86_64", true) => (LINUX_X86_64, CUDA_MEMBERS, 12, Some(UNTRIED)),
        ("linux", "aarch64", false) => (LINUX_AARCH64, AARCH64_MEMBERS, 3, Some(UNTRIED)),
        ("macos", "aarch64", false) => (MACOS_AARCH64, MACOS_MEMBERS, 1, Some(UNTRIED)),
        _ => {
            return Err(format!(
                "there is no {kind} libtorch {VERSION} for {system} on {architecture} in the package index: \
                     build one and set LIBTORCH to its folder"
            ));
        }
    };
    let name = format!("libtorch-{VERSION}-{kind}");
    Ok(Plan { name, wheels, members, gigabytes, caution })
}

/// The wheel with a static FFmpeg for a system.
pub(crate) fn ffmpeg(system: &str, architecture: &str) -> Result<Wheel, String> {
    let (file, sha256) = match (system, architecture) {
        ("linux", "x86_64") => (
            "imageio_ffmpeg-0.8.1-py3-none-manylinux_2_28_x86_64.whl",
            "050d6850601c3b3890bd2b28306f3b842b3daea390a561101174375a1c460bda",
        ),
        // Fetched and hashed, never run by us.
        ("linux", "aarch64") => (
            "imageio_ffmpeg-0.8.1-py3-none-manylinux_2_28_aarch64.whl",
            "fad3176f859b25869e60a8ed79957d4e3ed74a97a95e5f0cdcb91455f6c6d00e",
        ),
        _ => {
            return Err(format!(
                "no static FFmpeg is known for {system} on {architecture}: install FFmpeg with the \
                 system's package manager, or set EQUIAV_FFMPEG to the program"
            ));
        }
    };
    Ok(Wheel { requirement: "imageio-ffmpeg==0.8.1", file, sha256 })
}

const UNTRIED: &str = "these wheels are pinned by the hashes that the package index states, but this set was never tried by us";

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

/// How many of [`LINUX_X86_64`] the CPU needs: `libtorch_cpu.so` is linked to two CUDA libraries.
const CPU_ONLY: usize = 3;

const LINUX_X86_64: &[Wheel] = &[
    Wheel {
        requirement: "nvidia-cuda-runtime==13.0.96",
        file: "nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        sha256: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
    },
    Wheel {
        requirement: "nvidia-cuda-cupti==13.0.85",
        file: "nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl",
        sha256: "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
    },
    Wheel {
        requirement: "torch==2.11.0",
        file: "torch-2.11.0-cp312-cp312-manylinux_2_28_x86_64.whl",
        sha256: "0f68f4ac6d95d12e896c3b7a912b5871619542ec54d3649cf48cc1edd4dd2756",
    },
    Wheel {
        requirement: "nvidia-cudnn-cu13==9.19.0.56",
        file: "nvidia_cudnn_cu13-9.19.0.56-py3-none-manylinux_2_27_x86_64.whl",
        sha256: "d20e1734305e9d68889a96e3f35094d733ff1f83932ebe462753973e53a572bf",
    },
    Wheel {
        requirement: "nvidia-cusparselt-cu13==0.8.0",
        file: "nvidia_cusparselt_cu13-0.8.0-py3-none-manylinux2014_x86_64.whl",
        sha256: "25e30a8a7323935d4ad0340b95a0b69926eee755767e8e0b1cf8dd85b197d3fd",
    },
    Wheel {
        requirement: "nvidia-nccl-cu13==2.28.9",
        file: "nvidia_nccl_cu13-2.28.9-py3-none-manylinux_2_18_x86_64.whl",
        sha256: "e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42",
    },
    Wheel {
        requirement: "nvidia-nvshmem-cu13==3.4.5",
        file: "nvidia_nvshmem_cu13-3.4.5-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        sha256: "290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80",
    },
    Wheel {
        requirement: "nvidia-cublas==13.1.0.3",
        file: "nvidia_cublas-13.1.0.3-py3-none-manylinux_2_27_x86_64.whl",
        sha256: "ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171",
    },
    Wheel {
        requirement: "nvidia-cuda-nvrtc==13.0.88",
        file: "nvidia_cuda_nvrtc-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl",
        sha256: "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575",
    },
    Wheel {
        requirement: "nvidia-cufft==12.0.0.61",
        file: "nvidia_cufft-12.0.0.61-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        sha256: "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3",
    },
    Wheel {
        requirement: "nvidia-cufile==1.15.1.6",
        file: "nvidia_cufile-1.15.1.6-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        sha256: "08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44",
    },
    Wheel {
        requirement: "nvidia-curand==10.4.0.35",
        file: "nvidia_curand-10.4.0.35-py3-none-manylinux_2_27_x86_64.whl",
        sha256: "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc",
    },
    Wheel {
        requirement: "nvidia-cusolver==12.0.4.66",
        file: "nvidia_cusolver-12.0.4.66-py3-none-manylinux_2_27_x86_64.whl",
        sha256: "0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112",
    },
    Wheel {
        requirement: "nvidia-cusparse==12.6.3.3",
        file: "nvidia_cusparse-12.6.3.3-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        sha256: "2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b",
    },
    Wheel {
        requirement: "nvidia-nvjitlink==13.0.88",
        file: "nvidia_nvjitlink-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl",
        sha256: "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b",
    },
    Wheel {
        requirement: "nvidia-nvtx==13.0.85",
        file: "nvidia_nvtx-13.0.85-py3-none-manylinux1_x86_64.manylinux_2_5_x86_64.whl",
        sha256: "4936d1d6780fbe68db454f5e72a42ff64d1fd6397df9f363ae786930fd5c1cd4",
    },
];

const LINUX_AARCH64: &[Wheel] = &[
    Wheel {
        requirement: "nvidia-cuda-runtime==13.0.96",
        file: "nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
        sha256: "ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55",
    },
    Wheel {
        requirement: "nvidia-cuda-cupti==13.0.85",
        file: "nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_aarch64.whl",
        sha256: "796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151",
    },
    Wheel {
        requirement: "torch==2.11.0",
        file: "torch-2.11.0-cp312-cp312-manylinux_2_28_aarch64.whl",
        sha256: "f99924682ef0aa6a4ab3b1b76f40dc6e273fca09f367d15a524266db100a723f",
    },
];

const MACOS_AARCH64: &[Wheel] = &[Wheel {
    requirement: "torch==2.11.0",
    file: "torch-2.11.0-cp312-cp312-macosx_11_0_arm64.whl",
    sha256: "4b5866312ee6e52ea625cd211dcb97d6a2cdc1131a5f15cc0d87eec948f6dd34",
}];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wheel_is_named_and_pinned_in_full() {
        let ffmpegs = ["x86_64", "aarch64"].map(|architecture| ffmpeg("linux", architecture));
        let ffmpegs = ffmpegs.map(Result::unwrap);
        let wheels = LINUX_X86_64.iter().chain(LINUX_AARCH64).chain(MACOS_AARCH64);
        for wheel in wheels.chain(&ffmpegs) {
            let (name, version) = wheel.requirement.split_once("==").unwrap();
            let start = format!("{}-{version}-", name.replace('-', "_"));
            assert!(wheel.file.starts_with(&start), "{} is no {}", wheel.file, wheel.requirement);
            assert!(wheel.file.ends_with(".whl"), "{}", wheel.file);
            let is_hash = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            assert!(
                wheel.sha256.len() == 64 && wheel.sha256.chars().all(is_hash),
                "{}",
                wheel.file
            );
        }
    }

    #[test]
    fn every_plan_ends_in_torch_of_the_version() {
        for (system, architecture) in
            [("linux", "x86_64"), ("linux", "aarch64"), ("macos", "aarch64")]
        {
            let plan = plan(system, architecture, false).unwrap();
            let last = plan.wheels.last().unwrap();
            assert_eq!(last.requirement, format!("torch=={VERSION}"));
        }
        assert!(plan("linux", "x86_64", true).unwrap().wheels.len() > CPU_ONLY);
    }

    #[test]
    fn platforms_come_from_the_file_name() {
        let platforms = LINUX_X86_64[0].platforms();
        assert_eq!(platforms, ["manylinux2014_x86_64", "manylinux_2_17_x86_64"]);
    }

    #[test]
    fn an_unknown_system_is_refused_with_the_way_out() {
        let message = plan("plan9", "mips", false).err().unwrap();
        assert!(message.contains("plan9 on mips") && message.contains("LIBTORCH"), "{message}");
        assert!(plan("macos", "aarch64", true).is_err());
        let message = ffmpeg("plan9", "mips").err().unwrap();
        assert!(
            message.contains("plan9 on mips") && message.contains("EQUIAV_FFMPEG"),
            "{message}"
        );
    }
}
