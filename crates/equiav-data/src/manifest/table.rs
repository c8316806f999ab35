//! Tables as spreadsheets and programs write them: RFC 4180, and what they make of it.

use csv::{ReaderBuilder, Trim};

/// The separators that are told apart.
const SEPARATORS: [char; 3] = [',', ';', '\t'];

/// One row that is not empty.
#[derive(Debug, PartialEq)]
pub(crate) struct Row {
    /// The line that it begins in, from 1 on.
    pub(crate) line: usize,
    /// Its fields without the blanks around them.
    pub(crate) fields: Vec<String>,
}

/// The rows of the table `text`, whose fields are separated by commas, semicolons or tabs, whichever its
/// first line has most of; lines end in LF, CRLF or CR.
///
/// # Errors
///
/// If a quote is not closed, with its line.
pub(crate) fn rows(text: &str) -> Result<Vec<Row>, String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let head = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    // Of equals the last is the greatest.
    let separator = SEPARATORS.into_iter().rev().max_by_key(|known| head.matches(*known).count());
    let separator = separator.unwrap_or(',');
    let Tight { text, lines } = tight(&text, separator)?;
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .delimiter(separator as u8)
        .from_reader(text.as_bytes());
    let mut rows = Vec::with_capacity(lines.len());
    for (record, line) in reader.records().zip(lines) {
        let record = record.map_err(|error| format!("line {line}: {error}"))?;
        let fields: Vec<String> = record.iter().map(str::to_owned).collect();
        if fields.iter().any(|field| !field.is_empty()) {
            rows.push(Row { line, fields });
        }
    }
    Ok(rows)
}

/// A table without blanks between a separator and a quote, which RFC 4180 lacks.
struct Tight {
    text: String,
    /// The lines in which records begin that are not empty.
    lines: Vec<usize>,
}

/// Takes the blanks before quotes out of `text`, whose lines end in LF.
fn tight(text: &str, separator: char) -> Result<Tight, String> {
    let mut tight = Tight { text: String::with_capacity(text.len()), lines: Vec::new() };
    let (mut line, mut record, mut field) = (1, 0, 0);
    // Whether only blanks were met in the field, whether it is quoted, and the line of the quote that
    // is open.
    let (mut blank, mut quoted, mut open) = (true, false, None);
    for character in text.chars() {
        match character {
            '"' if open.is_some() => open = None,
            // Also the second of a doubled quote, which opens what the first has closed.
            '"' if blank || quoted && tight.text.ends_with('"') => {
                if blank {
                    tight.text.truncate(field);
                }
                (blank, quoted, open) = (false, true, Some(line));
            }
            _ if open.is_some() => {}
            '\n' => {
                if tight.text.len() > record {
                    tight.lines.push(record_line(&tight.text[record..], line));
                }
                record = tight.text.len() + 1;
                (field, blank, quoted) = (record, true, false);
            }
            other if other == separator => {
                (field, blank, quoted) = (tight.text.len() + 1, true, false);
            }
            other => blank &= other == ' ' || other == '\t',
        }
        tight.text.push(character);
        line += usize::from(character == '\n');
    }
    if let Some(line) = open {
        return Err(format!("line {line}: a quote is not closed"));
    }
    if tight.text.len() > record {
        tight.lines.push(record_line(&tight.text[record..], line));
    }
    Ok(tight)
}

/// The line in which `record` begins that ends in line `last`.
fn record_line(record: &str, last: usize) -> usize {
    last - record.matches('\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(usize, &[&str])]) {
        let rows = rows(text).unwrap();
        let found: Vec<(usize, Vec<&str>)> = rows
            .iter()
            .map(|row| (row.line, row.fields.iter().map(String::as_str).collect()))
            .collect();
        let expected: Vec<_> =
            expected.iter().map(|(line, fields)| (*line, fields.to_vec())).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn tables_of_any_program_are_rows() {
        check("a,b\n1,2\n", &[(1, &["a", "b"]), (2, &["1", "2"])]);
        check("a;b\r\n\r\n\"1;0\";2", &[(1, &["a", "b"]), (3, &["1;0", "2"])]);
        check("a\tb\r1\t2,5\r", &[(1, &["a", "b"]), (2, &["1", "2,5"])]);
        check("a , \"b, \"\"c\"\"\" , d\n", &[(1, &["a", "b, \"c\"", "d"])]);
        check("\"x\ny\",1\n,\nz\n", &[(1, &["x\ny", "1"]), (4, &["z"])]);
        check("a,dog \"big\" barking,\"\"\n", &[(1, &["a", "dog \"big\" barking", ""])]);
        check("12\"\" wide,1", &[(1, &["12\"\" wide", "1"])]);
        check("\"\"\"q\"\"\",1", &[(1, &["\"q\"", "1"])]);
        check("", &[]);
        assert_eq!(rows("a,b\n1,\"2\n3"), Err("line 2: a quote is not closed".to_owned()));
    }
}
