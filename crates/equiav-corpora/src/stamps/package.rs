//! Fetches and unpacks the Debian package, without root and without a change to the system.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, bail, ensure};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::finished;

const NAME: &str = "tuxpaint-stamps-default";
/// The one version whose files are known to these sources.
pub(super) const VERSION: &str = "2022.06.04-1";
const SHA256: &str = "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34";
/// Where the package keeps its stamps.
const INSIDE: &str = "usr/share/tuxpaint/stamps";

/// Makes `folder` hold the stamps, from the `.deb` file `package` or else from Debian's mirror.
pub(super) fn unpacked(folder: &Path, package: Option<&Path>) -> anyhow::Result<()> {
    let recipe = json!({"corpus": "stamps-package", "version": VERSION, "sha256": SHA256});
    finished::finish(folder, &recipe, |partial| {
        let work = partial.join("work");
        fs::create_dir(&work).with_context(|| format!("cannot make {}", work.display()))?;
        let package = match package {
            Some(path) => path.to_owned(),
            None => download(&work)?,
        };
        check_hash(&package)?;
        unpack(&package, &work)?;
        let stamps = work.join(INSIDE);
        let kept = partial.join("stamps");
        fs::rename(&stamps, &kept)
            .with_context(|| format!("{} holds no {INSIDE}", package.display()))?;
        fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))
    })
}

/// What to do when apt cannot help.
fn way_out() -> String {
    format!(
        "fetch {NAME}_{VERSION}_all.deb (161 MB) from a Debian mirror by hand and give its path as \
         `package`"
    )
}

/// Downloads the package into `work`; asks for newer lists of its own if the system's lack it.
fn download(work: &Path) -> anyhow::Result<PathBuf> {
    let wanted = format!("{NAME}={VERSION}");
    let first = apt(work, &[], &["download", &wanted])?;
    if first.status.success() {
        return downloaded(work);
    }
    let options = own_lists(work)?;
    let update = apt(work, &options, &["update"])?;
    ensure!(
        update.status.success(),
        "apt-get update failed ({}); connect to the network, or {}",
        complaint(&update),
        way_out()
    );
    let second = apt(work, &options, &["download", &wanted])?;
    ensure!(
        second.status.success(),
        "apt-get cannot download {wanted} ({}); {}",
        complaint(&second),
        way_out()
    );
    downloaded(work)
}

/// Options that make apt keep its lists under `work` in place of the system's.
fn own_lists(work: &Path) -> anyhow::Result<Vec<String>> {
    let mut options = Vec::new();
    for (option, name) in [("Dir::State", "state"), ("Dir::Cache", "cache")] {
        let folder = work.join(name);
        for part in ["lists/partial", "archives/partial"] {
            let part = folder.join(part);
            fs::create_dir_all(&part).with_context(|| format!("cannot make {}", part.display()))?;
        }
        options.extend(["-o".to_owned(), format!("{option}={}", folder.display())]);
    }
    Ok(options)
}

fn apt(work: &Path, options: &[String], arguments: &[&str]) -> anyhow::Result<Output> {
    let mut command = Command::new("apt-get");
    command.current_dir(work).env("LC_ALL", "C").arg("--quiet").args(options).args(arguments);
    match command.output() {
        Ok(output) => Ok(output),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("there is no apt-get here; {}", way_out())
        }
        Err(error) => Err(error).context("cannot run apt-get"),
    }
}

fn downloaded(work: &Path) -> anyhow::Result<PathBuf> {
    let entries = fs::read_dir(work).with_context(|| format!("cannot read {}", work.display()))?;
    let mut packages = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "deb"));
    packages.next().with_context(|| format!("apt-get left no package; {}", way_out()))
}

/// The last line that a failed command wrote.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let last = lines.rfind(|line| !line.starts_with("W:"));
    last.map_or_else(|| output.status.to_string(), str::to_owned)
}

fn check_hash(package: &Path) -> anyhow::Result<()> {
    let read = || {
        let mut file = File::open(package)?;
        let mut digest = Sha256::new();
        let mut part = vec![0; 1 << 16];
        loop {
            match file.read(&mut part)? {
                0 => return io::Result::Ok(hex(&digest.finalize())),
                read => digest.update(&part[..read]),
            }
        }
    };
    let found = read().with_context(|| format!("cannot read {}", package.display()))?;
    ensure!(
        found == SHA256,
        "{} has SHA-256 {found}, expected {SHA256}; it is another version or damaged: delete it \
         and {}",
        package.display(),
        way_out()
    );
    Ok(())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Unpacks the files of `package` under `folder`.
fn unpack(package: &Path, folder: &Path) -> anyhow::Result<()> {
    let package = std::path::absolute(package)
        .with_context(|| format!("cannot find {}", package.display()))?;
    if run(Command::new("dpkg").arg("-x").arg(&package).arg(folder))? {
        return Ok(());
    }
    // Without dpkg: a package is an `ar` archive that holds a tar archive of its files.
    let missing = || format!("neither dpkg nor ar and tar can unpack {}", package.display());
    let listed = run(Command::new("ar").arg("x").arg(&package).current_dir(folder))?;
    ensure!(listed, missing());
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let is_data = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("data.tar"))
    };
    let data = entries.filter_map(|entry| Some(entry.ok()?.path())).find(is_data);
    let data = data.with_context(missing)?;
    ensure!(run(Command::new("tar").arg("-xf").arg(&data).current_dir(folder))?, missing());
    Ok(())
}

/// Whether a command was found and succeeded; what it writes is shown only in its error.
fn run(command: &mut Command) -> anyhow::Result<bool> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(true),
        Ok(output) => {
            bail!("{} failed: {}", command.get_program().display(), complaint(&output))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => {
            Err(error).with_context(|| format!("cannot run {}", command.get_program().display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes an `ar` archive of `members`.
    fn write_archive(path: &Path, members: &[(&str, Vec<u8>)]) -> io::Result<()> {
        let mut bytes = b"!<arch>\n".to_vec();
        for (name, content) in members {
            let size = content.len();
            let head = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100_644);
            bytes.extend(head.bytes());
            bytes.extend(content);
            bytes.extend(&b"\n"[..size % 2]);
        }
        fs::write(path, bytes)
    }

    #[test]
    fn a_package_is_unpacked() -> anyhow::Result<()> {
        let home = tempfile::tempdir()?;
        let tree = home.path().join("tree");
        fs::create_dir_all(tree.join(INSIDE))?;
        fs::write(tree.join(INSIDE).join("cat.txt"), "A cat.")?;
        let tar = |folder: &Path, name: &str| -> anyhow::Result<Vec<u8>> {
            let path = home.path().join(name);
            let mut pack = Command::new("tar");
            pack.arg("-cf").arg(&path).arg("-C").arg(folder).arg(".");
            ensure!(pack.status()?.success());
            Ok(fs::read(path)?)
        };
        let members = [
            ("debian-binary", b"2.0\n".to_vec()),
            ("control.tar", tar(&tree, "control.tar")?),
            ("data.tar", tar(&tree, "data.tar")?),
        ];
        let package = home.path().join("some.deb");
        write_archive(&package, &members)?;
        let folder = home.path().join("out");
        fs::create_dir(&folder)?;
        unpack(&package, &folder)?;
        assert_eq!(fs::read_to_string(folder.join(INSIDE).join("cat.txt"))?, "A cat.");
        Ok(())
    }

    #[test]
    fn another_file_is_refused_with_the_way_out() -> anyhow::Result<()> {
        let home = tempfile::tempdir()?;
        let package = home.path().join("other.deb");
        fs::write(&package, "no package")?;
        let folder = home.path().join("stamps");
        let error = unpacked(&folder, Some(&package)).unwrap_err().to_string();
        assert!(error.contains("expected 6db6c1bf") && error.contains("by hand"), "{error}");
        assert!(!error.contains('\n'), "{error}");
        assert!(!folder.exists());
        let absent = home.path().join("absent.deb");
        let error = unpacked(&folder, Some(&absent)).unwrap_err().to_string();
        assert!(error.contains("absent.deb"), "{error}");
        Ok(())
    }
}
