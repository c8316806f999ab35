//! `parity-notes`: docs/published.md has one row for every marker comment in the crates, and the other way round.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::markdown::{self, Row};
use crate::problem::{Problem, report};
use crate::read;
use crate::tidy::Tree;

const DOCUMENT: &str = "docs/published.md";
const HEADER: [&str; 4] = ["key", "published", "here", "where"];
const MARKER: &str = "PUBLISHED:";

/// Key to the files that carry it, with the line of the first.
type Markers = BTreeMap<String, BTreeMap<String, usize>>;

/// The check itself.
pub(crate) fn run(root: &Path) -> Result<()> {
    let (markers, mut problems) = markers(&Tree::read(root)?);
    problems.extend(compare(&read(root, DOCUMENT)?, &markers));
    let keys = markers.len();
    report("parity-notes", &format!("{keys} keys, each with its row"), problems)
}

/// Collects the marker comments of the crates; those that cannot be read are problems.
fn markers(tree: &Tree) -> (Markers, Vec<Problem>) {
    let (mut markers, mut problems) = (Markers::new(), Vec::new());
    for (path, text) in tree.texts(".rs").filter(|(path, _)| path.starts_with("crates/")) {
        for (index, line) in text.lines().enumerate().filter(|(_, line)| is_marker(line)) {
            match key(line) {
                Some(key) => {
                    let files = markers.entry(key.to_owned()).or_default();
                    files.entry(path.to_owned()).or_insert(index + 1);
                }
                None => {
                    let message = format!("write the marker as `// {MARKER} some-key`");
                    problems.push(Problem::new(path, index + 1, message));
                }
            }
        }
    }
    (markers, problems)
}

/// Whether `line` has a comment that starts with the marker, well written or not.
fn is_marker(line: &str) -> bool {
    let before = line.split_once(MARKER).map(|(before, _)| before.trim_end());
    before.is_some_and(|before| before.ends_with("//") || before.ends_with("//!"))
}

/// The key of a marker comment: lower-case words with hyphens between them.
fn key(line: &str) -> Option<&str> {
    let (_, after) = line.split_once("// PUBLISHED: ")?;
    let key = after.split([' ', ',', ';', ':', '(']).next()?.trim_end_matches('.');
    let is_word = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    key.split('-').all(is_word).then_some(key)
}

/// Rows of every table with our header; there may be several, under headings of their own.
fn rows(document: &str) -> Vec<Row> {
    let tables = markdown::tables(document).into_iter();
    let ours = tables.filter(|table| table.header.iter().map(String::as_str).eq(HEADER));
    ours.flat_map(|table| table.rows).collect()
}

fn row_key(row: &Row) -> &str {
    row.cells.first().map_or("", |cell| cell.trim_matches('`'))
}

/// Differences between rows and markers, both ways.
fn compare(document: &str, markers: &Markers) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut listed = BTreeSet::new();
    let rows = rows(document);
    for row in &rows {
        let mut wrong = |message: String| problems.push(Problem::new(DOCUMENT, row.line, message));
        let key = row_key(row);
        if row.cells.len() != HEADER.len() || row.cells[..3].iter().any(String::is_empty) {
            wrong(format!("the row of `{key}` needs {} filled cells", HEADER.len()));
        } else if !listed.insert(key) {
            wrong(format!("`{key}` has two rows"));
        } else {
            match markers.get(key) {
                None => wrong(format!("no file carries `// {MARKER} {key}`")),
                Some(files) if row.cells[3] != places(files) => wrong(format!(
                    "the last cell of `{key}` is not {}: `cargo xtask parity-notes --write` fills it",
                    places(files)
                )),
                Some(_) => {}
            }
        }
    }
    let seen: BTreeSet<&str> = rows.iter().map(row_key).collect();
    for (key, files) in markers.iter().filter(|(key, _)| !seen.contains(key.as_str())) {
        for (path, line) in files {
            problems.push(Problem::new(path, *line, format!("`{key}` has no row in {DOCUMENT}")));
        }
    }
    problems
}

/// The last cell of a row: links to files, shown without the folders that all of them have.
fn places(files: &BTreeMap<String, usize>) -> String {
    let link = |path: &String| {
        let shown = path.trim_start_matches("crates/").replace("/src/", "/");
        format!("[{shown}](../{path})")
    };
    files.keys().map(link).collect::<Vec<_>>().join(", ")
}

/// Writes the last column anew.
pub(crate) fn fill(root: &Path) -> Result<()> {
    let (markers, _) = markers(&Tree::read(root)?);
    let filled = filled(&read(root, DOCUMENT)?, &markers);
    std::fs::write(root.join(DOCUMENT), filled).with_context(|| format!("cannot write {DOCUMENT}"))
}

fn filled(document: &str, markers: &Markers) -> String {
    let mut lines: Vec<String> = document.lines().map(str::to_owned).collect();
    for row in rows(document) {
        let Some(files) = markers.get(row_key(&row)) else { continue };
        let mut cells: Vec<String> =
            row.cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        cells.resize(HEADER.len(), String::new());
        cells[3] = places(files);
        lines[row.line - 1] = format!("| {} |", cells.join(" | "));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "| key | published | here | where |\n|--|--|--|--|\n";

    fn source(text: &str) -> (Markers, Vec<Problem>) {
        markers(&Tree::of(&[("crates/x/src/a.rs", text)]))
    }

    fn messages(rows: &str, code: &str) -> Vec<String> {
        let (markers, _) = source(code);
        let problems = compare(&format!("{TABLE}{rows}"), &markers);
        problems.into_iter().map(|problem| problem.message).collect()
    }

    #[test]
    fn rows_and_markers_pair_up() {
        let row = "| `k` | this | that | [x/a.rs](../crates/x/src/a.rs) |\n";
        let code = "// PUBLISHED: k here\n    // PUBLISHED: k.\n";
        assert!(messages(row, code).is_empty(), "a key may be carried in several places");
        assert_eq!(messages("", code), ["`k` has no row in docs/published.md"]);
        assert_eq!(messages(row, ""), ["no file carries `// PUBLISHED: k`"]);
        assert_eq!(messages(&row.repeat(2), code), ["`k` has two rows"]);
        let empty = row.replace("this", "");
        assert_eq!(messages(&empty, code), ["the row of `k` needs 4 filled cells"]);
    }

    #[test]
    fn a_marker_that_cannot_be_read_is_found() {
        for text in ["// PUBLISHED: Some_Key\n", "//PUBLISHED:k\n", "/// PUBLISHED: \n"] {
            assert_eq!(source(text).1.len(), 1, "{text}");
        }
        assert!(source("/// Carries a `PUBLISHED:` comment.\n").1.is_empty(), "it is none itself");
    }

    #[test]
    fn the_last_column_is_checked_and_filled() {
        let row = "| `k` | a \\| b | that | elsewhere |\n";
        assert_eq!(messages(row, "// PUBLISHED: k\n").len(), 1);
        let (markers, _) = source("// PUBLISHED: k\n");
        let text = filled(&format!("{TABLE}{row}"), &markers);
        assert!(
            text.contains("| `k` | a \\| b | that | [x/a.rs](../crates/x/src/a.rs) |"),
            "{text}"
        );
        assert!(compare(&text, &markers).is_empty());
    }
}
