//! How often the picture of a clip is found by its sound, over the clips of a list.

use std::path::Path;

use anyhow::{Context, ensure};
use equiav_augment::Modality;
use equiav_data::Manifest;
use equiav_eval::{Rank, Retrieval};
use serde::Serialize;
use tch::Device;

use super::{Gallery, lookers};
use crate::embed::{Broken, Embedder, MediumFile, Per, clip_picture};
use crate::index::IndexContents;
use crate::path_text;

/// The number of standard deviations between which 95 % of a normal distribution lie.
const Z: f64 = 1.959_963_984_540_054;

/// A share of queries that succeeded, with a 95 % interval (Wilson's).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Recall {
    /// The rank within which the answer counts as found.
    pub at: usize,
    /// The share, 0 to 1.
    pub share: f64,
    /// The interval's ends, 0 to 1.
    pub interval: [f64; 2],
    /// The share that chance would give, 0 to 1.
    pub chance: f64,
}

/// What the sounds of one list found; pictures that are equally near stand in no order, see [`Rank`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListRecall {
    /// Queries: sounds of the list that can be read.
    pub queries: usize,
    /// Pictures to choose from; equal ones are one.
    pub gallery: usize,
    /// Recall at 1, 5 and 10.
    pub recall: Vec<Recall>,
    /// The median rank of the right picture, from 1 on.
    pub median_rank: f64,
    /// Queries with a wrong picture exactly as near as the right one.
    pub ties: usize,
    /// The share of wrong pictures that are, in [0, 1], the mean over the queries: 1 where embeddings tell nothing
    /// apart.
    pub tied_share: f64,
    /// Sounds that cannot be read.
    #[serde(skip)]
    pub broken: Vec<Broken>,
    /// Where each query's right picture stands.
    #[serde(skip)]
    ranks: Vec<Rank>,
}

/// Searches with the sound of every clip of the manifest at `list` among the pictures of `contents`. The
/// clip's own picture, and any that is equal to it, is the right answer.
///
/// # Errors
///
/// If the index lacks a picture of the list, or no sound can be read.
pub fn measure(
    embedder: &Embedder,
    contents: &IndexContents,
    list: &Path,
) -> anyhow::Result<ListRecall> {
    let manifest = Manifest::read(list)?;
    let gallery = Gallery::new(contents, Modality::VISUAL, Device::Cpu);
    let mut answers = Vec::with_capacity(manifest.clips.len());
    for clip in &manifest.clips {
        let picture = clip_picture(clip);
        let picture = picture.canonicalize().with_context(|| picture.display().to_string())?;
        let picture = path_text(&picture);
        let missing = || format!("{}: the index lacks {picture}", list.display());
        ensure!(contents.files.contains_key(&picture), missing());
        answers.push(picture);
    }
    let sounds: Vec<MediumFile> =
        manifest.clips.iter().map(|clip| MediumFile::new(clip.sound.clone())).collect();
    let (mut ranks, mut broken) = (Vec::new(), Vec::new());
    embedder.embed(&sounds, Per::Window, &mut |position, rows| {
        match rows {
            Err(reason) => {
                broken.push(Broken { file: sounds[position].path.clone(), reason });
            }
            Ok(rows) => {
                let right = contents.files[&answers[position]];
                let rank = gallery.rank(&lookers(&rows, Modality::VISUAL), right);
                ranks.push(rank.context("a picture without a row")?);
            }
        }
        Ok(())
    })?;
    ensure!(!ranks.is_empty(), "{}: no sound can be read", list.display());
    Ok(ListRecall::of(ranks, gallery.len(), broken))
}

impl ListRecall {
    /// The figures of right pictures at `ranks` in a gallery of so many.
    fn of(ranks: Vec<Rank>, gallery: usize, broken: Vec<Broken>) -> Self {
        let all = Retrieval::of_ranks(&ranks, gallery);
        let Retrieval { queries, median_rank, ties, tied_share, chance, .. } = all;
        let recall = [(1, all.r1, chance.r1), (5, all.r5, chance.r5), (10, all.r10, chance.r10)];
        let recall = recall.map(|(at, share, chance)| Recall {
            at,
            share,
            interval: wilson(share, queries),
            chance,
        });
        let (recall, tied_share) = (recall.to_vec(), tied_share.unwrap_or(0.0));
        Self { queries, gallery, recall, median_rank, ties, tied_share, broken, ranks }
    }

    /// The figures of the queries of all `lists` together; `None` without one.
    pub fn together(lists: &[Self]) -> Option<Self> {
        let ranks: Vec<Rank> = lists.iter().flat_map(|found| found.ranks.clone()).collect();
        let broken = lists.iter().flat_map(|found| found.broken.clone()).collect();
        Some(Self::of(ranks, lists.first()?.gallery, broken))
    }
}

/// Wilson's interval of a `share` of so many queries.
fn wilson(share: f64, of: usize) -> [f64; 2] {
    let n = of as f64;
    let middle = (share + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    // The formula's own ends, but for rounding.
    let low = if share == 0.0 { 0.0 } else { middle - half };
    let high = if share == 1.0 { 1.0 } else { middle + half };
    [low, high]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recall_and_its_interval_are_those_of_the_ranks() {
        let rank = |above: usize| Rank { above, tied: 0, best: 1, correct: 1 };
        let ranks: Vec<Rank> =
            (0..20).map(|number| rank(if number < 4 { 0 } else { number })).collect();
        let found = ListRecall::of(ranks, 40, Vec::new());
        let share = |place: usize| found.recall[place].share;
        assert_eq!((share(0), share(1), share(2)), (0.2, 0.25, 0.5));
        assert_eq!((found.queries, found.gallery, found.median_rank), (20, 40, 10.5));
        // Wilson's interval of 4 among 20, as statsmodels gives it.
        let [low, high] = found.recall[0].interval;
        assert!((low - 0.080_657_658).abs() < 1e-6 && (high - 0.416_017_5).abs() < 1e-6);
        assert!((found.recall[1].chance - 0.125).abs() < 1e-12);
        assert_eq!((found.ties, found.tied_share), (0, 0.0));
    }

    #[test]
    fn equal_embeddings_find_what_chance_finds() {
        let found = ListRecall::of(
            vec![Rank { above: 0, tied: 39, best: 1, correct: 1 }; 8],
            40,
            Vec::new(),
        );
        for recall in &found.recall {
            assert!((recall.share - recall.chance).abs() < 1e-12, "{recall:?}");
        }
        assert_eq!((found.median_rank, found.ties, found.tied_share), (20.5, 8, 1.0));
    }

    #[test]
    fn intervals_stay_within_0_and_1() {
        for (hits, of) in [(0, 1), (1, 1), (0, 500), (500, 500)] {
            let share = f64::from(hits) / of as f64;
            let [low, high] = wilson(share, of);
            assert!(0.0 <= low && low <= share && share <= high && high <= 1.0, "{hits} of {of}");
        }
    }
}
