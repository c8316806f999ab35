//! The files that the rules read, and the rules about their sizes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::problem::Problem;
use crate::tokens::{Token, tokens};

const MEGABYTE: u64 = 1_000_000;
const FIXTURES: &str = "fixtures/";
const FIXTURES_LIMIT: u64 = 20 * MEGABYTE;
const FILE_LIMIT: u64 = 5 * MEGABYTE;

// Spelled in two parts: another rule forbids its host.
const PUBLIC_INDEX: &str = concat!("registry+https://github.com/rust-lang/crates", ".io-index");

/// Every file that is, or would be, part of a commit.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<SourceFile>,
    folders: BTreeSet<String>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct SourceFile {
    /// Relative to the repository, with `/` between folders.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    /// None where it is no text.
    text: Option<String>,
    /// Of Rust.
    tokens: Vec<Token>,
}

impl Tree {
    /// Reads what git tracks and what it would track.
    pub(crate) fn read(root: &Path) -> Result<Tree> {
        let mut git = Command::new("git");
        // A checkout that belongs to another user, as in a container, is read all the same.
        git.current_dir(root).args(["-c", "safe.directory=*"]);
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]);
        let listed = git.output().context("the list of files comes from git")?;
        let said = String::from_utf8_lossy(&listed.stderr);
        ensure!(listed.status.success(), "the list of files comes from git, which says: {said}");
        let list = String::from_utf8_lossy(&listed.stdout);
        let mut tree = Tree::default();
        for path in list.split('\0').filter(|path| !path.is_empty()) {
            // A file that was removed and not yet committed is still listed, a link is none of ours.
            let found = fs::symlink_metadata(root.join(path));
            if let Some(found) = found.ok().filter(fs::Metadata::is_file) {
                let text = read_text(&root.join(path), found.len());
                tree.add(path, found.len(), text);
            }
        }
        Ok(tree)
    }

    fn add(&mut self, path: &str, bytes: u64, text: Option<String>) {
        for folder in Path::new(path).ancestors().skip(1) {
            self.folders.insert(folder.to_string_lossy().into_owned());
        }
        let rust = text.as_deref().filter(|_| path.ends_with(".rs"));
        let tokens = rust.map(tokens).unwrap_or_default();
        self.files.push(SourceFile { path: path.to_owned(), bytes, text, tokens });
    }

    /// Whether a file or folder of this path is there.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.folders.contains(path) || self.files.iter().any(|file| file.path == path)
    }

    /// Text files whose name ends in `ending`.
    pub(crate) fn texts<'a>(
        &'a self,
        ending: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> + 'a {
        let ours = self.files.iter().filter(move |file| file.path.ends_with(ending));
        ours.filter_map(|file| Some((file.path.as_str(), file.text.as_deref()?)))
    }

    /// The tokens of every Rust file.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = (&str, &[Token])> {
        self.files.iter().map(|file| (file.path.as_str(), file.tokens.as_slice()))
    }

    /// A tree of texts, for tests of rules.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::default();
        for (path, text) in files {
            tree.add(path, text.len() as u64, Some((*text).to_owned()));
        }
        tree
    }
}

/// The text of a file; none where it is too large for one, or binary.
fn read_text(path: &Path, bytes: u64) -> Option<String> {
    if bytes > FILE_LIMIT {
        return None;
    }
    let text = String::from_utf8(fs::read(path).ok()?).ok()?;
    (!text.contains('\0')).then_some(text)
}

/// Fixtures stay small together, every other file by itself.
pub(crate) fn are_small(tree: &Tree) -> Vec<Problem> {
    let (fixtures, others): (Vec<_>, Vec<_>) =
        tree.files.iter().partition(|file| file.path.starts_with(FIXTURES));
    let large = others.iter().filter(|file| file.bytes > FILE_LIMIT);
    let mut problems: Vec<Problem> = large
        .map(|file| {
            Problem::new(&file.path, 0, format!("it has {} bytes, 5 MB are allowed", file.bytes))
        })
        .collect();
    let total: u64 = fixtures.iter().map(|file| file.bytes).sum();
    if total > FIXTURES_LIMIT {
        let message = format!("the folder has {total} bytes, 20 MB are allowed");
        problems.push(Problem::new(FIXTURES, 0, message));
    }
    problems
}

/// The lock file names the public index, whatever mirror it was written behind.
pub(crate) fn lock_names_no_mirror(tree: &Tree) -> Vec<Problem> {
    let public = format!("source = \"{PUBLIC_INDEX}\"");
    let mut problems = Vec::new();
    for (path, text) in tree.texts("Cargo.lock") {
        for (index, line) in text.lines().enumerate() {
            if line.starts_with("source = ") && line != public {
                problems.push(Problem::new(
                    path,
                    index + 1,
                    "a source other than the public index",
                ));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(sizes: &[(&str, u64)]) -> Tree {
        let mut tree = Tree::default();
        for (path, bytes) in sizes {
            tree.add(path, *bytes, None);
        }
        tree
    }

    #[test]
    fn large_files_are_found_and_fixtures_counted_together() {
        assert!(are_small(&tree(&[("a", FILE_LIMIT), ("fixtures/b", FIXTURES_LIMIT)])).is_empty());
        assert_eq!(are_small(&tree(&[("a", FILE_LIMIT + 1)])).len(), 1);
        let two = [("fixtures/a/b", FIXTURES_LIMIT), ("fixtures/c", 1)];
        assert_eq!(are_small(&tree(&two))[0].path, FIXTURES);
    }

    #[test]
    fn a_mirror_in_the_lock_file_is_found() {
        let line = |source: &str| format!("[[package]]\nsource = \"{source}\"\n");
        let public = line(PUBLIC_INDEX);
        assert!(lock_names_no_mirror(&Tree::of(&[("Cargo.lock", &public)])).is_empty());
        let mirror = line("sparse+https://mirror.example/index/");
        let problems = lock_names_no_mirror(&Tree::of(&[("examples/x/Cargo.lock", &mirror)]));
        assert_eq!((problems.len(), problems[0].line), (1, 2));
    }

    #[test]
    fn folders_are_known_by_their_files() {
        let tree = Tree::of(&[("docs/img/a.png", "")]);
        assert!(tree.has("docs/img") && tree.has("docs") && tree.has("docs/img/a.png"));
        assert!(!tree.has("docs/b"));
    }
}
