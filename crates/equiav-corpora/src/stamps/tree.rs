//! Reads the package's tree: which sound goes with which picture, in which language.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// What a sound is.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// A description spoken in a language, such as `fr` or `pt_BR`.
    Speech(String),
    /// The sound of the thing itself.
    Effect,
}

/// A picture with one of its sounds; both are paths below the tree, with `/`.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(super) struct Pair {
    /// The picture without `.png`.
    pub(super) picture: String,
    pub(super) kind: Kind,
    pub(super) sound: String,
}

impl Pair {
    /// Whether the picture shows a letter, a digit or a sign of the manual alphabet.
    pub(super) fn is_letter(&self) -> bool {
        let Some(symbol) = self.picture.strip_prefix("symbols/") else { return false };
        let digit = symbol.strip_prefix("math/");
        symbol.starts_with("alphabets/")
            || digit.is_some_and(|name| name.starts_with(|first: char| first.is_ascii_digit()))
    }

    /// Folder and sub-folder of the picture, such as `animals/mammals`, or the folder alone.
    pub(super) fn label(&self) -> String {
        let folders: Vec<_> = self.picture.split('/').collect();
        let depth = (folders.len() - 1).clamp(1, 2);
        folders[..depth].join("/")
    }
}

/// What is skipped, and how often.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Skipped {
    /// Pictures that exist as line drawings (SVG) only.
    pub(super) svg_only_pictures: usize,
    /// Sounds of such pictures.
    pub(super) svg_only_sounds: usize,
    /// Sounds that no picture bears the name of.
    pub(super) lone_sounds: usize,
}

/// Everything in a tree, in the order of names.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tree {
    pub(super) pairs: Vec<Pair>,
    pub(super) skipped: Skipped,
}

impl Tree {
    /// Reads the tree below `root`.
    pub(super) fn read(root: &Path) -> anyhow::Result<Self> {
        let mut files = BTreeSet::new();
        collect(root, "", &mut files)?;
        Ok(Self::of(&files))
    }

    /// Sorts the files of a tree out.
    pub(super) fn of(files: &BTreeSet<String>) -> Self {
        let mut tree = Self::default();
        let has = |stem: &str, ending: &str| files.contains(&format!("{stem}.{ending}"));
        let stems = |ending| files.iter().filter_map(move |file| file.strip_suffix(ending));
        tree.skipped.svg_only_pictures = stems(".svg").filter(|stem| !has(stem, "png")).count();
        for file in files {
            let Some(stem) = file.strip_suffix(".ogg").or(file.strip_suffix(".wav")) else {
                continue;
            };
            let readings = readings(stem);
            if let Some((picture, kind)) = readings.iter().find(|(name, _)| has(name, "png")) {
                let (picture, kind) = (picture.clone(), kind.clone());
                tree.pairs.push(Pair { picture, kind, sound: file.clone() });
            } else if readings.iter().any(|(name, _)| has(name, "svg")) {
                tree.skipped.svg_only_sounds += 1;
            } else {
                tree.skipped.lone_sounds += 1;
            }
        }
        tree.pairs.sort();
        tree
    }
}

/// What the name of a sound may mean: the picture's name and the kind, likeliest first.
fn readings(stem: &str) -> Vec<(String, Kind)> {
    let mut readings = vec![(stem.to_owned(), Kind::Effect)];
    if let Some(picture) = stem.strip_suffix("_desc") {
        // The program's own language has no suffix.
        readings.push((picture.to_owned(), Kind::Speech("en".to_owned())));
    }
    for cut in stem.match_indices('_').map(|(at, _)| at) {
        let (name, language) = (&stem[..cut], &stem[cut + 1..]);
        if is_language(language) {
            let picture = name.strip_suffix("_desc").unwrap_or(name);
            readings.push((picture.to_owned(), Kind::Speech(language.to_owned())));
        }
    }
    readings
}

/// Whether a text is a language code such as `fr` or `pt_BR`.
fn is_language(text: &str) -> bool {
    let (language, country) = text.split_once('_').unwrap_or((text, "xx"));
    let short = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_alphabetic());
    short(language) && short(country) && language.bytes().all(|b| b.is_ascii_lowercase())
}

fn collect(folder: &Path, below: &str, files: &mut BTreeSet<String>) -> anyhow::Result<()> {
    let read = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(read)? {
        let entry = entry.with_context(read)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        if entry.file_type().with_context(read)?.is_dir() {
            collect(&entry.path(), &path, files)?;
        } else {
            files.insert(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> Tree {
        Tree::of(&files.iter().map(|file| (*file).to_owned()).collect())
    }

    #[track_caller]
    fn check(files: &[&str], expected: &[(&str, &str)]) {
        let found: Vec<_> = tree(files)
            .pairs
            .into_iter()
            .map(|pair| match pair.kind {
                Kind::Speech(language) => (pair.picture, language),
                Kind::Effect => (pair.picture, "effect".to_owned()),
            })
            .collect();
        let expected: Vec<_> =
            expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn sounds_go_with_pictures_by_name() {
        check(
            &["a/cat.png", "a/cat.ogg", "a/cat_desc.ogg", "a/cat_desc_fr.ogg", "a/cat.txt"],
            &[("a/cat", "en"), ("a/cat", "fr"), ("a/cat", "effect")],
        );
        check(&["a/corn.png", "a/corn_desc_pt_BR.wav"], &[("a/corn", "pt_BR")]);
        check(&["symbols/math/1.png", "symbols/math/1_zh_tw.ogg"], &[("symbols/math/1", "zh_tw")]);
    }

    #[test]
    fn the_longest_name_wins() {
        // `eye_no` is a picture of its own, no Norwegian eye.
        check(&["eye.png", "eye_no.png", "eye_no.ogg"], &[("eye_no", "effect")]);
    }

    #[test]
    fn what_cannot_be_used_is_counted() {
        let tree = tree(&["a.svg", "a_desc_fr.ogg", "a.ogg", "b.svg", "b.png", "c_desc_fr.ogg"]);
        assert_eq!(tree.pairs, []);
        let expected = Skipped { svg_only_pictures: 1, svg_only_sounds: 2, lone_sounds: 1 };
        assert_eq!(tree.skipped, expected);
    }

    #[test]
    fn letters_and_labels_come_from_folders() {
        let pair = |picture: &str| Pair {
            picture: picture.to_owned(),
            kind: Kind::Effect,
            sound: String::new(),
        };
        assert!(pair("symbols/alphabets/asl/asl_a").is_letter());
        assert!(pair("symbols/math/7").is_letter());
        assert!(!pair("symbols/math/operators/op0_plus").is_letter());
        assert!(!pair("animals/alphabets/7").is_letter());
        assert_eq!(pair("animals/mammals/cats/lion").label(), "animals/mammals");
        assert_eq!(pair("food/bread").label(), "food");
    }
}
