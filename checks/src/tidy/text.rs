//! Rules about every text file.

use super::Tree;
use crate::markdown;
use crate::problem::Problem;

// Spelled in two parts, so that this file obeys its own rule.
const PLACES: [&str; 4] =
    [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Use", "rs/"), concat!("/wo", "rk/")];
const HOSTS: [&str; 4] = [
    concat!("py", "pi.org"),
    concat!("pythonho", "sted.org"),
    concat!("crates", ".io"),
    concat!("download.py", "torch.org"),
];

/// Endings of files in which white space means nothing.
const TRIMMED: [&str; 12] = [
    ".rs",
    ".md",
    ".toml",
    ".py",
    ".sh",
    ".cc",
    ".h",
    ".ci/run",
    ".gitignore",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    ".yml",
];

/// The tree means the same on every machine.
pub(crate) fn names_no_machine(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    // Cargo writes the public index into its lock file; another rule reads that.
    for (path, text) in tree.texts("").filter(|(path, _)| !path.ends_with("Cargo.lock")) {
        for (index, line) in text.lines().enumerate() {
            if PLACES.iter().any(|place| starts_path(line, place)) {
                problems.push(Problem::new(path, index + 1, "a path that only one machine has"));
            }
            if let Some(host) = HOSTS.iter().find(|host| line.contains(*host)) {
                problems.push(Problem::new(
                    path,
                    index + 1,
                    format!("the host of an index: {host}"),
                ));
            }
        }
    }
    problems
}

/// Whether a path in `line` starts with `place`, which may also stand in the middle of another one.
fn starts_path(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-/}>)".contains(c))
    })
}

/// Nothing invisible changes from one editor to the next.
pub(crate) fn is_trimmed(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    let ours = |path: &str| TRIMMED.iter().any(|ending| path.ends_with(ending));
    for (path, text) in tree.texts("").filter(|(path, _)| ours(path)) {
        for (index, line) in text.split('\n').enumerate() {
            if line.ends_with([' ', '\t', '\r']) {
                problems.push(Problem::new(path, index + 1, "white space at the line's end"));
            }
        }
        if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
            problems.push(Problem::new(path, 0, "the file does not end with one line's end"));
        }
    }
    problems
}

/// A reader who follows a link arrives.
pub(crate) fn links_lead_somewhere(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in tree.texts(".md") {
        for (line, link) in markdown::links(text) {
            let target = link.split('#').next().unwrap_or_default();
            let is_elsewhere = link.contains("://") || link.starts_with("mailto:");
            if target.is_empty() || is_elsewhere {
                continue;
            }
            if !resolve(path, target).is_some_and(|target| tree.has(&target)) {
                let message = format!("the link leads nowhere: {target}");
                problems.push(Problem::new(path, line, message));
            }
        }
    }
    problems
}

/// `target` as seen from the file `from`, relative to the repository; none where it leaves it.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(rule: fn(&Tree) -> Vec<Problem>, path: &str, text: &str) -> usize {
        rule(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        for place in PLACES {
            assert_eq!(problems(names_no_machine, "a.md", &format!("see {place}me/data\n")), 1);
            assert_eq!(problems(names_no_machine, "a.md", &format!("in data{place}x\n")), 0);
        }
    }

    #[test]
    fn the_host_of_an_index_is_found() {
        for host in HOSTS {
            assert_eq!(problems(names_no_machine, "a.toml", &format!("\"https://{host}/x\"\n")), 1);
            assert_eq!(problems(names_no_machine, "Cargo.lock", &format!("{host}\n")), 0);
        }
    }

    #[test]
    fn white_space_at_an_end_is_found() {
        assert_eq!(problems(is_trimmed, "a.rs", "x\ny\n"), 0);
        assert_eq!(problems(is_trimmed, "a.rs", "x \ny\t\n"), 2);
        assert_eq!(problems(is_trimmed, "a.rs", "x\r\n"), 1);
        assert_eq!(problems(is_trimmed, "a.rs", "x"), 1);
        assert_eq!(problems(is_trimmed, "a.rs", "x\n\n"), 1);
        assert_eq!(problems(is_trimmed, "a.csv", "x "), 0);
    }

    #[test]
    fn a_broken_link_is_found() {
        let tree = |link: &str| Tree::of(&[("docs/a.md", link), ("src/b.rs", "")]);
        for whole in ["[b](../src/b.rs#L3)", "[s](../src)", "[top](#a)", "[web](https://a.example)"]
        {
            assert!(links_lead_somewhere(&tree(whole)).is_empty(), "{whole}");
        }
        for broken in ["[b](src/b.rs)", "[b](../../src/b.rs)", "![p](p.png)"] {
            assert_eq!(links_lead_somewhere(&tree(broken)).len(), 1, "{broken}");
        }
    }
}
