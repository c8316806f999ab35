//! How much of a measured list was trained on, beside every figure of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Overlap;
use crate::manifest::clips::Clips;

/// Files of two lists that are more than so many bytes are not compared unasked.
const MOST_BYTES: u64 = 2 << 30;

/// What a measured list has in common with the list that was trained on.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct TrainOverlap {
    /// The digest of the list that was trained on.
    pub train: String,
    /// How many clips of the measured list it has too, by any of the following.
    pub clips: usize,
    /// Their share of the measured list, in [0, 1].
    pub share: f64,
    /// Clips whose id it has.
    pub by_id: usize,
    /// Clips whose sound it has, byte for byte; none where files were not compared.
    pub by_sound: Option<usize>,
    /// Clips whose middle frame it has, byte for byte; none as above.
    pub by_picture: Option<usize>,
}

impl TrainOverlap {
    /// What `list` has in common with `train`: by id, and by content where both were compared before or are at most
    /// 2 GiB in all; see [`Overlap::kept`].
    pub fn of(list: &Clips, train: &Clips) -> Self {
        let compared = Overlap::kept(list, train, MOST_BYTES);
        let by_content = compared.is_some();
        let overlap = compared.unwrap_or_else(|| Overlap::by_id(list, train));
        let clips = overlap.any().len();
        Self {
            train: train.digest(),
            clips,
            share: clips as f64 / list.len().max(1) as f64,
            by_id: overlap.by_id.len(),
            by_sound: by_content.then_some(overlap.by_sound.len()),
            by_picture: by_content.then_some(overlap.by_picture.len()),
        }
    }
}

impl TrainOverlap {
    /// What is to be said in one line of `lists` that have clips of the training list; none if none has.
    pub fn warning<'a>(lists: impl IntoIterator<Item = (&'a String, &'a Self)>) -> Option<String> {
        let shared = lists.into_iter().filter(|(_, overlap)| overlap.clips > 0);
        let shared = shared.map(|(list, Self { clips, share, .. })| {
            format!("{clips} clips of `{list}` ({:.1} %)", 100.0 * share)
        });
        let shared: Vec<String> = shared.collect();
        let shared = (!shared.is_empty()).then(|| shared.join(", "))?;
        Some(format!("what is measured is in the training list too: {shared}"))
    }
}

impl fmt::Display for TrainOverlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { train, clips, share, by_id, .. } = self;
        write!(f, "{clips} clips ({:.1} %) are in the training list {train}", 100.0 * share)?;
        match (self.by_sound, self.by_picture) {
            (Some(sound), Some(picture)) => {
                write!(f, ": {by_id} by id, {sound} by sound, {picture} by picture")
            }
            _ => write!(f, ", by id alone; `equiav data overlap` compares files"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_clips_were_compared() {
        let overlap = TrainOverlap {
            train: "abc".to_owned(),
            clips: 3,
            share: 0.25,
            by_id: 2,
            by_sound: Some(3),
            by_picture: Some(0),
        };
        let text =
            "3 clips (25.0 %) are in the training list abc: 2 by id, 3 by sound, 0 by picture";
        assert_eq!(overlap.to_string(), text);
        let text = "3 clips (25.0 %) are in the training list abc, by id alone; `equiav data overlap` compares files";
        let by_id = TrainOverlap { by_sound: None, ..overlap.clone() };
        assert_eq!(by_id.to_string(), text);
        let names = ["a", "b", "c"].map(str::to_owned);
        let none = TrainOverlap { clips: 0, share: 0.0, ..overlap.clone() };
        let lists = names.iter().zip([&overlap, &none, &by_id]);
        let text = "what is measured is in the training list too: 3 clips of `a` (25.0 %), 3 clips of `c` (25.0 %)";
        assert_eq!(TrainOverlap::warning(lists).as_deref(), Some(text));
        assert_eq!(TrainOverlap::warning([(&names[1], &none)]), None);
    }
}
