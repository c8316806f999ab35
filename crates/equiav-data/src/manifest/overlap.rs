//! What two lists have in common, so that nothing is measured on what was trained on.

mod kept;
mod train_overlap;

use std::collections::HashSet;

use equiav_frontend::InputKind;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::MediaError;
use crate::manifest::clips::Clips;
pub use train_overlap::TrainOverlap;

/// The clips of one list that stand in another as well; each list of positions is ascending.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Overlap {
    /// Those whose id the other list has.
    pub by_id: Vec<usize>,
    /// Those whose sound the other list has, byte for byte.
    pub by_sound: Vec<usize>,
    /// Those whose middle frame the other list has, byte for byte.
    pub by_picture: Vec<usize>,
    /// Clips of either list of which a file could not be read, by their ids, with the reasons: what they have in
    /// common with others is unknown.
    pub unreadable: Vec<(String, String)>,
}

impl Overlap {
    /// The clips of `list` that `other` has too. Every sound and every middle frame of both is read, none is decoded.
    pub fn of(list: &Clips, other: &Clips) -> Self {
        let mut overlap = Self::by_id(list, other);
        for kind in [InputKind::Spectrogram, InputKind::Image] {
            let [own, others] = [list, other].map(|clips| keys(clips, kind));
            let there: HashSet<u64> =
                others.iter().filter_map(|key| key.as_ref().ok().copied()).collect();
            let shared = own
                .iter()
                .enumerate()
                .filter_map(|(clip, key)| there.contains(key.as_ref().ok()?).then_some(clip));
            match kind {
                InputKind::Spectrogram => overlap.by_sound = shared.collect(),
                InputKind::Image => overlap.by_picture = shared.collect(),
            }
            for (clips, keys) in [(list, own), (other, others)] {
                let failed = keys.into_iter().enumerate().filter_map(|(clip, key)| {
                    Some((clips.id(clip).to_owned(), key.err()?.to_string()))
                });
                overlap.unreadable.extend(failed);
            }
        }
        overlap
    }

    /// The clips of `list` whose id `other` has; no file is read.
    pub fn by_id(list: &Clips, other: &Clips) -> Self {
        let ids: HashSet<&str> = (0..other.len()).map(|clip| other.id(clip)).collect();
        let by_id = (0..list.len()).filter(|clip| ids.contains(list.id(*clip))).collect();
        Self { by_id, ..Self::default() }
    }

    /// Those that are in the other list by any of the three.
    pub fn any(&self) -> Vec<usize> {
        let all = [&self.by_id, &self.by_sound, &self.by_picture];
        let mut any: Vec<usize> = all.into_iter().flatten().copied().collect();
        any.sort_unstable();
        any.dedup();
        any
    }
}

/// The key of the content of every clip.
fn keys(clips: &Clips, kind: InputKind) -> Vec<Result<u64, MediaError>> {
    (0..clips.len()).into_par_iter().map(|clip| clips.content_key(clip, kind)).collect()
}
