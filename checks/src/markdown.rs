//! The two things the checks read in Markdown: tables and links.

use pulldown_cmark::{Event, Options, Parser, Tag};

/// A table with the cells of its rows, as they are written.
#[derive(Debug, Default, Eq, PartialEq)]
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
    for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        let Event::Start(tag) = event else { continue };
        if let Tag::Table(_) = tag {
            tables.push(Table::default());
        }
        let Some(table) = tables.last_mut() else { continue };
        match tag {
            Tag::TableRow => {
                table.rows.push(Row { line: line(text, range.start), cells: Vec::new() });
            }
            Tag::TableCell => {
                // A bar that is meant as a character is written `\|`.
                let cell = text[range].trim().trim_matches('|').trim().replace("\\|", "|");
                table.rows.last_mut().map_or(&mut table.header, |row| &mut row.cells).push(cell);
            }
            _ => {}
        }
    }
    tables
}

/// Targets of the links and pictures of `text`, each with its line.
pub(crate) fn links(text: &str) -> Vec<(usize, String)> {
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter();
    let target = |(event, range): (Event, std::ops::Range<usize>)| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some((line(text, range.start), dest_url.into_string()))
        }
        _ => None,
    };
    events.filter_map(target).collect()
}

/// What stands between backticks in `cell`.
pub(crate) fn code_words(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn line(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_header_and_numbered_rows() {
        let text = "intro\n\n| a | b |\n|--|:-:|\n| 1 | `x \\| y` |\n| [z](z) | |\n\n| c |\n|--|\n";
        let tables = tables(text);
        assert_eq!(tables.len(), 2);
        assert_eq!(tables[0].header, ["a", "b"]);
        let row = |line, cells: [&str; 2]| Row { line, cells: cells.map(str::to_owned).to_vec() };
        assert_eq!(tables[0].rows, [row(5, ["1", "`x | y`"]), row(6, ["[z](z)", ""])]);
        assert_eq!(tables[1].header, ["c"]);
    }

    #[test]
    fn links_are_found_outside_code_only() {
        let text = "see [a](one.md#x) and ![b](two.png \"t\")\n`[c](three.md)`\n```\n[d](four.md)\n```\n| [e](5) |\n|--|\n";
        let found = [(1, "one.md#x"), (1, "two.png"), (6, "5")];
        assert_eq!(links(text), found.map(|(line, link)| (line, link.to_owned())));
    }

    #[test]
    fn code_words_stand_between_backticks() {
        assert_eq!(code_words("`a`, then `b`"), ["a", "b"]);
        assert!(code_words("–").is_empty());
    }
}
