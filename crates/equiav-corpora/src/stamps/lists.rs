//! Splits the stamps by language and by picture, and writes a manifest for every part.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use equiav_data::{Clip, Label, Labels, Manifest, Pictures};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::prepared::{Item, Place};
use super::tree::Kind;

/// Which languages and pictures go where.
pub(super) struct Split<'a> {
    pub(super) heard: &'a [String],
    pub(super) unheard: &'a [String],
    pub(super) held_out: f64,
}

/// Manifests by name, without `.json`; none of them is empty.
pub(super) type Lists<'a> = BTreeMap<String, Vec<&'a Item>>;

impl Split<'_> {
    /// Every list that an item is on.
    fn names(&self, item: &Item) -> Vec<String> {
        let language = match &item.pair.kind {
            _ if item.pair.is_letter() => return vec!["letters".to_owned()],
            Kind::Effect => return vec!["effects".to_owned()],
            Kind::Speech(language) => language,
        };
        let part = match is_held_out(&item.pair.picture, self.held_out) {
            true => "pictures-",
            false => "",
        };
        if self.unheard.contains(language) {
            return vec![format!("unheard-{part}{language}")];
        }
        if !self.heard.contains(language) {
            return Vec::new();
        }
        let own = format!("heard-{part}{language}");
        if part.is_empty() { vec!["train".to_owned(), own] } else { vec![own] }
    }

    /// Sorts items into their lists.
    pub(super) fn lists<'a>(&self, items: &'a [Item]) -> Lists<'a> {
        let mut lists = Lists::new();
        for item in items {
            for name in self.names(item) {
                lists.entry(name).or_default().push(item);
            }
        }
        lists
    }
}

/// Whether a picture is held out: the same for ever, whatever else there is.
fn is_held_out(picture: &str, share: f64) -> bool {
    let digest = Sha256::digest(format!("held-out picture {picture}"));
    let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    (number as f64) < share * 2f64.powi(64)
}

/// Writes every list and the table of labels to `folder`, which is a folder of `place.base`.
pub(super) fn write(folder: &Path, place: &Place, lists: &Lists<'_>) -> anyhow::Result<()> {
    for (name, items) in lists {
        let clips = items.iter().map(|item| clip(item, place, folder)).collect();
        Manifest { clips }.write(&list_path(folder, name))?;
    }
    let labels: BTreeSet<_> = lists.values().flatten().map(|item| item.pair.label()).collect();
    let label = |label: String| Label { mid: machine_name(&label), name: label };
    Ok(Labels::new(labels.into_iter().map(label).collect()).write(&labels_path(folder))?)
}

pub(super) fn list_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.json"))
}

pub(super) fn labels_path(folder: &Path) -> PathBuf {
    folder.join("class_labels_indices.csv")
}

fn machine_name(label: &str) -> String {
    format!("/stamps/{label}")
}

fn clip(item: &Item, place: &Place, folder: &Path) -> Clip {
    let pair = &item.pair;
    // Relative to the list, so that the cache may be moved.
    let below_base = |name: &str| folder.join("..").join(name);
    let kind = match &pair.kind {
        Kind::Speech(language) => language,
        Kind::Effect => "effect",
    };
    let mut factors = BTreeMap::from([
        ("picture".to_owned(), json!(pair.picture)),
        ("language".to_owned(), json!(kind)),
        ("sound_key".to_owned(), json!(item.sound_key)),
        ("picture_key".to_owned(), json!(item.picture_key)),
    ]);
    if !item.sentence.is_empty() {
        factors.insert("sentence".to_owned(), json!(item.sentence));
    }
    Clip {
        id: format!("{kind}/{}", pair.sound.rsplit_once('.').map_or(&*pair.sound, |(a, _)| a)),
        sound: below_base(&item.path),
        pictures: Pictures::Still(below_base(&place.picture(&pair.picture))),
        labels: vec![machine_name(&pair.label())],
        factors,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::Pair;
    use super::*;

    fn item(picture: &str, language: &str) -> Item {
        let kind = match language {
            "effect" => Kind::Effect,
            language => Kind::Speech(language.to_owned()),
        };
        let sound = format!("{picture}_desc_{language}.ogg");
        Item {
            path: format!("package/stamps/{sound}"),
            pair: Pair { picture: picture.to_owned(), kind, sound },
            sentence: "A thing.".to_owned(),
            sound_key: "0".to_owned(),
            picture_key: "1".to_owned(),
        }
    }

    fn items() -> Vec<Item> {
        let pictures = (0..200).map(|n| format!("animals/thing{n}"));
        let mut items: Vec<_> = pictures
            .flat_map(|picture| ["ca", "es", "ru", "effect"].map(|l| item(&picture, l)))
            .collect();
        items.push(item("symbols/math/7", "es"));
        items
    }

    fn split(held_out: f64) -> Split<'static> {
        let heard = Box::leak(Box::new(["ca".to_owned()]));
        let unheard = Box::leak(Box::new(["es".to_owned()]));
        Split { heard, unheard, held_out }
    }

    #[test]
    fn every_pair_of_a_named_language_is_in_one_part() {
        let items = items();
        let lists = split(0.2).lists(&items);
        let names: Vec<_> = lists.keys().map(String::as_str).collect();
        let expected = [
            "effects",
            "heard-ca",
            "heard-pictures-ca",
            "letters",
            "train",
            "unheard-es",
            "unheard-pictures-es",
        ];
        assert_eq!(names, expected);
        assert_eq!(lists["train"], lists["heard-ca"]);
        for language in ["heard", "unheard"] {
            let code = if language == "heard" { "ca" } else { "es" };
            let seen = lists[&format!("{language}-{code}")].len();
            let held = lists[&format!("{language}-pictures-{code}")].len();
            assert_eq!(seen + held, 200);
            assert!((20..60).contains(&held), "{held} of 200 held out at a share of 0.2");
        }
        assert_eq!((lists["effects"].len(), lists["letters"].len()), (200, 1));
    }

    #[test]
    fn no_held_out_picture_is_trained_on_in_any_language() {
        let items = items();
        let lists = split(0.3).lists(&items);
        let pictures = |name: &str| -> BTreeSet<_> {
            lists[name].iter().map(|item| &item.pair.picture).collect()
        };
        assert!(pictures("train").is_disjoint(&pictures("heard-pictures-ca")));
        assert!(pictures("train").is_disjoint(&pictures("unheard-pictures-es")));
        assert_eq!(pictures("train"), pictures("unheard-es"));
        assert!(!split(0.0).lists(&items).contains_key("heard-pictures-ca"));
    }

    #[test]
    fn a_greater_share_keeps_what_a_smaller_one_held_out() {
        let names: Vec<_> = (0..500).map(|n| format!("thing {n}")).collect();
        let held = |share| -> BTreeSet<_> {
            names.iter().filter(|name| is_held_out(name, share)).collect()
        };
        assert!(held(0.1).is_subset(&held(0.3)));
        assert!(held(0.0).is_empty());
        assert_eq!(held(1.0).len(), 500);
        // The split of a published figure must not move: one picture on either side.
        assert!(!is_held_out("animals/mammals/cats/lion", 0.1));
    }

    #[test]
    fn manifests_read_back_with_labels_and_factors() -> anyhow::Result<()> {
        let home = tempfile::tempdir()?;
        let folder = home.path().join("lists");
        std::fs::create_dir(&folder)?;
        let place = Place { base: home.path().to_owned(), side: 64 };
        let items = items();
        write(&folder, &place, &split(0.2).lists(&items))?;
        let manifest = Manifest::read(&list_path(&folder, "train"))?;
        let clip = &manifest.clips[0];
        assert_eq!(clip.labels, ["/stamps/animals"]);
        assert_eq!(clip.factors["sentence"], "A thing.");
        assert_eq!(clip.factors["language"], "ca");
        let text = std::fs::read_to_string(list_path(&folder, "train"))?;
        assert!(!text.contains(&home.path().display().to_string()), "paths are relative");
        let labels = Labels::read(&labels_path(&folder))?;
        assert_eq!(labels.index_of("/stamps/symbols/math"), Some(1));
        Ok(())
    }
}
