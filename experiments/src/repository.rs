//! Where the repository and its built programs are, and the machine that they run on.

use std::env::{self, consts};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::process;

/// The repository.
pub(crate) struct Repository {
    pub(crate) root: PathBuf,
}

impl Repository {
    /// The repository that cargo started this program in, or else was built from.
    pub(crate) fn find() -> Result<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR");
        let manifest = manifest.unwrap_or_else(|| OsString::from(env!("CARGO_MANIFEST_DIR")));
        match Path::new(&manifest).parent() {
            Some(root) if root.join("Cargo.lock").is_file() => Ok(Self { root: root.to_owned() }),
            _ => bail!("cannot find the repository; help: start this by `cargo xtask`"),
        }
    }

    /// Where cargo puts what it builds.
    pub(crate) fn target(&self) -> PathBuf {
        let set = env::var_os("CARGO_TARGET_DIR").filter(|value| !value.is_empty());
        self.root.join(set.unwrap_or_else(|| OsString::from("target")))
    }

    /// The release build of the program, which `cargo xtask` makes before it starts this one.
    pub(crate) fn program(&self) -> PathBuf {
        self.target().join("release/equiav")
    }

    /// The program as a command, started in the repository.
    pub(crate) fn equiav(&self) -> Command {
        let mut command = Command::new(self.program());
        command.current_dir(&self.root);
        command
    }
}

/// The Python with the peers' packages, which `cargo xtask bench --peer` sets up.
pub(crate) fn peer_python() -> Result<PathBuf> {
    const VARIABLE: &str = "EQUIAV_PEER_PYTHON";
    let python = env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    let python = python.with_context(|| format!("{VARIABLE} is not set; help: `cargo xtask`"))?;
    ensure!(python.exists(), "{VARIABLE}={} is not there", python.display());
    Ok(python)
}

/// The processor, its cores, the memory, and today's date.
pub(crate) fn machine_and_date() -> String {
    let line = |program: &str, arguments: &[&str]| {
        let text = process::capture(Command::new(program).args(arguments)).ok()?;
        text.lines().next().map(str::to_owned)
    };
    let field = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let processor = field("/proc/cpuinfo", "model name")
        .or_else(|| line("sysctl", &["-n", "machdep.cpu.brand_string"]))
        .unwrap_or_else(|| consts::ARCH.to_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kib = field("/proc/meminfo", "MemTotal:");
    let kib = kib.and_then(|value| value.strip_suffix(" kB")?.parse::<f64>().ok());
    let bytes = kib.map(|kib| kib * 1024.0);
    let bytes = bytes.or_else(|| line("sysctl", &["-n", "hw.memsize"])?.parse().ok());
    let memory = bytes.map_or(String::new(), |bytes| format!(", {:.1} GB", bytes / 1e9));
    let date = line("date", &["-u", "+%Y-%m-%d"]).unwrap_or_default();
    format!("{processor}, {cores} cores{memory}; {date}")
}
