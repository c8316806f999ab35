//! What a probe of equivariance gives, slot by slot and by augmentation, and where a run keeps it.

use std::path::Path;

use anyhow::Context;
use equiav_augment::{Modality, Slot};
use equiav_data::atomic_write;
use serde::{Deserialize, Serialize};

/// The file of a run folder that holds the figures.
const FILE: &str = "equivariance.json";
/// The end of the name of the slot that says whether an augmentation acts, the first of its slots.
const ON: &str = " on";

/// What came of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct EquivarianceMetrics {
    /// Finished epochs of the first network.
    pub epochs: u64,
    /// The seed of its recipe, by which clips and augmentations are drawn.
    pub seed: u64,
    /// The names of the networks: those that were given, then `random`, the same network before any training.
    pub networks: Vec<String>,
    /// Clips learned from, clips tested on.
    pub clips: (usize, usize),
    /// Each slot of each modality's vector.
    pub slots: Vec<SlotMetrics>,
    /// What queries find that are augmented, beside what plain ones find.
    pub queries: Vec<QueryMetrics>,
}

/// How well one slot is read.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SlotMetrics {
    /// Of which modality's vector.
    pub modality: Modality,
    /// The augmentation that it tells of, such as `crop`.
    pub group: String,
    /// The slot's name.
    pub slot: String,
    /// Of each network, the share of the slot's variance on the test clips that is explained, at most 1, and below 0
    /// where the mean would do better; none where the slot never changes.
    pub r2: Vec<Option<f64>>,
}

/// What queries of one modality find among plain clips of the other.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct QueryMetrics {
    /// What asks.
    pub query: Modality,
    /// Of each network: R@1 of plain queries, in [0, 1].
    pub plain_r1: Vec<f64>,
    /// Of each network: R@1 of the same queries after augmentation, embedded as a user's file is.
    pub disturbed_r1: Vec<f64>,
}

/// How well the slots of one augmentation are read.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupMetrics<'a> {
    /// Of which modality's vector.
    pub modality: Modality,
    /// The augmentation, such as `crop`.
    pub group: &'a str,
    /// Its slots that change.
    pub slots: usize,
    /// Of each network, the mean R2 of these slots.
    pub r2: Vec<f64>,
}

impl EquivarianceMetrics {
    /// The mean R2 over the slots of each augmentation that change, in the order of the slots; an augmentation that never
    /// acts is left out.
    pub fn groups(&self) -> Vec<GroupMetrics<'_>> {
        let mut groups: Vec<GroupMetrics<'_>> = Vec::new();
        for slot in &self.slots {
            let r2: Option<Vec<f64>> = slot.r2.iter().copied().collect();
            let Some(r2) = r2 else { continue };
            match groups.last_mut() {
                Some(last)
                    if (last.modality, last.group) == (slot.modality, slot.group.as_str()) =>
                {
                    last.slots += 1;
                    last.r2.iter_mut().zip(r2).for_each(|(sum, r2)| *sum += r2);
                }
                _ => groups.push(GroupMetrics {
                    modality: slot.modality,
                    group: &slot.group,
                    slots: 1,
                    r2,
                }),
            }
        }
        for group in &mut groups {
            group.r2.iter_mut().for_each(|sum| *sum /= group.slots as f64);
        }
        groups
    }

    /// Writes them to the run folder, in the place of earlier ones, whole or not at all.
    ///
    /// # Errors
    ///
    /// If the disk refuses.
    pub fn keep(&self, run: &Path) -> anyhow::Result<()> {
        let path = run.join(FILE);
        atomic_write(&path, &serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("writing {}", path.display()))
    }

    /// Those that the run folder holds, if any.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or holds something else.
    pub fn kept(run: &Path) -> anyhow::Result<Option<Self>> {
        let path = run.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let read = || anyhow::Ok(serde_json::from_slice(&std::fs::read(&path)?)?);
        let read = read().with_context(|| {
            format!("{} (help: `equiav probe --equivariance` writes it anew)", path.display())
        });
        read.map(Some)
    }
}

/// The augmentation of each of `slots`: an augmentation begins with the slot that says whether it acts.
pub(super) fn groups(slots: &[Slot]) -> Vec<String> {
    let mut group = String::new();
    let of = |slot: &Slot| {
        match slot.name.strip_suffix(ON) {
            Some(name) => group = name.to_owned(),
            None if group.is_empty() => group = slot.name.to_owned(),
            None => {}
        }
        group.clone()
    };
    slots.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> EquivarianceMetrics {
        let slot = |group: &str, slot: &str, r2: [Option<f64>; 2]| SlotMetrics {
            modality: Modality::AUDIO,
            group: group.to_owned(),
            slot: slot.to_owned(),
            r2: r2.into(),
        };
        EquivarianceMetrics {
            epochs: 3,
            seed: 7,
            networks: vec!["run".to_owned(), "random".to_owned()],
            clips: (20, 10),
            slots: vec![
                slot("crop", "crop on", [Some(0.5), Some(0.0)]),
                slot("crop", "crop top", [Some(0.7), Some(-0.2)]),
                slot("crop", "crop left", [None, None]),
                slot("jitter", "hue", [None, None]),
                slot("flip", "flip on", [Some(1.0), Some(0.25)]),
            ],
            queries: Vec::new(),
        }
    }

    #[test]
    fn groups_are_means_over_slots_that_change() {
        let metrics = metrics();
        let groups = metrics.groups();
        let named: Vec<_> = groups.iter().map(|group| (group.group, group.slots)).collect();
        assert_eq!(named, [("crop", 2), ("flip", 1)]);
        assert!((groups[0].r2[0] - 0.6).abs() < 1e-12 && (groups[0].r2[1] + 0.1).abs() < 1e-12);
    }

    #[test]
    fn a_run_folder_keeps_them() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(EquivarianceMetrics::kept(folder.path()).expect("nothing there"), None);
        metrics().keep(folder.path()).expect("written");
        metrics().keep(folder.path()).expect("written over");
        assert_eq!(EquivarianceMetrics::kept(folder.path()).expect("read"), Some(metrics()));
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "no leftovers");
        std::fs::write(folder.path().join(FILE), "{\"networks\": 3}").expect("written");
        let error =
            format!("{:#}", EquivarianceMetrics::kept(folder.path()).expect_err("nonsense"));
        assert!(error.contains("equivariance.json (help: `equiav probe"), "{error}");
    }

    #[test]
    fn slots_belong_to_the_augmentation_before_them() {
        let recipe = crate::Recipe::load("quick".as_ref(), &[]).expect("a recipe");
        let (audio, visual) = (&recipe.augment.audio, &recipe.augment.visual);
        let audio = audio.slots_at(recipe.front_end.spectrogram_size());
        let mut named = groups(&audio);
        assert_eq!(named.len(), audio.len());
        named.dedup();
        assert_eq!(named, ["SpecAugment", "time shift", "crop", "jitter", "blur", "flip"]);
        let mut named = groups(&visual.slots());
        named.dedup();
        assert_eq!(named, ["crop", "jitter", "blur", "horizontal flip", "grayscale"]);
    }
}
