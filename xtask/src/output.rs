//! What the commands print, on streams that may be closed or full.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process;

/// The exit code of a command whose reader has gone: that of a program that SIGPIPE has ended.
const CLOSED: i32 = 128 + 13;

/// Prints a line on standard output.
macro_rules! outln {
    ($($text:tt)*) => {
        $crate::output::print(format_args!("{}\n", format_args!($($text)*)))
    };
}

/// Prints on standard output.
macro_rules! out {
    ($($text:tt)*) => { $crate::output::print(format_args!($($text)*)) };
}

/// Prints a line on standard error.
macro_rules! errln {
    ($($text:tt)*) => {
        $crate::output::error(format_args!("{}\n", format_args!($($text)*)))
    };
}

pub(crate) use {errln, out, outln};

/// Writes `text` to standard output; where it takes no more, that ends the command, as SIGPIPE ends others.
pub(crate) fn print(text: fmt::Arguments<'_>) {
    let mut stdout = io::stdout().lock();
    let Err(failure) = stdout.write_fmt(text).and_then(|()| stdout.flush()) else { return };
    if failure.kind() == ErrorKind::BrokenPipe {
        process::exit(CLOSED);
    }
    errln!("error: standard output: {failure}");
    process::exit(1);
}

/// Writes `text` to standard error, if that takes it: nobody could be told otherwise.
pub(crate) fn error(text: fmt::Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(text);
}
