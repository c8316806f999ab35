//! `recipe-keys`: docs/recipes.md, the keys of recipes as the doc comments of the settings tell them.

mod acts;
mod types;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::tidy::Tree;
use acts::Readers;
use types::{Field, Kind, Type, Types};

const DOCUMENT: &str = "docs/recipes.md";

/// The types that a recipe file or a section of one is read as: where they are declared, below which key, and what such
/// a recipe is for.
const ROOTS: [(&str, &str, &str, &str); 3] = [
    ("crates/equiav-train/", "Settings", "", "Pre-training: `equiav pretrain`"),
    (
        "crates/equiav-train/",
        "MaeSettings",
        "method.",
        "Masked autoencoding: `[method]` in place of `[model]` and `[objective]`",
    ),
    ("crates/equiav-train/", "Finetune", "", "Fine-tuning: `equiav finetune`"),
];

const HEADER: &str = "\
# Keys of recipes

Every key with its type, its meaning and the file where it acts. Written by `cargo xtask recipe-keys --write` from the doc comments of the
settings, and compared by `cargo xtask check`. \"Optional\" keys may be left out; of a table with a `kind`, a recipe has the keys
of that kind. The last column names the first file, in the order of names, of the trainer or of the
crate that declares the field, whose code reads it by its path (`.section.key`) or by its name beside that of its type; files that
declare settings, which read them to check them, come last. Where none is found, it is the file that
declares the field or the table it holds, or empty where that is one of settings.
";

/// The check itself, or the page written anew.
pub(crate) fn run(root: &Path, write: bool) -> Result<()> {
    let page = page(&Tree::read(root)?)?;
    if write {
        return std::fs::write(root.join(DOCUMENT), page).context(DOCUMENT);
    }
    let found = crate::read(root, DOCUMENT)?;
    ensure!(found == page, "{DOCUMENT} is not up to date; help: `cargo xtask recipe-keys --write`");
    Ok(())
}

fn page(tree: &Tree) -> Result<String> {
    let (types, readers) = (Types::read(tree), Readers::of(tree));
    let mut text = HEADER.to_owned();
    for (place, name, prefix, purpose) in ROOTS {
        let root = types.get(place, name);
        let root = root.with_context(|| format!("{place} has no type `{name}`: see ROOTS"))?;
        let _ =
            write!(text, "\n## {purpose}\n\n| key | type | meaning | acts in |\n|--|--|--|--|\n");
        let mut rows = Rows { types: &types, readers: &readers, text: &mut text, depth: 0 };
        rows.of_type(prefix, root);
    }
    Ok(text)
}

/// Writes the rows of a table.
struct Rows<'a> {
    types: &'a Types,
    readers: &'a Readers<'a>,
    text: &'a mut String,
    depth: usize,
}

impl Rows<'_> {
    /// The rows of all keys below `prefix`, which holds a value of `of`.
    fn of_type(&mut self, prefix: &str, of: &Type) {
        // No recipe is as deep: a type that holds itself ends here.
        if self.depth > 8 {
            return;
        }
        self.depth += 1;
        match &of.kind {
            Kind::Struct(fields) => {
                fields.iter().for_each(|field| self.of_field(prefix, of, field))
            }
            Kind::Enum(variants) => {
                for variant in variants {
                    let held = variant.holds.as_ref();
                    let held = held.and_then(|held| self.types.seen_from(&of.path, held));
                    let (of, fields) = match held {
                        Some(Type { kind: Kind::Struct(fields), .. }) => {
                            (held.unwrap_or(of), fields)
                        }
                        _ => (of, &variant.fields),
                    };
                    for field in fields {
                        let meaning = format!("of kind `{}`: {}", variant.name, field.meaning);
                        self.of_field(prefix, of, &Field { meaning, ..field.clone() });
                    }
                }
            }
        }
        self.depth -= 1;
    }

    fn of_field(&mut self, prefix: &str, of: &Type, field: &Field) {
        let inner = self.types.seen_from(&of.path, &field.inner);
        if field.flat {
            return inner.iter().for_each(|inner| self.of_type(prefix, inner));
        }
        let key = format!("{prefix}{}", field.key);
        let mut shown = format!("`{}`", field.shown);
        let names = inner.map(Type::choices).unwrap_or_default();
        if !names.is_empty() {
            let kind = if inner.is_some_and(|inner| inner.tagged) { "kind: " } else { "" };
            shown = format!("{kind}{}", names.join(", "));
        }
        if field.optional {
            shown += "; optional";
        }
        let acts = self.readers.first(&key, of, &field.name);
        // Macros and patterns take fields without naming a path; then it acts where it, or what it holds, is declared.
        let declared = [inner.map(|inner| inner.path.as_str()), Some(of.path.as_str())];
        let declared = || declared.into_iter().flatten().find(|path| !acts::checks(path));
        let acts = acts
            .or_else(declared)
            .map_or(String::new(), |path| format!("[{}](../{path})", short(path)));
        let _ = writeln!(self.text, "| `{key}` | {shown} | {} | {acts} |", field.meaning);
        if let Some(inner) = inner {
            self.of_type(&format!("{key}."), inner);
        }
    }
}

/// `path` without the folders that all of them have.
fn short(path: &str) -> String {
    path.trim_start_matches("crates/").replace("/src/", "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_followed_through_structs_and_enums_of_other_crates() {
        let settings = "use equiav_b::Source;\n/// All.\npub struct Settings {\n/// The [`seed`].\npub seed: u64,\n\
            /// Clips.\n#[serde(default)] pub source: Option<Source>, }\npub struct Finetune { pub kind: Way }\n\
            #[serde(rename_all = \"kebab-case\")] pub enum Way { PerFrame, Whole }\n\
            pub struct MaeSettings { /// The share.\n pub ratio: f64 }\nfn f(s: Settings) { s.seed; }\n";
        let other = "#[serde(tag = \"kind\", rename_all = \"lowercase\")]\npub enum Source {\n/// Lists.\nLists(Lists),\n\
            Made { /// How many.\n n: usize }, }\npub struct Lists { /// To train on.\npub train: PathBuf }\n";
        let reads = "fn g(settings: &Settings) { open(&settings.source.train) }\n#[cfg(test)]\nmod tests { fn f() { x.seed } }\n";
        let tree = Tree::of(&[
            ("crates/equiav-b/src/lib.rs", other),
            ("crates/equiav-train/src/open.rs", reads),
            ("crates/equiav-train/src/settings.rs", settings),
        ]);
        let page = page(&tree).unwrap();
        for row in [
            "| `seed` | `u64` | The `seed`. | [equiav-train/settings.rs](../crates/equiav-train/src/settings.rs) |",
            "| `source` | kind: `lists`, `made`; optional | Clips. | [equiav-train/open.rs](../crates/equiav-train/src/open.rs) |",
            "| `source.train` | `PathBuf` | of kind `lists`: To train on. | [equiav-train/open.rs](../crates/equiav-train/src/open.rs) |",
            "| `source.n` | `usize` | of kind `made`: How many. | [equiav-b/lib.rs](../crates/equiav-b/src/lib.rs) |",
            "| `kind` | `per-frame`, `whole` |  |  |",
            "| `method.ratio` | `f64` | The share. |",
        ] {
            assert!(page.contains(row), "{row}\n{page}");
        }
        let error = super::page(&Tree::of(&[])).unwrap_err().to_string();
        assert!(error.contains("has no type `Settings`"), "{error}");
    }
}
