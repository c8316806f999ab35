//! What the end of FFmpeg means: whether it read the file, and whose fault it is if not.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Resource, getrlimit};

use super::complaints::{Said, said};
use super::content;
use super::process::Asked;
use super::task::{Detail, Task};
use crate::error::is_fault_of_machine;
use crate::media::ffmpeg::FfmpegError;

/// What a shell ends with that cannot become another program.
const NOT_STARTED: [i32; 2] = [126, 127];
/// What FFmpeg ends with when a signal asked it to.
const ASKED_TO_END: i32 = 255;
/// Signals by which a program ends that has gone wrong by itself: SIGILL, SIGTRAP, SIGABRT, SIGBUS (of
/// Linux and of macOS), SIGFPE, SIGSEGV, SIGXCPU, SIGSYS (of both).
const CRASHES: [i32; 10] = [4, 5, 6, 7, 8, 10, 11, 12, 24, 31];
/// FFmpeg's words for what is no fault of any file.
const OF_THE_MACHINE: [&str; 3] =
    ["Too many open files", "Resource temporarily unavailable", "No space left on device"];
/// FFmpeg's words where it had too little memory.
const NO_MEMORY: &str = "Cannot allocate memory";
/// FFmpeg's words that may be the system's about the file, or its own about damage.
const OF_THE_SYSTEM: [&str; 9] = [
    "Input/output error",
    "Stale file handle",
    "No such file",
    "No such device",
    "Permission denied",
    "Transport endpoint",
    "Remote I/O error",
    "onnection",
    "timed out",
];
/// FFmpeg's words for a format that it may not open.
const NOT_LISTED: &str = "ormat not on whitelist";

/// What comes of a child that ended with `status` and `said` that.
pub(super) fn verdict(asked: &Asked, status: ExitStatus, said: Said) -> Result<Said, FfmpegError> {
    if let Some(machine) = fault_of_machine(asked, status, &said.complaints) {
        return Err(FfmpegError::Machine(machine));
    }
    let complaints = said.complaints.as_str();
    let reason = match complaints {
        _ if status.success() => return Ok(said),
        "" => format!("FFmpeg ended with {status} and said nothing"),
        _ if complaints.contains(NOT_LISTED) => {
            return Err(FfmpegError::Content(content::refusal(&format(asked))));
        }
        _ if complaints.contains(NO_MEMORY) => {
            let limit = asked.limits.memory_mb;
            format!("it needs more memory than the limit of {limit} MiB: {complaints}")
        }
        _ => complaints.to_owned(),
    };
    Err(FfmpegError::Undecodable(reason))
}

/// Why that end is no fault of the file's; `None` where it may be.
fn fault_of_machine(asked: &Asked, status: ExitStatus, complaints: &str) -> Option<String> {
    let program = asked.ffmpeg.program.display();
    match (status.code(), status.signal()) {
        (_, Some(signal)) if !CRASHES.contains(&signal) => {
            let memory = if signal == 9 { ", as the system does when memory runs out" } else { "" };
            return Some(format!("FFmpeg was killed by signal {signal}{memory}"));
        }
        (Some(code), _) if NOT_STARTED.contains(&code) => {
            return Some(format!("FFmpeg ({program}) cannot be started: {complaints}"));
        }
        (Some(ASKED_TO_END), _) if complaints.is_empty() => {
            return Some("FFmpeg was told by a signal to end".to_owned());
        }
        _ => {}
    }
    let says = |words: &[&str]| words.iter().any(|words| complaints.contains(words));
    if says(&OF_THE_MACHINE) {
        return Some(format!("FFmpeg: {complaints}"));
    }
    // Its address space is limited on purpose, unless this machine has less.
    let least = getrlimit(Resource::As).current.unwrap_or(u64::MAX);
    if says(&[NO_MEMORY]) && least < asked.limits.memory_mb << 20 {
        return Some(format!("FFmpeg: {complaints}"));
    }
    // What is the system's word and what FFmpeg's, the system itself tells.
    let refused = || {
        let mut file = File::open(&asked.file)?;
        io::copy(&mut file, &mut io::sink())
    };
    let refusal = if says(&OF_THE_SYSTEM) { refused().err() } else { None };
    refusal.filter(is_fault_of_machine).map(|error| error.to_string())
}

/// What the format of the file is called, by FFmpeg asked once more.
fn format(asked: &Asked) -> String {
    let Asked { ffmpeg, limits, file } = asked;
    let (detail, input, output) = (Detail::Streams, Vec::new(), Vec::new());
    let task = Task { ffmpeg, limits: *limits, file, detail, input, output };
    let mut command = task.command("level+debug");
    let output = command.stdout(Stdio::null()).output();
    let told = output.map(|output| said(&*output.stderr)).unwrap_or_default().told;
    let mut lines = told.iter().filter(|line| line.contains(" probed with size"));
    let format = lines.next_back().and_then(|line| {
        let after = line.rsplit_once("Format ")?.1;
        after.split_whitespace().next()
    });
    format.map_or_else(|| "of another format".to_owned(), content::named)
}
