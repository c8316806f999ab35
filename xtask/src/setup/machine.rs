//! What the machine offers: free disk space and memory.

use std::path::Path;
use std::process::Command;

use crate::process;

/// Bytes of one gigabyte, as disks are sold.
pub(crate) const GIGABYTE: u64 = 1_000_000_000;

/// Free bytes on the disk that holds `path` or, where it does not exist yet, its nearest parent.
pub(crate) fn free_disk(path: &Path) -> Option<u64> {
    let existing = path.ancestors().find(|folder| folder.exists())?;
    let text = process::capture(Command::new("df").arg("-Pk").arg(existing)).ok()?;
    parse_df(&text)
}

/// Bytes of memory: free for use now, and in all; the first is unknown on macOS.
pub(crate) fn memory() -> Option<(Option<u64>, u64)> {
    if let Ok(text) = std::fs::read_to_string("/proc/meminfo") {
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
        };
        return Some((field("MemAvailable:"), field("MemTotal:")?));
    }
    let total = process::first_line("sysctl", &["-n", "hw.memsize"])?;
    Some((None, total.parse().ok()?))
}

/// `bytes` for people.
pub(crate) fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / GIGABYTE as f64)
}

/// The fourth column of the last line is what is free, in KiB.
fn parse_df(text: &str) -> Option<u64> {
    let kib: u64 = text.lines().last()?.split_whitespace().nth(3)?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn df_is_read_in_its_portable_form() {
        let text = "Filesystem 1024-blocks Used Available Capacity Mounted on\n\
                    /dev/vda 263174212 17100000 78000000 19% /\n";
        assert_eq!(parse_df(text), Some(78_000_000 * 1024));
        assert_eq!(parse_df("df: no such file"), None);
    }
}
