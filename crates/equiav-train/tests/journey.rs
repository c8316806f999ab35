//! The step as docs/architecture.md tells it, against the code: each file is there and has what is called in it.

use std::fs;
use std::path::Path;

/// The texts between back-quotes.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_row_of_the_step_names_what_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("../../docs/architecture.md")).expect("the page");
    let section = page.split("## One step").nth(1).expect("the section");
    let section = section.split("\n## ").next().expect("its text");
    let (mut files, mut calls) = (0, 0);
    let numbered =
        |row: &&str| row.split('|').nth(1).is_some_and(|n| n.trim().parse::<u32>().is_ok());
    for row in section.lines().filter(numbered) {
        let cell = row.split('|').nth(2).unwrap_or_default();
        let [file, rest @ ..] = &quoted(cell)[..] else { continue };
        let folder = if file.starts_with("equiav-") { ".." } else { "src" };
        let path = root.join(folder).join(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|_| panic!("{file} is no file: {row}"));
        files += 1;
        for call in rest.iter().filter(|name| !name.contains('/') && !name.ends_with(".rs")) {
            let name = call.rsplit("::").next().unwrap_or(call);
            assert!(text.contains(&format!("fn {name}")), "{file} has no `fn {name}`: {row}");
            calls += 1;
        }
    }
    assert!(files >= 14 && calls >= 9, "{files} files and {calls} calls were found");
}
