//! Rules about names: of modules on a level, of public types, and how identifiers are spelled.

use std::collections::{BTreeMap, BTreeSet};

use super::Tree;
use super::exceptions::{BRITISH, TWICE, WIDE, unused};
use crate::problem::Problem;

const MOST_MODULES: usize = 12;

/// Words that start so, in the spelling of this workspace.
const SPELLINGS: [(&str, &str); 12] = [
    ("analyse", "analyze"),
    ("behaviour", "behavior"),
    ("catalogue", "catalog"),
    ("centre", "center"),
    ("colour", "color"),
    ("favour", "favor"),
    ("grey", "gray"),
    ("honour", "honor"),
    ("labell", "label"),
    ("licence", "license"),
    ("modell", "model"),
    ("neighbour", "neighbor"),
];

/// Verbs that end in -ize here.
const IZE: [&str; 22] = [
    "categor",
    "factor",
    "final",
    "general",
    "initial",
    "local",
    "maxim",
    "minim",
    "normal",
    "optim",
    "organ",
    "parameter",
    "quant",
    "random",
    "recogn",
    "regular",
    "serial",
    "standard",
    "summar",
    "synchron",
    "token",
    "visual",
];

/// A reader takes in a level at a glance.
pub(super) fn are_few_on_a_level(tree: &Tree) -> Vec<Problem> {
    wide(tree, WIDE)
}

fn wide(tree: &Tree, allowed: &[&str]) -> Vec<Problem> {
    let mut levels: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (path, _) in tree.texts("") {
        let parts: Vec<&str> = path.split('/').collect();
        let below = parts.iter().position(|part| *part == "src").map_or(parts.len(), |at| at + 1);
        for depth in below..parts.len() {
            let module = parts[depth].trim_end_matches(".rs");
            levels.entry(parts[..depth].join("/")).or_default().insert(module);
        }
    }
    let wide = levels.iter().filter(|(_, modules)| modules.len() > MOST_MODULES);
    let wide: BTreeMap<&str, usize> =
        wide.map(|(level, modules)| (level.as_str(), modules.len())).collect();
    let new = wide.iter().filter(|(level, _)| !allowed.contains(level)).map(|(level, count)| {
        Problem::new(level, 0, format!("{count} modules on one level, {MOST_MODULES} are allowed"))
    });
    new.chain(unused(allowed, &wide.keys().copied().collect())).collect()
}

/// One noun for one idea.
pub(super) fn of_types_are_unique(tree: &Tree) -> Vec<Problem> {
    twice(tree, TWICE)
}

fn twice(tree: &Tree, allowed: &[&str]) -> Vec<Problem> {
    let mut places: BTreeMap<&str, Vec<(&str, usize)>> = BTreeMap::new();
    let ours = |path: &str| path.starts_with("crates/") && path.contains("/src/");
    for (path, tokens) in tree.tokens().filter(|(path, _)| ours(path)) {
        for three in tokens.windows(3) {
            let kinds = ["struct", "enum", "trait", "type", "union"];
            if three[0].text == "pub"
                && kinds.contains(&three[1].text.as_str())
                && three[2].text != "$"
            {
                places.entry(&three[2].text).or_default().push((path, three[2].line));
            }
        }
    }
    places.retain(|_, places| places.len() > 1);
    let mut problems = unused(allowed, &places.keys().copied().collect());
    for (name, places) in places.iter().filter(|(name, _)| !allowed.contains(name)) {
        let (first, line) = places[0];
        problems.extend(places[1..].iter().map(|(path, at)| {
            Problem::new(path, *at, format!("the public type `{name}` is also in {first}:{line}"))
        }));
    }
    problems
}

/// One spelling, so that a search finds all.
pub(super) fn are_spelled_one_way(tree: &Tree) -> Vec<Problem> {
    spelled(tree, BRITISH)
}

fn spelled(tree: &Tree, allowed: &[&str]) -> Vec<Problem> {
    let (mut found, mut problems) = (BTreeSet::new(), Vec::new());
    for (path, tokens) in tree.tokens() {
        for token in tokens {
            let Some((british, american)) =
                words(&token.text).iter().find_map(|word| british(word))
            else {
                continue;
            };
            found.insert(token.text.as_str());
            if !allowed.contains(&token.text.as_str()) {
                let message = format!("`{}`: write {american}, not {british}", token.text);
                problems.push(Problem::new(path, token.line, message));
            }
        }
    }
    problems.extend(unused(allowed, &found));
    problems
}

/// What of `word` is British, and what it is here.
fn british(word: &str) -> Option<(String, String)> {
    let known = SPELLINGS.iter().find(|(british, _)| word.starts_with(british));
    let known = known.map(|(british, american)| ((*british).to_owned(), (*american).to_owned()));
    let ise = IZE.iter().find(|stem| {
        let rest = word.strip_prefix(**stem).and_then(|rest| rest.strip_prefix("is"));
        rest.is_some_and(|rest| rest.starts_with(['e', 'i']) || rest.starts_with("ation"))
    });
    known.or_else(|| ise.map(|stem| (format!("{stem}ise"), format!("{stem}ize"))))
}

/// The lower-case words of an identifier in snake or camel case.
fn words(identifier: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for letter in identifier.chars() {
        if letter == '_' || letter.is_uppercase() && was_lower {
            words.push(String::new());
        }
        was_lower = letter.is_lowercase();
        if let Some(word) = words.last_mut().filter(|_| letter != '_') {
            word.extend(letter.to_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(problems: Vec<Problem>) -> Vec<String> {
        problems.into_iter().map(|problem| problem.message).collect()
    }

    #[test]
    fn a_wide_level_is_found_and_a_folder_is_one_with_its_file() {
        let path = |number: usize| format!("crates/x/src/a/m{number}.rs");
        let many: Vec<String> = (0..=MOST_MODULES).map(path).collect();
        let tree = |paths: &[String]| {
            Tree::of(&paths.iter().map(|path| (path.as_str(), "")).collect::<Vec<_>>())
        };
        let mut few = many[1..].to_vec();
        few.extend(["crates/x/src/a/m1/b.rs", "crates/x/tests/a.rs"].map(str::to_owned));
        assert!(wide(&tree(&few), &[]).is_empty());
        assert_eq!(wide(&tree(&many), &[])[0].path, "crates/x/src/a");
        assert!(wide(&tree(&many), &["crates/x/src/a"]).is_empty());
        let stale = messages(wide(&tree(&few), &["crates/x/src/a"]));
        assert_eq!(stale, ["`crates/x/src/a` no longer needs its exception: remove it"]);
    }

    #[test]
    fn a_public_name_of_two_types_is_found() {
        let tree = Tree::of(&[
            ("crates/x/src/lib.rs", "pub struct Report;\nstruct View;\n// pub enum Kept {}\n"),
            (
                "crates/y/src/lib.rs",
                "pub enum Report {}\npub struct View;\npub(crate) type Kept = u8;\n",
            ),
            ("benches/src/lib.rs", "pub trait Report {}\n"),
        ]);
        let found = twice(&tree, &[]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].path.as_str(), found[0].line), ("crates/y/src/lib.rs", 1));
        assert!(twice(&tree, &["Report"]).is_empty());
        assert_eq!(messages(twice(&tree, &["Report", "View"])).len(), 1, "it is no longer needed");
    }

    #[test]
    fn british_identifiers_are_found_and_prose_is_not_read() {
        for name in
            ["colour", "re_normalise", "InitialiseAll", "labelled", "NEIGHBOURS", "tokenisation"]
        {
            let tree =
                Tree::of(&[("a.rs", &format!("fn f() {{ {name}(\"colour\") }} // colour\n"))]);
            assert_eq!(spelled(&tree, &[]).len(), 1, "{name}");
            assert!(spelled(&tree, &[name]).is_empty(), "{name}");
        }
        let tree =
            Tree::of(&[("a.rs", "fn f(noise: Label, precise: Color, analysis: Normalized) {}\n")]);
        assert!(spelled(&tree, &[]).is_empty());
        assert_eq!(spelled(&tree, &["colour"]).len(), 1, "it is no longer needed");
    }
}
