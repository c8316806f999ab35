//! The packed programs on the machine with the GPU: started, logged, ended where they hang.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::trial::{Trial, entries};

/// How long a program may take: one that hangs must not end the whole.
pub(super) const LIMIT: Duration = Duration::from_secs(1800);

impl Trial {
    pub(super) fn equiav(&self) -> Command {
        self.program(&self.root.join("bin/equiav"))
    }

    fn program(&self, path: &Path) -> Command {
        let mut command = Command::new(path);
        command.env("LD_LIBRARY_PATH", &self.libraries).current_dir(&self.out);
        command
    }

    /// Starts `command`, whose output goes to the file `name`.txt.
    pub(super) fn spawn(&self, name: &str, command: &mut Command) -> Result<Child> {
        let path = self.out.join(name).with_extension("txt");
        let files = File::create(&path).and_then(|file| Ok((file.try_clone()?, file)));
        let (stdout, stderr) = files.with_context(|| path.display().to_string())?;
        let child = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).spawn();
        child.with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))
    }

    /// Runs `command` to its end, within the limit; returns what it printed.
    pub(super) fn logged(&self, name: &str, command: &mut Command) -> Result<String> {
        let (mut child, started) = (self.spawn(name, command)?, Instant::now());
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if started.elapsed() < LIMIT => sleep(Duration::from_millis(20)),
                _ => {
                    let _ = child.kill().and_then(|()| child.wait());
                    bail!("ended after {} s, see {name}.txt", LIMIT.as_secs());
                }
            }
        };
        let path = self.out.join(name).with_extension("txt");
        let text = fs::read(&path).with_context(|| path.display().to_string())?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let last = text.trim().lines().last().unwrap_or("it said nothing");
        if !status.success() {
            bail!("{status}: {last} ({name}.txt)");
        }
        Ok(text)
    }

    /// The packed tests whose name has `filter` in it.
    pub(super) fn tests(&self, filter: &str) -> Result<String> {
        let list = self.out.join(format!("skipped-tests{filter}.txt"));
        fs::write(&list, "").with_context(|| list.display().to_string())?;
        let (mut passed, mut failed) = (0, Vec::new());
        for path in entries(&self.root.join("tests"))? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut test = self.program(&path);
            test.arg(filter).env("EQUIAV_SKIPPED_TESTS", &list);
            match self.logged(&format!("test-{name}{filter}"), &mut test) {
                Ok(text) => passed += passed_tests(&text),
                Err(error) => failed.push(format!("{name}: {error:#}")),
            }
        }
        let skipped = fs::read_to_string(&list).unwrap_or_default();
        let skipped: Vec<&str> = skipped.lines().collect();
        let seen = format!("{passed} passed, of which {} skipped", skipped.len());
        let seen = format!("{seen} {}", skipped.join("; ")).trim().to_owned();
        match (failed.is_empty(), passed > skipped.len()) {
            (true, true) => Ok(seen),
            (true, false) => bail!("nothing was tested: {seen}"),
            (false, _) => bail!("{}; {seen}", failed.join("; ")),
        }
    }
}

/// How many tests passed, of what a test program printed.
fn passed_tests(text: &str) -> usize {
    let counts = text.lines().filter_map(|line| {
        let (_, rest) = line.split_once("test result: ok. ")?;
        rest.split_once(" passed")?.0.parse::<usize>().ok()
    });
    counts.sum()
}

#[cfg(test)]
pub(super) mod tests {
    use std::ffi::OsString;
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;

    /// A packed folder of nothing.
    pub(crate) fn trial(scratch: &TempDir) -> Trial {
        let (root, out) = (scratch.path().join("pack"), scratch.path().to_owned());
        let python = PathBuf::from("python3");
        Trial { root, out, python, libraries: OsString::new(), device: "cpu", nccl: false }
    }

    /// A script in the place of a packed program.
    pub(crate) fn program(path: &Path, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn tests_are_counted_with_those_that_had_nothing_to_test() {
        let scratch = TempDir::new().unwrap();
        let trial = trial(&scratch);
        let result = "echo 'test result: ok. 3 passed; 0 failed'";
        let skip = "echo 'skipped: nccl: no GPU' >> $EQUIAV_SKIPPED_TESTS";
        program(&trial.root.join("tests/group"), &format!("{skip}; {result}"));
        let seen = trial.tests("").unwrap();
        assert_eq!(seen, "3 passed, of which 1 skipped skipped: nccl: no GPU");
        program(&trial.root.join("tests/group"), &format!("{skip}; {skip}; {skip}; {result}"));
        assert!(trial.tests("nccl").unwrap_err().to_string().starts_with("nothing was tested"));
        program(&trial.root.join("tests/other"), "echo 'panicked'; exit 101");
        let error = trial.tests("").unwrap_err().to_string();
        assert!(error.contains("other: exit status: 101: panicked"), "{error}");
    }
}
