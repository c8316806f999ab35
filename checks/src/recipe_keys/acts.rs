//! Which file reads a field of the settings, told from its tokens.

use super::types::Type;
use crate::tidy::Tree;
use crate::tokens::Token;

/// The code of the crates without its tests.
pub(super) struct Readers<'a>(Vec<(&'a str, &'a [Token])>);

impl<'a> Readers<'a> {
    pub(super) fn of(tree: &'a Tree) -> Self {
        let ours = |path: &str| path.starts_with("crates/") && path.contains("/src/");
        let files = tree.tokens().filter(|(path, _)| ours(path));
        Self(files.map(|(path, tokens)| (path, without_tests(tokens))).collect())
    }

    /// The first file that reads the key at `path`, the field `field` of a type: by the whole path or the end of it that
    /// is longest, in the trainer or the type's own crate, or by the field's name in files of that crate which name the type.
    ///
    /// What the settings' own files read they only check, so that others go before them.
    pub(super) fn first(&self, path: &str, of: &Type, field: &str) -> Option<&'a str> {
        let keys: Vec<&str> = path.split('.').collect();
        let own = krate(&of.path);
        let near = |file: &str| krate(file) == own || krate(file) == TRAINER;
        let by_path = (0..keys.len().saturating_sub(1)).find_map(|from| {
            self.of_files(|file, tokens| near(file) && reads(tokens, &keys[from..]))
        });
        let declares = |file: &str| file == of.path && !checks(file);
        let names = |tokens: &[Token]| tokens.iter().any(|token| token.text == of.name);
        by_path
            .or_else(|| self.of_files(|file, tokens| declares(file) && reads(tokens, &[field])))
            .or_else(|| {
                self.of_files(|file, tokens| {
                    krate(file) == own && names(tokens) && reads(tokens, &[field])
                })
            })
    }

    /// The first of the files that pass, those that only check last.
    fn of_files(&self, passes: impl Fn(&str, &[Token]) -> bool) -> Option<&'a str> {
        let found = self.0.iter().filter(|(file, tokens)| passes(file, tokens));
        found.map(|(file, _)| *file).min_by_key(|file| checks(file))
    }
}

/// The crate that reads recipes.
const TRAINER: &str = "equiav-train";

fn krate(path: &str) -> &str {
    path.split('/').nth(1).unwrap_or_default()
}

/// Whether a file declares settings, and so reads them only to check them.
pub(super) fn checks(path: &str) -> bool {
    path.contains("settings") || path.contains("/recipe")
}

/// Whether `.a.b` stands among `tokens`, for the keys `a` and `b`, and is no call.
fn reads(tokens: &[Token], keys: &[&str]) -> bool {
    let at = |position: usize| tokens.get(position).map_or("", |token| token.text.as_str());
    (0..tokens.len()).any(|start| {
        let each = keys.iter().enumerate();
        let mut each = each.map(|(step, key)| (start + 2 * step, key));
        each.all(|(place, key)| at(place) == "." && at(place + 1) == *key)
            && at(start + 2 * keys.len()) != "Parenthesis"
    })
}

/// Up to the first `#[cfg(test)]`.
fn without_tests(tokens: &[Token]) -> &[Token] {
    let is_test = |three: &[Token]| {
        three[0].text == "cfg" && three[1].text == "Parenthesis" && three[2].text == "test"
    };
    let end = tokens.windows(3).position(is_test);
    &tokens[..end.unwrap_or(tokens.len())]
}
