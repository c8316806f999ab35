//! The stamps of Tux Paint: drawings and photographs of things, named aloud in many languages.
//!
//! The package is fetched once into a cache folder, made ready once, and split by a recipe's choice
//! of languages and pictures. What is in it and what is skipped is in `docs/corpora.md`.

mod channel;
mod lists;
mod package;
mod prepared;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::finished;
use lists::Split;
use prepared::{Inventory, Place};
use tree::Kind;

/// Raised whenever the same knobs give other lists than before.
const VERSION: u32 = 1;

/// Which of the stamps to train on and which to measure on.
///
/// Knobs that are not given have the values of [`Stamps::default`].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stamps {
    /// Codes of the languages to train on, such as `fr` or `pt_BR`; at least one.
    pub heard: Vec<String>,
    /// Codes of the languages to measure on only; none of `heard`.
    pub unheard: Vec<String>,
    /// Share of the pictures that no language is trained on; 0 to 0.9.
    pub held_out_pictures: f64,
    /// Side of the prepared square pictures in pixels, at most; 32 to 512.
    pub image: u32,
    /// The package's `.deb` file where there is no apt to fetch it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<PathBuf>,
}

impl Default for Stamps {
    /// Belarusian is kept for measuring: its words are the likest to those of heard languages.
    fn default() -> Self {
        let codes = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect();
        Self {
            heard: codes(&["bg", "ca", "da", "el", "es", "fr", "ro", "ru"]),
            unheard: codes(&["be"]),
            held_out_pictures: 0.1,
            image: 160,
            package: None,
        }
    }
}

/// Where the lists of the stamps lie, and what is on and off them.
#[derive(Clone, Debug, PartialEq)]
pub struct StampsPaths {
    /// The folder that holds the lists.
    pub folder: PathBuf,
    /// All clips to train on: the heard languages' for all pictures that are not held out.
    pub train: PathBuf,
    /// The clips to train on of one language, by its code.
    pub heard: BTreeMap<String, PathBuf>,
    /// Pictures trained on, in one language that is not.
    pub unheard: BTreeMap<String, PathBuf>,
    /// Pictures held out, in one heard language.
    pub heard_pictures: BTreeMap<String, PathBuf>,
    /// Pictures held out, in one unheard language.
    pub unheard_pictures: BTreeMap<String, PathBuf>,
    /// Sounds of the things themselves; trained on by nobody.
    pub effects: PathBuf,
    /// Letters and digits, in all languages; trained on by nobody.
    pub letters: PathBuf,
    /// Table of the labels: folder and sub-folder of the pictures.
    pub labels: PathBuf,
    /// What the package holds of every language, letters and digits apart.
    pub languages: Vec<LanguageCount>,
    /// What is skipped, each with its number.
    pub skipped: Vec<(String, usize)>,
}

/// What there is of one language.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LanguageCount {
    /// Its code.
    pub language: String,
    /// Pictures described in it.
    pub clips: usize,
    /// Descriptions that differ; the others are equal, byte for byte, to one of these.
    pub distinct: usize,
}

impl Stamps {
    /// Fetches and prepares the stamps under `cache` unless they are there, and lists them.
    ///
    /// `progress` is told (pictures and sounds prepared, all of them) the first time. It needs the
    /// network then, or [`package`](Self::package), and 0.4 GB of disk.
    ///
    /// # Errors
    ///
    /// If a knob is out of its range or names a language that is not there (with the nearest that
    /// is), if the package cannot be had or is another one, and when files cannot be written.
    pub fn write(
        &self,
        cache: &Path,
        progress: &mut dyn FnMut(usize, usize),
    ) -> anyhow::Result<StampsPaths> {
        self.check()?;
        let base = cache.join(format!("stamps-{}", package::VERSION));
        let place = Place { base, side: self.image };
        package::unpacked(&place.package(), self.package.as_deref())?;
        let inventory = prepared::prepare(&place, progress)?;
        self.list(&place, &inventory)
    }

    fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.heard.is_empty(), "heard = [] leaves no language to train on");
        ensure!(
            (0.0..=0.9).contains(&self.held_out_pictures),
            "held_out_pictures = {} is not in 0 to 0.9",
            self.held_out_pictures
        );
        ensure!(
            (32..=512).contains(&self.image),
            "image = {} is not in 32 to 512 pixels",
            self.image
        );
        if let Some(both) = self.heard.iter().find(|code| self.unheard.contains(code)) {
            bail!("language {both} is in both heard and unheard; name it once");
        }
        Ok(())
    }

    fn list(&self, place: &Place, inventory: &Inventory) -> anyhow::Result<StampsPaths> {
        let languages = count(inventory);
        for code in self.heard.iter().chain(&self.unheard) {
            check_language(code, &languages)?;
        }
        let split =
            Split { heard: &self.heard, unheard: &self.unheard, held_out: self.held_out_pictures };
        let lists = split.lists(&inventory.items);
        let recipe = self.recipe();
        let digest = package::hex(&Sha256::digest(recipe.to_string()));
        let folder = place.base.join(format!("lists-{}", &digest[..12]));
        finished::finish(&folder, &recipe, |partial| lists::write(partial, place, &lists))?;
        let path = |name: &str| lists::list_path(&folder, name);
        let each = |part: &str, codes: &[String]| {
            let named = codes.iter().map(|code| (code, format!("{part}{code}")));
            let there = named.filter(|(_, name)| lists.contains_key(name));
            there.map(|(code, name)| (code.clone(), path(&name))).collect()
        };
        Ok(StampsPaths {
            train: path("train"),
            heard: each("heard-", &self.heard),
            unheard: each("unheard-", &self.unheard),
            heard_pictures: each("heard-pictures-", &self.heard),
            unheard_pictures: each("unheard-pictures-", &self.unheard),
            effects: path("effects"),
            letters: path("letters"),
            labels: lists::labels_path(&folder),
            folder,
            languages,
            skipped: skipped(inventory),
        })
    }

    /// What the lists depend on.
    fn recipe(&self) -> serde_json::Value {
        let mut recipe = json!(Self { package: None, ..self.clone() });
        recipe["corpus"] = json!("stamps-lists");
        recipe["version"] = json!(VERSION);
        recipe
    }
}

fn count(inventory: &Inventory) -> Vec<LanguageCount> {
    let mut keys: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for item in inventory.items.iter().filter(|item| !item.pair.is_letter()) {
        if let Kind::Speech(language) = &item.pair.kind {
            keys.entry(language).or_default().push(&item.sound_key);
        }
    }
    let count = |(language, keys): (&str, Vec<&str>)| LanguageCount {
        language: language.to_owned(),
        clips: keys.len(),
        distinct: keys.iter().collect::<BTreeSet<_>>().len(),
    };
    keys.into_iter().map(count).collect()
}

fn check_language(code: &str, languages: &[LanguageCount]) -> anyhow::Result<()> {
    if languages.iter().any(|count| count.language == code) {
        return Ok(());
    }
    let known: Vec<_> = languages.iter().map(|count| count.language.as_str()).collect();
    let nearest = known
        .iter()
        .max_by(|a, b| strsim::jaro_winkler(a, code).total_cmp(&strsim::jaro_winkler(b, code)));
    let nearest = nearest.map_or_else(String::new, |near| format!("; did you mean {near}?"));
    bail!("there is no language {code} in the stamps{nearest} (there are {})", known.join(", "))
}

fn skipped(inventory: &Inventory) -> Vec<(String, usize)> {
    let skipped = inventory.skipped;
    [
        ("pictures that are line drawings (SVG) only", skipped.svg_only_pictures),
        ("sounds of such pictures", skipped.svg_only_sounds),
        ("sounds without a picture", skipped.lone_sounds),
        ("silent sounds", inventory.silent),
        ("damaged sounds", inventory.unreadable),
    ]
    .map(|(what, number)| (what.to_owned(), number))
    .into()
}

#[cfg(test)]
mod tests;
