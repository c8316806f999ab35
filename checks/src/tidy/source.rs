//! Rules about Rust source.

use std::collections::BTreeSet;

use super::Tree;
use super::exceptions::{LONG, unused};
use crate::problem::Problem;
use crate::tokens::Token;

const MAX_LINES: usize = 300;

/// The one crate that may hold `unsafe`.
const UNSAFE_CRATE: &str = "crates/equiav-torch/";

// Spelled in two parts, so that this file obeys its own rule.
const NOTES: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];
const MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];
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

fn short(tree: &Tree, allowed: &[&str]) -> Vec<Problem> {
    let tests = test_files(tree);
    let files = tree.texts(".rs").filter(|(path, _)| !tests.contains(*path));
    let lengths = files.map(|(path, text)| (path, lines_without_tests(text)));
    let long: Vec<(&str, usize)> = lengths.filter(|(_, lines)| *lines > MAX_LINES).collect();
    let new = long.iter().filter(|(path, _)| !allowed.contains(path)).map(|(path, lines)| {
        Problem::new(path, 0, format!("{lines} lines without tests, {MAX_LINES} are allowed"))
    });
    new.chain(unused(allowed, &long.iter().map(|(path, _)| *path).collect())).collect()
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
    problems.extend(each_token(tree, |[sign, word, next]| {
        if MACROS.contains(&word.text.as_str()) && next.text == "!" {
            return Some(format!("`{}!`", word.text));
        }
        (sign.text == "Bracket" && word.text == "ignore").then(|| "`#[ignore]`".to_owned())
    }));
    problems
}

/// Whether `word` stands in `text` with no letter, digit or underscore beside it.
fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|other| other == word)
}

/// A problem for every token about which `message` has something to say, seeing those before and after it too.
fn each_token(tree: &Tree, message: impl Fn([&Token; 3]) -> Option<String>) -> Vec<Problem> {
    let none = Token { text: String::new(), line: 0 };
    let mut problems = Vec::new();
    for (path, tokens) in tree.tokens() {
        for (at, token) in tokens.iter().enumerate() {
            let before = at.checked_sub(1).map_or(&none, |before| &tokens[before]);
            let said = message([before, token, tokens.get(at + 1).unwrap_or(&none)]);
            problems.extend(said.map(|message| Problem::new(path, token.line, message)));
        }
    }
    problems
}

/// A module is named for what it holds.
pub(crate) fn has_no_grab_bag(tree: &Tree) -> Vec<Problem> {
    each_token(tree, |[before, name, _]| {
        let is_bag = before.text == "mod" && GRAB_BAGS.contains(&name.text.as_str());
        is_bag.then(|| format!("`mod {}` says nothing: name it for what it holds", name.text))
    })
}

/// All that the compiler cannot check is in one crate.
pub(crate) fn is_safe(tree: &Tree) -> Vec<Problem> {
    let mut problems = each_token(tree, |[_, word, _]| {
        (word.text == "unsafe").then(|| "`unsafe` outside equiav-torch".to_owned())
    });
    problems.retain(|problem| !problem.path.starts_with(UNSAFE_CRATE));
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
    fn an_exception_needs_a_long_file() {
        let long = "//! Long.\n".repeat(MAX_LINES + 1);
        let tree = Tree::of(&[("a.rs", &long), ("b.rs", "//! Short.\n")]);
        assert!(short(&tree, &["a.rs"]).is_empty());
        assert_eq!(short(&tree, &["a.rs", "b.rs", "c.rs"]).len(), 2, "not long, and not there");
    }

    #[test]
    fn work_left_undone_is_found() {
        for note in NOTES {
            assert_eq!(problems(has_no_leftovers, "a.rs", &format!("// {note}: later\n")), 1);
            assert_eq!(problems(has_no_leftovers, "a.md", &format!("{note}\n")), 1);
        }
        for name in MACROS {
            let text = format!("// no {name}!\nfn {name}() {{ {name}!() }}\n");
            assert_eq!(problems(has_no_leftovers, "a.rs", &text), 1);
        }
        assert_eq!(problems(has_no_leftovers, "a.rs", "#[ignore = \"slow\"]\nfn f() {}\n"), 1);
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
