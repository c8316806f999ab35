//! What the program says, on streams that may be closed or full: every print of the program goes through here.
//!
//! Standard output is either what a command is for (`outln!`, whose failure ends the command) or a remark
//! beside the files that it is for (`remark!`, whose failure ends nothing, least of all a training run).
//! Standard error is told what it takes (`errln!`).

pub(crate) mod classes;
pub(crate) mod localization;
pub(crate) mod metrics;
pub(crate) mod overlap;
pub(crate) mod progress;
pub(crate) mod retrieval;

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of a command whose reader has gone: that of a program that SIGPIPE has ended, such as `cat`.
const CLOSED: u8 = 128 + 13;

/// Standard output does not take what a command is for.
#[derive(Debug)]
pub(crate) struct Unwritable(io::Error);

impl fmt::Display for Unwritable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "standard output: {}", self.0)
    }
}

impl std::error::Error for Unwritable {}

/// Prints what the command is for, and a line break; gives the error of a stream that does not take it.
macro_rules! outln {
    ($($text:tt)*) => {
        $crate::output::product(format_args!("{}\n", format_args!($($text)*)))
    };
}

/// As [`outln!`], without the line break.
macro_rules! out {
    ($($text:tt)*) => { $crate::output::product(format_args!($($text)*)) };
}

/// Prints a line on standard output beside what the command is for.
macro_rules! remark {
    ($($text:tt)*) => {
        $crate::output::beside(format_args!("{}\n", format_args!($($text)*)))
    };
}

/// Prints a line on standard error.
macro_rules! errln {
    ($($text:tt)*) => {
        $crate::output::error(format_args!("{}\n", format_args!($($text)*)))
    };
}

pub(crate) use {errln, out, outln, remark};

/// Writes `text` to standard output.
pub(crate) fn product(text: fmt::Arguments<'_>) -> Result<(), Unwritable> {
    let mut stdout = io::stdout().lock();
    stdout.write_fmt(text).and_then(|()| stdout.flush()).map_err(Unwritable)
}

/// Writes `text` to standard output; one that is closed is passed over, another failure is told once.
pub(crate) fn beside(text: fmt::Arguments<'_>) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    let Err(failure) = product(text) else { return };
    if failure.0.kind() != ErrorKind::BrokenPipe && !TOLD.swap(true, Ordering::Relaxed) {
        errln!("warning: {failure}: this goes on without it");
    }
}

/// Writes `text` to standard error, if that takes it: nobody could be told otherwise.
pub(crate) fn error(text: fmt::Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(text);
}

/// How a command ends whose result is `error`: told, unless nobody reads its output any more.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    let unwritable = error.downcast_ref::<Unwritable>();
    if unwritable.is_some_and(|Unwritable(reason)| reason.kind() == ErrorKind::BrokenPipe) {
        return ExitCode::from(CLOSED);
    }
    errln!("error: {error:#}");
    ExitCode::FAILURE
}

/// Prints what the arguments asked for, the help or the version, or what is wrong with them; how that ends.
pub(crate) fn parsed(message: &clap::Error) -> ExitCode {
    let printed = message.print().and_then(|()| io::stdout().flush());
    match printed.map_err(Unwritable) {
        Err(unwritable) if !message.use_stderr() => failed(&unwritable.into()),
        _ => ExitCode::from(u8::try_from(message.exit_code()).unwrap_or(1)),
    }
}
