//! Which files are meant: brace notation, folders of shards, single files.

use std::path::{Path, PathBuf};

use crate::error::DataError;

/// The most files that one pattern may name.
const MOST_FILES: usize = 1_000_000;

/// The tar files that `pattern` names, in order: `data-{000000..000999}.tar`, `{train,more}-0.tar`,
/// a folder (all its `*.tar`, by name), or one file.
///
/// Whether the files of a pattern are there is not looked at.
///
/// # Errors
///
/// If a brace is not closed or empty, a range runs backwards or names more than a million files, or
/// a folder holds no tar file.
pub fn expand(pattern: &str) -> Result<Vec<PathBuf>, DataError> {
    let path = Path::new(pattern);
    let wrong = |reason: String| DataError::shard(path, reason);
    if path.is_dir() {
        return folder(path);
    }
    // A file may well have braces in its name.
    if path.exists() {
        return Ok(vec![path.to_owned()]);
    }
    let mut names = vec![String::new()];
    let mut rest = pattern;
    while let Some(open) = rest.find('{') {
        let close = rest[open..].find('}').map(|at| open + at);
        let close = close.ok_or_else(|| wrong("a brace is not closed".to_owned()))?;
        let choices = choices(&rest[open + 1..close]).map_err(wrong)?;
        let total = names.len().checked_mul(choices.len()).filter(|total| *total <= MOST_FILES);
        total.ok_or_else(|| wrong(format!("names more than {MOST_FILES} files")))?;
        let start = &rest[..open];
        let each = |name: &String| {
            choices.iter().map(|choice| format!("{name}{start}{choice}")).collect::<Vec<_>>()
        };
        names = names.iter().flat_map(each).collect();
        rest = &rest[close + 1..];
    }
    Ok(names.into_iter().map(|name| PathBuf::from(name + rest)).collect())
}

/// The tar files in the folder at `path`.
fn folder(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    let io = |error| DataError::io(path, error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(io)? {
        let file = entry.map_err(io)?.path();
        // What begins with a dot is a shard in the making.
        let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
        if !hidden && file.extension().is_some_and(|extension| extension == "tar") {
            found.push(file);
        }
    }
    found.sort();
    match found.is_empty() {
        true => Err(DataError::shard(path, "the folder holds no .tar file")),
        false => Ok(found),
    }
}

/// What stands between two braces: `000..999` or `a,b,c`.
fn choices(text: &str) -> Result<Vec<String>, String> {
    let Some((first, last)) = text.split_once("..") else {
        let choices: Vec<String> = text.split(',').map(str::to_owned).collect();
        let fine = choices.len() > 1 && !text.contains('{');
        return fine.then_some(choices).ok_or_else(|| {
            format!("`{{{text}}}` is neither a range like {{000..999}} nor a list like {{a,b}}")
        });
    };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse::<usize>().ok().filter(|_| digits);
        number.ok_or_else(|| format!("`{{{text}}}` is no number in a range like {{000..999}}"))
    };
    let (from, to) = (number(first)?, number(last)?);
    if from > to {
        return Err(format!("the range {{{text}}} runs backwards"));
    }
    if to - from >= MOST_FILES {
        return Err(format!("the range {{{text}}} names more than {MOST_FILES} files"));
    }
    let width = first.len();
    Ok((from..=to).map(|number| format!("{number:0width$}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(pattern: &str) -> Vec<String> {
        let paths = expand(pattern).unwrap();
        paths.iter().map(|path| path.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn braces_stand_for_ranges_and_lists() {
        assert_eq!(names("no/x-{008..010}.tar"), ["no/x-008.tar", "no/x-009.tar", "no/x-010.tar"]);
        assert_eq!(names("{a,b}{0..1}"), ["a0", "a1", "b0", "b1"]);
        assert_eq!(names("x-{9..10}.tar"), ["x-9.tar", "x-10.tar"]);
        assert_eq!(names("nothing.tar"), ["nothing.tar"]);
    }

    #[test]
    fn wrong_patterns_say_what_is_wrong() {
        for (pattern, expected) in [
            ("x{0..1.tar", "a brace is not closed"),
            ("x{}.tar", "is neither a range"),
            ("x{a}.tar", "is neither a range"),
            ("x{3..1}.tar", "runs backwards"),
            ("x{a..b}.tar", "is no number in a range"),
            ("x{0..99999999}.tar", "more than 1000000 files"),
            ("x{0..99999999999999999999999}.tar", "is no number"),
            ("{0..9999}{0..9999}", "more than 1000000 files"),
        ] {
            let error = expand(pattern).unwrap_err().to_string();
            assert!(error.contains(expected) && error.starts_with(pattern), "{error}");
        }
    }

    #[test]
    fn a_folder_stands_for_its_tar_files() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().to_str().unwrap();
        let error = expand(text).unwrap_err().to_string();
        assert!(error.ends_with("the folder holds no .tar file"), "{error}");
        for name in ["b.tar", "a.tar", "a.jsonl", ".c.tar"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(names(text), ["a.tar", "b.tar"].map(|name| format!("{text}/{name}")));
    }
}
