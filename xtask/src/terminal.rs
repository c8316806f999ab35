//! How results look: colours only on a terminal, columns that line up.

use std::io::IsTerminal;

use crate::output::errln;

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
    let wanted = std::io::stdout().is_terminal()
        && std::io::stderr().is_terminal()
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
    let after_first = |part: &str| part.split_once('m').map_or(0, |(_, rest)| rest.chars().count());
    let mut parts = text.split('\x1b');
    parts.next().map_or(0, |part| part.chars().count()) + parts.map(after_first).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let lines = columns(&[row(["a", "1"]), row(["abc", "22"])]);
        assert_eq!(lines, ["a    1", "abc  22"]);
    }

    #[test]
    fn colors_take_no_room() {
        assert_eq!(visible("\x1b[32;1mok\x1b[0m"), 2);
        assert_eq!(visible("größe"), 5);
    }
}
