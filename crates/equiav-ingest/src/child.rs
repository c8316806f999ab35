//! FFmpeg as a child under limits: its output as a stream, its complaints, its end; no formats here.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use equiav_data::one_line;

use crate::{Ffmpeg, Finding, Reason};

/// Sets the limits that the system keeps, then becomes FFmpeg: the same process, so that killing it
/// is killing FFmpeg. A shell does it because every system has one and Rust's standard library
/// cannot without `unsafe`; `prlimit` is Linux's alone. A limit that the system does not know
/// (macOS has none on address space) is passed over.
const SCRIPT: &str =
    "ulimit -v \"$1\" 2>/dev/null; ulimit -t \"$2\" 2>/dev/null; shift 2; exec \"$@\"";
/// How many lines of the error output are kept.
const LINES: usize = 3;
/// The longest line of it, in bytes; a longer one is taken for several.
const LONGEST_LINE: u64 = 4_096;
/// Begins a line that repeats in other words what another line said, with the file's path.
const REPEATED: &str = "Error opening input file";
/// How much output is read at once, in bytes.
const BUFFER: usize = 1 << 16;

/// How long and with how much memory a child may run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// When it is killed.
    pub(crate) deadline: Instant,
    /// Address space, in MiB.
    pub(crate) memory_mb: u64,
}

/// What is to be started: arguments before the file, the file, arguments after it.
pub(crate) struct Task<'a> {
    pub(crate) ffmpeg: &'a Ffmpeg,
    pub(crate) limits: Limits,
    pub(crate) file: &'a Path,
    pub(crate) output: Vec<String>,
}

/// A running FFmpeg whose standard output is read; killed and reaped when dropped.
pub(crate) struct Running {
    child: Arc<Mutex<Child>>,
    output: BufReader<ChildStdout>,
    complaints: Option<JoinHandle<String>>,
    /// Dropping it ends the watch.
    watch: Option<Sender<()>>,
    /// Gives whether the child was killed for its time.
    watcher: Option<JoinHandle<bool>>,
}

impl Task<'_> {
    /// Starts it.
    pub(crate) fn start(self) -> Result<Running, Finding> {
        let deadline = self.limits.deadline;
        let mut child = self.command().spawn().map_err(|error| {
            Finding::new(Reason::Undecodable, format!("FFmpeg cannot be started: {error}"))
        })?;
        let pipes = child.stdout.take().zip(child.stderr.take());
        let (output, errors) = pipes.expect("both are piped");
        let child = Arc::new(Mutex::new(child));
        let (watch, ended) = channel();
        let watched = Arc::clone(&child);
        let watcher = thread::spawn(move || {
            let left = deadline.saturating_duration_since(Instant::now());
            let late = ended.recv_timeout(left) == Err(RecvTimeoutError::Timeout);
            if late {
                let _ = lock(&watched).kill();
            }
            late
        });
        Ok(Running {
            child,
            output: BufReader::with_capacity(BUFFER, output),
            complaints: Some(thread::spawn(move || complaints(errors))),
            watch: Some(watch),
            watcher: Some(watcher),
        })
    }

    fn command(self) -> Command {
        let seconds = self.limits.deadline.saturating_duration_since(Instant::now()).as_secs();
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "sh"]);
        command.arg((self.limits.memory_mb * 1024).to_string());
        // A child that outlives a killed parent ends by this one.
        command.arg((seconds + 1).to_string());
        command.arg(&self.ffmpeg.program);
        // One thread each, and raw time stamps: FFmpeg's own shift depends on which streams are
        // asked for, and would put sound and picture on two clocks.
        command.args([
            "-hide_banner",
            "-nostdin",
            "-v",
            "repeat+error",
            "-copyts",
            "-threads",
            "1",
        ]);
        command.args(["-filter_threads", "1", "-max_pixels", "67108864"]);
        command.args(["-protocol_whitelist", "file,pipe", "-i"]);
        command.arg(local(self.file)).args(self.output).arg("pipe:1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Address space is limited, and each arena of the allocator reserves much of it.
        command.env("MALLOC_ARENA_MAX", "2").env("AV_LOG_FORCE_NOCOLOR", "1");
        command
    }
}

impl Running {
    /// Waits for its end after all output was read; what it complained of, empty for nothing.
    ///
    /// # Errors
    ///
    /// If it ran out of time, or ended with a failure; with the end of its own message.
    pub(crate) fn finish(mut self) -> Result<String, Finding> {
        let status = self.wait();
        // Dropping the sender ends the watcher, whose word is final then.
        self.watch = None;
        let late = self.watcher.take().is_some_and(|watcher| watcher.join().unwrap_or(false));
        let complaints = self.complaints.take().and_then(|thread| thread.join().ok());
        let complaints = complaints.unwrap_or_default();
        if late {
            return Err(Finding::new(Reason::TimeLimit, "FFmpeg took longer than `time_limit`"));
        }
        match status {
            Ok(status) if status.success() => Ok(complaints),
            Ok(status) => Err(Finding::new(Reason::Undecodable, failure(status, &complaints))),
            Err(error) => Err(Finding::new(Reason::Undecodable, error.to_string())),
        }
    }

    /// Reads the rest of the output and waits for its end; what is behind the last clip is decoded
    /// too, so that the complaints do not depend on when it was stopped.
    pub(crate) fn drain(mut self) -> Result<String, Finding> {
        let rest = io::copy(&mut self.output, &mut io::sink());
        rest.map_err(|error| Finding::new(Reason::Undecodable, error.to_string()))?;
        self.finish()
    }

    /// What is wrong when its output ends too early: its own failure, if it had one.
    pub(crate) fn broken(self, otherwise: Finding) -> Finding {
        match self.finish() {
            Err(finding) => finding,
            Ok(complaints) if complaints.is_empty() => otherwise,
            Ok(complaints) => Finding::new(Reason::Undecodable, complaints),
        }
    }

    /// Polls, so that the watcher can kill meanwhile; output has ended, so it is a matter of
    /// milliseconds.
    fn wait(&self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = lock(&self.child).try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Read for Running {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.output.read(buffer)
    }
}

impl BufRead for Running {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.output.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.output.consume(amount);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.watch = None;
        let mut child = lock(&self.child);
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// `path` with a prefix that keeps it from being taken for an option or an address.
pub(crate) fn local(path: &Path) -> OsString {
    let mut file = OsString::from("file:");
    file.push(path);
    file
}

fn lock(child: &Mutex<Child>) -> MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failure(status: ExitStatus, complaints: &str) -> String {
    match complaints {
        "" => format!("FFmpeg ended with {status} and said nothing"),
        said => said.to_owned(),
    }
}

/// Reads `errors` to its end; what it says, in one line.
///
/// FFmpeg's own threads speak at once and in any order, yet reports are to be equal: so the lines
/// are sorted, each is taken once, and the first few stand for all.
pub(crate) fn complaints(errors: ChildStderr) -> String {
    let mut lines = BTreeSet::new();
    let mut errors = BufReader::new(errors);
    let mut line = Vec::new();
    while errors.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).is_ok_and(|read| read > 0)
    {
        let text = plain(&String::from_utf8_lossy(&line));
        if !text.is_empty() && !text.starts_with(REPEATED) {
            lines.insert(text);
        }
        if lines.len() > LINES {
            lines.pop_last();
        }
        line.clear();
    }
    Vec::from_iter(lines).join("; ")
}

/// The line without addresses: `[h264 @ 0x55d]` becomes `[h264]`; they change from run to run.
fn plain(text: &str) -> String {
    let mut line = one_line(text);
    while let Some(start) = line.find(" @ 0x") {
        let digits = line[start + 5..].find(|c: char| !c.is_ascii_hexdigit());
        let end = digits.map_or(line.len(), |digits| start + 5 + digits);
        line.replace_range(start..end, "");
    }
    line.chars().take(200).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A folder, and a program in it that runs `script` in the place of FFmpeg.
    pub(crate) fn in_place_of_ffmpeg(script: &str) -> (tempfile::TempDir, Ffmpeg) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        (folder, Ffmpeg { program, version: String::new() })
    }

    fn start(script: &str, seconds: f64) -> (tempfile::TempDir, Running) {
        let (folder, ffmpeg) = in_place_of_ffmpeg(script);
        let deadline = Instant::now() + Duration::from_secs_f64(seconds);
        let limits = Limits { deadline, memory_mb: 512 };
        let task = Task { ffmpeg: &ffmpeg, limits, file: Path::new("x"), output: Vec::new() };
        let running = task.start().unwrap();
        (folder, running)
    }

    #[test]
    fn addresses_are_taken_out_of_messages() {
        assert_eq!(plain("[h264 @ 0x55ca6f] bad [aac @ 0x1] worse\n"), "[h264] bad [aac] worse");
        assert_eq!(plain("end @ 0x12"), "end");
    }

    #[test]
    fn a_flood_of_complaints_does_not_block_and_is_cut() {
        let flood = "i=19999; while [ $i -ge 0 ]; do echo complaint $i >&2; i=$((i-1)); done";
        let (_folder, mut running) = start(&format!("{flood}; echo done; exit 3"), 60.0);
        let mut text = String::new();
        running.read_to_string(&mut text).unwrap();
        assert_eq!(text, "done\n");
        let finding = running.finish().unwrap_err();
        assert_eq!(finding.reason, Reason::Undecodable);
        assert_eq!(finding.detail, "complaint 0; complaint 1; complaint 10");
    }

    #[test]
    fn a_child_that_hangs_is_killed_at_its_deadline() {
        let begin = Instant::now();
        let (_folder, mut running) = start("exec sleep 600", 0.3);
        assert_eq!(running.read(&mut [0]).unwrap(), 0, "killed, so its output ends");
        assert_eq!(running.finish().unwrap_err().reason, Reason::TimeLimit);
        // Closing the output is not ending.
        let (_folder, mut running) = start("exec >&-; exec sleep 600", 0.3);
        assert_eq!(running.read(&mut [0]).unwrap(), 0);
        assert_eq!(running.finish().unwrap_err().reason, Reason::TimeLimit);
        assert!(begin.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn dropping_it_ends_the_child() {
        let (folder, mut running) = start("echo $$; exec sleep 600", 600.0);
        let mut line = String::new();
        running.read_line(&mut line).unwrap();
        let pid: u32 = line.trim().parse().unwrap();
        drop(running);
        let alive = Command::new("kill").args(["-0", &pid.to_string()]).output().unwrap();
        assert!(!alive.status.success(), "process {pid} is still there");
        drop(folder);
    }

    #[test]
    fn the_memory_limit_reaches_the_child() {
        let (_folder, mut running) = start("ulimit -v", 60.0);
        let mut text = String::new();
        running.read_to_string(&mut text).unwrap();
        if cfg!(target_os = "linux") {
            assert_eq!(text, "524288\n");
        }
    }
}
