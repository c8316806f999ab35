//! The two things the checks read in Markdown: tables and links; fenced code is passed over.

/// A table with the cells of its rows, trimmed.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Table {
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

/// A row and the line it stands on, counted from 1.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Row {
    pub(crate) line: usize,
    pub(crate) cells: Vec<String>,
}

/// The tables of `text` in their order.
pub(crate) fn tables(text: &str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let mut inside = false;
    for (line, content) in prose(text) {
        let Some(cells) = cells(content) else {
            inside = false;
            continue;
        };
        let is_rule = cells.iter().all(|cell| cell.chars().all(|c| "-: ".contains(c)));
        match tables.last_mut().filter(|_| inside) {
            None => tables.push(Table { header: cells, rows: Vec::new() }),
            Some(_) if is_rule => {}
            Some(table) => table.rows.push(Row { line, cells }),
        }
        inside = true;
    }
    tables
}

/// Targets of the links and pictures of `text`, each with its line.
pub(crate) fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, content) in prose(text) {
        let mut rest = without_code(content);
        while let Some(start) = rest.find("](") {
            rest = rest[start + 2..].to_owned();
            let Some(end) = rest.find(')') else { break };
            let target = rest[..end].split_whitespace().next().unwrap_or_default();
            found.push((line, target.trim_matches(['<', '>']).to_owned()));
        }
    }
    found
}

/// What stands between backticks in `cell`.
pub(crate) fn code_words(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Lines outside fenced code, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        (!fenced && !is_fence).then_some((index + 1, line))
    })
}

/// The cells of a table's line; none where `line` is no such line.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.trim().strip_prefix('|')?;
    let inner = inner.strip_suffix('|').unwrap_or(inner);
    // A bar that is meant as a character is written `\|`.
    let inner = inner.replace("\\|", "\u{0}");
    Some(inner.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect())
}

/// `line` without what stands between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_header_and_numbered_rows() {
        let text = "intro\n\n| a | b |\n|--|:-:|\n| 1 | x \\| y |\n\n| c |\n|--|\n";
        let tables = tables(text);
        assert_eq!(tables.len(), 2);
        assert_eq!(tables[0].header, ["a", "b"]);
        assert_eq!(tables[0].rows, [Row { line: 5, cells: vec!["1".into(), "x | y".into()] }]);
        assert_eq!(tables[1].header, ["c"]);
    }

    #[test]
    fn links_are_found_outside_code_only() {
        let text =
            "see [a](one.md#x) and ![b](two.png \"t\")\n`[c](three.md)`\n```\n[d](four.md)\n```\n";
        assert_eq!(links(text), [(1, "one.md#x".to_owned()), (1, "two.png".to_owned())]);
    }

    #[test]
    fn code_words_stand_between_backticks() {
        assert_eq!(code_words("`a`, then `b`"), ["a", "b"]);
        assert!(code_words("–").is_empty());
    }
}
