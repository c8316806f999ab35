//! Rules about Rust source.

use std::collections::BTreeSet;

use super::Tree;
use crate::problem::Problem;
use crate::rust_source::{code_only, has_word};

const MAX_LINES: usize = 300;

/// Files that may be longer, each with the reason why cutting them would not help a reader.
const LONG: &[(&str, &str)] = &[];

/// The one crate that may hold `unsafe`.
const UNSAFE_CRATE: &str = "crates/equiav-torch/";

// Spelled in two parts, so that this file obeys its own rule.
const NOTES: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];
const MACROS: [&str; 3] = ["todo!", "unimplemented!", "dbg!"];
const GRAB_BAGS: [&str; 3] = ["utils", "common", "helpers"];

/// A reader learns from the first line what a file is for.
pub(crate) fn opens_with_its_purpose(tree: &Tree) -> Vec<Problem> {
    let silent = tree.texts(".rs").filter(|(_, text)| !text.starts_with("//! "));
    silent.map(|(path, _)| Problem::new(path, 1, "the file does not open with `//! ...`")).collect()
}

/// A file is read in one go.
pub(crate) fn is_short(tree: &Tree) -> Vec<Problem> {
    short(tree, LONG)
}

fn short(tree: &Tree, allowed: &[(&str, &str)]) -> Vec<Problem> {
    let tests = test_files(tree);
    let mut problems = Vec::new();
    for (path, text) in tree.texts(".rs").filter(|(path, _)| !tests.contains(*path)) {
        let lines = lines_without_tests(text);
        let is_allowed = allowed.iter().any(|(long, _)| *long == path);
        if lines > MAX_LINES && !is_allowed {
            let message = format!("{lines} lines without tests, {MAX_LINES} are allowed");
            problems.push(Problem::new(path, 0, message));
        }
        if lines <= MAX_LINES && is_allowed {
            problems.push(Problem::new(path, 0, "no longer needs its exception in xtask"));
        }
    }
    for (path, reason) in allowed {
        if !tree.has(path) || reason.is_empty() {
            problems.push(Problem::new(path, 0, "an exception in xtask without file or reason"));
        }
    }
    problems
}

/// Lines before a trailing `#[cfg(test)] mod`.
fn lines_without_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let starts_tests = |pair: &[&str]| {
        pair[0] == "#[cfg(test)]" && module(pair[1]).is_some() && pair[1].ends_with('{')
    };
    lines.windows(2).position(starts_tests).unwrap_or(lines.len())
}

/// Files that hold nothing but tests: those below `tests/`, and modules declared for tests only.
fn test_files(tree: &Tree) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, text) in tree.texts(".rs") {
        if path.contains("/tests/") {
            found.insert(path.to_owned());
        }
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let stem = file.trim_end_matches(".rs");
        let owner = if matches!(stem, "lib" | "main" | "mod") { "" } else { stem };
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for pair in lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]") {
            if let Some(name) = module(pair[1]).filter(|_| pair[1].ends_with(';')) {
                let home = format!("{folder}/{owner}");
                let home = home.trim_end_matches('/');
                found.extend([format!("{home}/{name}.rs"), format!("{home}/{name}/mod.rs")]);
            }
        }
    }
    found
}

/// The name in a line that declares or opens a module.
fn module(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().filter(|word| !word.starts_with("pub"));
    (words.next()? == "mod").then_some(())?;
    Some(words.next()?.trim_end_matches([';', '{']))
}

/// Work is finished before it is handed in.
pub(crate) fn has_no_leftovers(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for ending in [".rs", ".md", ".toml", ".py", ".sh", ".cc", ".h", ".ci/run"] {
        for (path, text) in tree.texts(ending) {
            for (index, line) in text.lines().enumerate() {
                let notes = NOTES.iter().filter(|note| has_word(line, note));
                problems
                    .extend(notes.map(|note| Problem::new(path, index + 1, format!("`{note}`"))));
            }
        }
    }
    for (path, text) in tree.texts(".rs") {
        for (index, line) in code_only(text).lines().enumerate() {
            let mut found: Vec<&str> =
                MACROS.into_iter().filter(|name| has_word(line, name)).collect();
            if line.contains("#[ignore") {
                found.push("#[ignore]");
            }
            let each = found.into_iter();
            problems.extend(each.map(|what| Problem::new(path, index + 1, format!("`{what}`"))));
        }
    }
    problems
}

/// A module is named for what it holds.
pub(crate) fn has_no_grab_bag(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in tree.texts(".rs") {
        for (index, line) in code_only(text).lines().enumerate() {
            if let Some(name) = module(line).filter(|name| GRAB_BAGS.contains(name)) {
                let message = format!("`mod {name}` says nothing: name it for what it holds");
                problems.push(Problem::new(path, index + 1, message));
            }
        }
    }
    problems
}

/// All that the compiler cannot check is in one crate.
pub(crate) fn is_safe(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in tree.texts(".rs").filter(|(path, _)| !path.starts_with(UNSAFE_CRATE)) {
        for (index, line) in code_only(text).lines().enumerate() {
            if has_word(line, "unsafe") {
                problems.push(Problem::new(path, index + 1, "`unsafe` outside equiav-torch"));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(rule: fn(&Tree) -> Vec<Problem>, path: &str, text: &str) -> usize {
        rule(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn a_file_without_its_purpose_is_found() {
        assert_eq!(problems(opens_with_its_purpose, "a.rs", "//! Adds.\n"), 0);
        assert_eq!(problems(opens_with_its_purpose, "a.rs", "use std::fs;\n"), 1);
        assert_eq!(problems(opens_with_its_purpose, "a.rs", ""), 1);
    }

    #[test]
    fn a_long_file_is_found_but_tests_do_not_count() {
        let long = "//! Long.\n".repeat(MAX_LINES);
        let tests = format!("{long}#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert_eq!(problems(is_short, "src/a.rs", &tests), 0);
        assert_eq!(problems(is_short, "src/a.rs", &format!("{long}one more\n")), 1);
        assert_eq!(problems(is_short, "x/tests/a.rs", &long.repeat(2)), 0);
    }

    #[test]
    fn a_module_for_tests_only_does_not_count() {
        let long = "//! Long.\n".repeat(MAX_LINES + 1);
        let declared = "#[cfg(test)]\nmod laws;\n";
        let tree = Tree::of(&[("x/src/lib.rs", declared), ("x/src/laws.rs", &long)]);
        assert!(is_short(&tree).is_empty());
        let tree = Tree::of(&[("x/src/a.rs", declared), ("x/src/a/laws.rs", &long)]);
        assert!(is_short(&tree).is_empty());
        let tree = Tree::of(&[("x/src/lib.rs", "mod laws;\n"), ("x/src/laws.rs", &long)]);
        assert_eq!(is_short(&tree).len(), 1);
    }

    #[test]
    fn an_exception_needs_a_long_file_and_a_reason() {
        let long = "//! Long.\n".repeat(MAX_LINES + 1);
        let tree = Tree::of(&[("a.rs", &long), ("b.rs", "//! Short.\n")]);
        assert!(short(&tree, &[("a.rs", "a table")]).is_empty());
        let messages = |allowed| short(&tree, allowed).len();
        assert_eq!(messages(&[("a.rs", "")]), 1, "no reason");
        assert_eq!(messages(&[("a.rs", "a table"), ("b.rs", "a table")]), 1, "not long");
        assert_eq!(messages(&[("a.rs", "a table"), ("c.rs", "a table")]), 1, "no file");
    }

    #[test]
    fn work_left_undone_is_found() {
        for note in NOTES {
            assert_eq!(problems(has_no_leftovers, "a.rs", &format!("// {note}: later\n")), 1);
            assert_eq!(problems(has_no_leftovers, "a.md", &format!("{note}\n")), 1);
        }
        for name in MACROS {
            assert_eq!(problems(has_no_leftovers, "a.rs", &format!("fn f() {{ {name}() }}\n")), 1);
            assert_eq!(problems(has_no_leftovers, "a.rs", &format!("// no {name}\n")), 0);
        }
        assert_eq!(problems(has_no_leftovers, "a.rs", "#[ignore = \"slow\"]\n"), 1);
    }

    #[test]
    fn a_grab_bag_is_found() {
        for name in GRAB_BAGS {
            assert_eq!(problems(has_no_grab_bag, "a.rs", &format!("pub(crate) mod {name};\n")), 1);
        }
        assert_eq!(problems(has_no_grab_bag, "a.rs", "mod common_roll;\n// mod utils;\n"), 0);
    }

    #[test]
    fn unsafe_code_is_found_outside_its_crate() {
        let text = "fn f() { unsafe { g() } }\n";
        assert_eq!(problems(is_safe, "crates/equiav-loss/src/lib.rs", text), 1);
        assert_eq!(problems(is_safe, "crates/equiav-torch/src/lib.rs", text), 0);
        assert_eq!(problems(is_safe, "a.rs", "#![deny(unsafe_code)] // unsafe\n"), 0);
    }
}
