//! What the commands print, on streams that may be closed or full: colors only on a terminal, columns that line up.

use std::fmt;
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};
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

/// `text` in red on a terminal.
pub(crate) fn red(text: &str) -> String {
    paint(text, "31;1")
}

/// `text` in green on a terminal.
pub(crate) fn green(text: &str) -> String {
    paint(text, "32;1")
}

/// `text` in yellow on a terminal.
pub(crate) fn yellow(text: &str) -> String {
    paint(text, "33;1")
}

fn paint(text: &str, color: &str) -> String {
    let wanted = io::stdout().is_terminal()
        && io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none();
    if wanted { format!("\x1b[{color}m{text}\x1b[0m") } else { text.to_owned() }
}

/// A short note about what goes on, apart from results.
pub(crate) fn note(text: &str) {
    errln!("{} {text}", green("xtask:"));
}

/// A warning, which stops nothing.
pub(crate) fn warn(text: &str) {
    errln!("{} {text}", yellow("warning:"));
}

/// Lines of `rows` with every column but the last padded to its widest cell.
pub(crate) fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let n_columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| visible(cell)).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..n_columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let pad =
            |(cell, width): (&String, &usize)| cell.clone() + &" ".repeat(width - visible(cell));
        let cells: Vec<String> = row.iter().zip(&widths).map(pad).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// How many columns of a terminal `text` takes: those of a color are none.
fn visible(text: &str) -> usize {
    let after_color = |part: &str| part.split_once('m').map_or(0, |(_, rest)| rest.chars().count());
    let mut parts = text.split('\x1b');
    parts.next().map_or(0, |part| part.chars().count()) + parts.map(after_color).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_colors_take_no_room() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let lines = columns(&[row(["größe", "1"]), row(["\x1b[32;1mok\x1b[0m", "22"])]);
        assert_eq!(lines, ["größe  1", "\x1b[32;1mok\x1b[0m     22"]);
    }
}
