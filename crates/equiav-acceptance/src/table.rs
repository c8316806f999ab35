//! Figures as a table, for the terminal and for docs/methods.md.

use std::path::Path;

use anyhow::{Context, ensure};

use crate::criterion::{Bar, Criterion, number};

/// What begins and ends the table in docs/methods.md.
const MARKS: [&str; 2] =
    ["<!-- written by `cargo xtask acceptance` -->", "<!-- end of what is written -->"];

/// The rows of one method, in Markdown.
pub fn rows(method: &str, figures: &[Criterion]) -> String {
    let row = |figure: &Criterion| {
        let Criterion { name, values, bar } = figure;
        let (least, most) = figure.range();
        let spread = if values.len() > 1 {
            format!("{} to {}, {} seeds", number(least), number(most), values.len())
        } else {
            "1 seed".to_owned()
        };
        let holds = match (bar, figure.holds()) {
            (Bar::Shown, _) => "",
            (_, true) => "yes",
            (_, false) => "**no**",
        };
        format!("| {method} | {name} | {} | {spread} | {bar} | {holds} |\n", number(figure.mean()))
    };
    figures.iter().map(row).collect()
}

/// The head of the table.
pub const HEAD: &str = "| method | what | mean | spread | bar | holds |\n|--|--|--:|--|--|--|\n";

/// Puts the rows of `method` in the place of those that the table in `page` has of it.
///
/// # Errors
///
/// If the file cannot be read or written, or has no table.
pub fn write(page: &Path, method: &str, figures: &[Criterion]) -> anyhow::Result<()> {
    let shown = page.display();
    let text = std::fs::read_to_string(page).with_context(|| format!("cannot read {shown}"))?;
    let [begin, end] = MARKS.map(|mark| text.find(mark));
    let (Some(begin), Some(end)) = (begin, end) else {
        anyhow::bail!("{shown} has no table between {:?} and {:?}", MARKS[0], MARKS[1])
    };
    ensure!(begin < end, "{shown}: the marks of the table stand in the wrong order");
    let begin = begin + MARKS[0].len();
    let own = format!("| {method} |");
    let others = text[begin..end].lines().skip_while(|line| !line.starts_with("|--")).skip(1);
    let mut kept: Vec<String> = others
        .filter(|line| line.starts_with('|') && !line.starts_with(&own))
        .map(|line| format!("{line}\n"))
        .collect();
    kept.push(rows(method, figures));
    let place = |row: &String| {
        crate::ALL.iter().position(|one| row.starts_with(&format!("| {} |", one.method)))
    };
    kept.sort_by_key(place);
    let table = format!("\n\n{HEAD}{}\n", kept.concat());
    let text = format!("{}{table}{}", &text[..begin], &text[end..]);
    std::fs::write(page, text).with_context(|| format!("cannot write {shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_one_method_are_replaced_and_the_others_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let page = folder.path().join("methods.md");
        let [begin, end] = MARKS;
        let other = "| other | a | 1 | 1 seed | – |  |\n";
        std::fs::write(
            &page,
            format!("before\n{begin}\n\n{HEAD}{other}| cca | old | 1 |\n\n{end}\nafter\n"),
        )
        .expect("a page");
        let figures = [Criterion::new("new", vec![0.5, 0.7], Bar::AtLeast(0.65))];
        write(&page, "cca", &figures).expect("a table");
        let text = std::fs::read_to_string(&page).expect("the page");
        assert!(text.starts_with("before\n") && text.ends_with("after\n"), "{text}");
        assert!(text.contains(other) && !text.contains("| old |"), "{text}");
        assert!(
            text.contains(
                "| cca | new | 0.600 | 0.500 to 0.700, 2 seeds | at least 0.650 | **no** |"
            ),
            "{text}"
        );
    }
}
