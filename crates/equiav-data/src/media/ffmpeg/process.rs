//! FFmpeg as a child under limits: its output as a stream, its complaints, its end; no formats here.

use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, ExitStatus};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::complaints::{Said, said};
use super::content;
use super::task::{Limits, Task};
use super::verdict::verdict;
use crate::media::ffmpeg::{Ffmpeg, FfmpegError};

/// How much output is read at once, in bytes.
const BUFFER: usize = 1 << 16;

/// A running FFmpeg whose standard output is read; killed and reaped when dropped.
#[derive(Debug)]
pub struct Running {
    child: Arc<Mutex<Child>>,
    output: BufReader<ChildStdout>,
    said: Option<JoinHandle<Said>>,
    clock: Arc<Mutex<Clock>>,
    /// Dropping it ends the watch.
    watch: Option<Sender<()>>,
    /// Gives whether the child was killed for its time.
    watcher: Option<JoinHandle<bool>>,
    asked: Asked,
}

/// What a child was started for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) ffmpeg: Ffmpeg,
    pub(super) limits: Limits,
    pub(super) file: PathBuf,
}

/// How long was waited.
#[derive(Debug, Default)]
struct Clock {
    /// Since when is waited now.
    since: Option<Instant>,
    /// How long was waited before.
    before: Duration,
}

impl Clock {
    /// How long it may be waited from now on under `limits`.
    fn left(&self, limits: Limits) -> Duration {
        let now = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        let whole = limits.whole.saturating_sub(self.before + now);
        limits.silence.saturating_sub(now).min(whole)
    }
}

impl Task<'_> {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// If the machine cannot start it; if the file is a text, whatever its name.
    pub fn start(self) -> Result<Running, FfmpegError> {
        if let Some(called) = content::text(self.file) {
            return Err(FfmpegError::Content(content::refusal(called)));
        }
        let (ffmpeg, limits, file) = (self.ffmpeg.clone(), self.limits, self.file.to_owned());
        let asked = Asked { ffmpeg, limits, file };
        let level = self.detail.level();
        let spawned = self.command(level).spawn();
        let mut child = spawned.map_err(|error| not_started(&error.to_string()))?;
        let pipes = child.stdout.take().zip(child.stderr.take());
        let (output, errors) = pipes.expect("both are piped");
        let child = Arc::new(Mutex::new(child));
        let clock = Arc::new(Mutex::new(Clock::default()));
        let (watch, ended) = channel();
        let (watched, timed) = (Arc::clone(&child), Arc::clone(&clock));
        let watching = move || {
            loop {
                let (left, waits) = {
                    let clock = lock(&timed);
                    (clock.left(limits), clock.since.is_some())
                };
                if left.is_zero() {
                    let _ = lock(&watched).kill();
                    return true;
                }
                // While nobody waits, the wait may begin at any moment.
                let nap = if waits { left } else { (limits.silence / 8).min(left) };
                let nap = nap.max(Duration::from_millis(1));
                if ended.recv_timeout(nap) != Err(RecvTimeoutError::Timeout) {
                    return false;
                }
            }
        };
        let thread = |error: io::Error| not_started(&error.to_string());
        let mut running = Running {
            child,
            output: BufReader::with_capacity(BUFFER, output),
            said: None,
            clock,
            watch: Some(watch),
            watcher: None,
            asked,
        };
        let spawn = thread::Builder::new().spawn(move || said(errors));
        running.said = Some(spawn.map_err(thread)?);
        running.watcher = Some(thread::Builder::new().spawn(watching).map_err(thread)?);
        Ok(running)
    }
}

impl Running {
    /// Waits for its end after all output was read; what it said.
    ///
    /// # Errors
    ///
    /// If it ran out of time, was ended by someone else, or ended with a failure.
    pub fn finish(mut self) -> Result<Said, FfmpegError> {
        self.begin();
        let status = self.wait();
        // Dropping the sender ends the watcher, whose word is final then.
        self.watch = None;
        let late = self.watcher.take().is_some_and(|watcher| watcher.join().unwrap_or(false));
        let said = self.said.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        if late {
            return Err(FfmpegError::TimeLimit(self.too_late()));
        }
        let status = status.map_err(|error| FfmpegError::Machine(error.to_string()))?;
        verdict(&self.asked, status, said)
    }

    /// Reads the rest of the output and waits for its end; what is behind the last clip is decoded
    /// too, so that the complaints do not depend on when it was stopped.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish).
    pub fn drain(mut self) -> Result<Said, FfmpegError> {
        let rest = io::copy(&mut self, &mut io::sink());
        rest.map_err(|error| FfmpegError::Machine(format!("FFmpeg's output: {error}")))?;
        self.finish()
    }

    /// What is wrong when its output ends too early: its own failure, if it had one.
    pub fn broken(self, otherwise: impl Into<String>) -> FfmpegError {
        match self.finish() {
            Err(error) => error,
            Ok(said) if said.complaints.is_empty() => FfmpegError::Undecodable(otherwise.into()),
            Ok(said) => FfmpegError::Undecodable(said.complaints),
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

    fn begin(&self) {
        lock(&self.clock).since.get_or_insert_with(Instant::now);
    }

    fn end(&self) {
        let mut clock = lock(&self.clock);
        let waited = clock.since.take().map_or(Duration::ZERO, |since| since.elapsed());
        clock.before += waited;
    }

    fn too_late(&self) -> String {
        let Limits { silence, whole, .. } = self.asked.limits;
        match lock(&self.clock).before + silence > whole {
            true => format!("FFmpeg took longer than {:.0} s in all", whole.as_secs_f64()),
            false => format!("FFmpeg gave nothing for {:.0} s", silence.as_secs_f64()),
        }
    }
}

impl Read for Running {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.output.buffer().is_empty() {
            self.begin();
        }
        let read = self.output.read(buffer);
        self.end();
        read
    }
}

impl BufRead for Running {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.output.buffer().is_empty() {
            self.begin();
            let filled = self.output.fill_buf().map(|_| ());
            self.end();
            filled?;
        }
        Ok(self.output.buffer())
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

fn not_started(reason: &str) -> FfmpegError {
    FfmpegError::Machine(format!("FFmpeg cannot be started: {reason}"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::Command;

    use super::*;
    use crate::media::ffmpeg::task::Detail;

    /// A folder, and a program in it that runs `script` in the place of FFmpeg.
    fn in_place_of_ffmpeg(script: &str) -> (tempfile::TempDir, Ffmpeg) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        (folder, Ffmpeg { program, version: String::new() })
    }

    fn limits(silence: f64) -> Limits {
        let silence = Duration::from_secs_f64(silence);
        Limits { silence, whole: Duration::from_secs(600), memory_mb: 512 }
    }

    fn start_on(script: &str, silence: f64, file: &Path) -> (tempfile::TempDir, Running) {
        let (folder, ffmpeg) = in_place_of_ffmpeg(script);
        let limits = limits(silence);
        let (detail, input, output) = (Detail::Complaints, Vec::new(), Vec::new());
        let task = Task { ffmpeg: &ffmpeg, limits, file, detail, input, output };
        let running = task.start().unwrap();
        (folder, running)
    }

    fn start(script: &str, silence: f64) -> (tempfile::TempDir, Running) {
        start_on(script, silence, Path::new("x"))
    }

    fn ended(script: &str) -> Result<Said, FfmpegError> {
        let (_folder, running) = start(script, 60.0);
        running.drain()
    }

    #[test]
    fn a_flood_of_complaints_does_not_block_and_is_cut() {
        let flood = "i=19999; while [ $i -ge 0 ]; do echo complaint $i >&2; i=$((i-1)); done";
        let (_folder, mut running) = start(&format!("{flood}; echo done; exit 3"), 60.0);
        let mut text = String::new();
        running.read_to_string(&mut text).unwrap();
        assert_eq!(text, "done\n");
        let expected = "complaint 0; complaint 1; complaint 10".to_owned();
        assert_eq!(running.finish(), Err(FfmpegError::Undecodable(expected)));
    }

    #[test]
    fn a_child_that_hangs_is_killed_at_its_limit() {
        let begin = Instant::now();
        let (_folder, mut running) = start("exec sleep 600", 0.3);
        assert_eq!(running.read(&mut [0]).unwrap(), 0, "killed, so its output ends");
        assert!(matches!(running.finish(), Err(FfmpegError::TimeLimit(_))));
        // Closing the output is not ending.
        let (_folder, mut running) = start("exec >&-; exec sleep 600", 0.3);
        assert_eq!(running.read(&mut [0]).unwrap(), 0);
        assert!(matches!(running.finish(), Err(FfmpegError::TimeLimit(_))));
        assert!(begin.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn a_slow_child_that_goes_on_is_waited_for() {
        // In all it takes three times what it may give nothing for.
        let slow = "for i in 1 2 3 4 5 6; do sleep 1; echo $i; done";
        let (_folder, mut running) = start(slow, 2.5);
        let mut text = String::new();
        running.read_to_string(&mut text).unwrap();
        assert_eq!(text, "1\n2\n3\n4\n5\n6\n");
        assert_eq!(running.finish(), Ok(Said::default()));
    }

    #[test]
    fn a_slow_reader_costs_the_child_nothing() {
        let (_folder, mut running) = start("echo first; sleep 1; echo second", 1.4);
        thread::sleep(Duration::from_secs(2));
        let mut text = String::new();
        running.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), running.finish()), ("first\nsecond\n", Ok(Said::default())));
    }

    #[test]
    fn the_faults_of_the_machine_are_told_from_those_of_a_file() {
        let of_machine = |script: &str, words: &str| match ended(script) {
            Err(FfmpegError::Machine(reason)) => assert!(reason.contains(words), "{reason}"),
            other => panic!("{script}: {other:?}"),
        };
        of_machine("kill -9 $$", "killed by signal 9, as the system does");
        of_machine("kill -15 $$", "killed by signal 15");
        of_machine("exit 127", "cannot be started");
        of_machine("exit 255", "told by a signal");
        of_machine("echo 'x: Too many open files' >&2; exit 232", "Too many open files");
        for script in [
            "kill -11 $$",
            "echo 'moov atom not found' >&2; exit 183",
            "echo 'x: Input/output error' >&2; exit 251",
            "echo 'Cannot allocate memory' >&2; exit 244",
            "exit 1",
        ] {
            assert!(matches!(ended(script), Err(FfmpegError::Undecodable(_))), "{script}");
        }
        assert_eq!(ended("echo '[h264] lost' >&2").unwrap().complaints, "[h264] lost");
    }

    #[test]
    fn what_is_not_there_cannot_be_started() {
        let program = "/nowhere/ffmpeg".into();
        let ffmpeg = Ffmpeg { program, version: String::new() };
        let file = Path::new("x");
        let task = Task {
            ffmpeg: &ffmpeg,
            limits: limits(60.0),
            file,
            detail: Detail::Complaints,
            input: Vec::new(),
            output: Vec::new(),
        };
        let error = task.start().unwrap().drain().unwrap_err();
        assert!(error.is_of_machine() && error.to_string().contains("/nowhere/ffmpeg"), "{error}");
    }

    #[test]
    fn the_system_is_asked_about_the_file() {
        // Opening it is allowed, reading it is not: the system refuses to read this process's memory at 0.
        let (_folder, running) = start_on(
            "echo 'x: Input/output error' >&2; exit 251",
            60.0,
            Path::new("/proc/self/mem"),
        );
        if cfg!(target_os = "linux") {
            let error = running.drain().unwrap_err();
            assert!(error.is_of_machine(), "{error}");
        }
    }

    #[test]
    fn a_text_is_never_handed_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.mp4");
        fs::write(&file, "ffconcat version 1.0\nfile private.mp4\n").unwrap();
        let (_program, ffmpeg) = in_place_of_ffmpeg("echo it was opened");
        let (ffmpeg, file) = (&ffmpeg, file.as_path());
        let task = Task {
            ffmpeg,
            limits: limits(60.0),
            file,
            detail: Detail::Complaints,
            input: Vec::new(),
            output: Vec::new(),
        };
        let error = task.start().unwrap_err();
        assert!(
            matches!(&error, FfmpegError::Content(why) if why.contains("concatenate")),
            "{error}"
        );
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
