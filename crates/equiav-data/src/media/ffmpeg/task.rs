//! What FFmpeg is started for: its command line and its limits; starts nothing.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::content;
use crate::media::ffmpeg::Ffmpeg;

/// Sets the limits that the system keeps, then becomes FFmpeg: the same process, so that killing it
/// is killing FFmpeg. A shell does it because every system has one and Rust's standard library
/// cannot without `unsafe`; `prlimit` is Linux's alone. A limit that the system does not know
/// (macOS has none on address space) is passed over.
const SCRIPT: &str =
    "ulimit -v \"$1\" 2>/dev/null; ulimit -S -t \"$2\" 2>/dev/null; shift 2; exec \"$@\"";

/// How long one waits for a child, and with how much memory it may run.
///
/// Only time spent waiting for it counts: a child that waits until its output is taken may take as long
/// as its reader does.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long it may give nothing; then it is killed.
    pub silence: Duration,
    /// How long one waits for it altogether.
    pub whole: Duration,
    /// Address space, in MiB.
    pub memory_mb: u64,
}

/// How much FFmpeg says while it works.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Detail {
    /// What it complains of, whole: a line of a complaint is written at once.
    Complaints,
    /// What the streams are too, and what is asked for by options such as `-debug_ts`. Such lines are written in parts, and a
    /// complaint of another thread that comes between two parts loses its level and is not known for one.
    Streams,
}

impl Detail {
    /// As FFmpeg's option `-v` has it.
    pub(super) fn level(self) -> &'static str {
        match self {
            Detail::Complaints => "repeat+level+warning",
            Detail::Streams => "repeat+level+info",
        }
    }
}

/// What is to be started: FFmpeg on a file, with the arguments that say what is to be made of it.
#[derive(Debug)]
pub struct Task<'a> {
    /// The program.
    pub ffmpeg: &'a Ffmpeg,
    /// How long, and with how much memory.
    pub limits: Limits,
    /// The file.
    pub file: &'a Path,
    /// How much it says.
    pub detail: Detail,
    /// The arguments before the file, about how it is read.
    pub input: Vec<String>,
    /// The arguments behind the file; the output itself goes to a pipe.
    pub output: Vec<String>,
}

impl Task<'_> {
    /// The command, which speaks at the `level` of detail.
    pub(super) fn command(self, level: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "sh"]);
        command.arg((self.limits.memory_mb * 1024).to_string());
        // A child that outlives a killed parent ends by this one, if not by its broken pipe.
        command.arg(self.limits.whole.as_secs().saturating_add(60).to_string());
        command.arg(&self.ffmpeg.program);
        // Raw time stamps: FFmpeg's own shift depends on which streams are asked for, and would put
        // sound and picture on two clocks.
        command.args(["-hide_banner", "-nostdin", "-nostats", "-v", level, "-copyts"]);
        // What several threads make of a damaged picture, and how often they complain, differs from run to run.
        command.args(["-threads", "1", "-filter_threads", "1", "-max_pixels", "67108864"]);
        // Nothing but this file is opened: what names others is not let through.
        command.args(["-format_whitelist", content::FORMATS, "-protocol_whitelist", "file"]);
        command.args(self.input).arg("-i");
        command.arg(local(self.file)).args(self.output).arg("pipe:1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Address space is limited, and each arena of the allocator reserves much of it.
        command.env("MALLOC_ARENA_MAX", "2").env("AV_LOG_FORCE_NOCOLOR", "1");
        // A decoder that reads what it never wrote, as damaged files make it, finds the same there in every run.
        command.env("MALLOC_PERTURB_", "85");
        command
    }
}

/// `path` with a prefix that keeps it from being taken for an option or an address.
pub fn local(path: &Path) -> OsString {
    let mut file = OsString::from("file:");
    file.push(path);
    file
}
