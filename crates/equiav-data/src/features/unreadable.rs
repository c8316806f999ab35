//! The account of clips that cannot be read: which, how many, and when there are too many.

use std::collections::{BTreeMap, HashSet};

use crate::error::{ClipError, DataError};

/// Below this number of clips looked at, a share says nothing yet.
const FEWEST_SEEN: usize = 100;
/// How many reasons an error lists.
pub(crate) const LISTED: usize = 3;

/// What could not be read of a data set.
#[derive(Clone, Debug, Default)]
pub struct Unreadable {
    /// Distinct clips looked at.
    pub seen: usize,
    /// The clips that could not be read, by their position in the manifest.
    pub clips: Vec<ClipError>,
    /// How often another clip stood in for one of them.
    pub substituted: usize,
}

/// The running account behind [`Unreadable`].
#[derive(Debug, Default)]
pub(crate) struct Tally {
    seen: HashSet<usize>,
    bad: BTreeMap<usize, ClipError>,
    first: Vec<String>,
    substituted: usize,
}

impl Tally {
    pub(crate) fn summary(&self) -> Unreadable {
        Unreadable {
            seen: self.seen.len(),
            clips: self.bad.values().cloned().collect(),
            substituted: self.substituted,
        }
    }

    /// Notes a clip that was read.
    pub(crate) fn read(&mut self, clip: usize) {
        self.seen.insert(clip);
    }

    /// Notes that a clip stood in for another.
    pub(crate) fn substituted(&mut self) {
        self.substituted += 1;
    }

    /// Notes a clip that could not be read; says whether it is new.
    pub(crate) fn failed(&mut self, error: &ClipError) -> bool {
        self.seen.insert(error.clip);
        let new = self.bad.insert(error.clip, error.clone()).is_none();
        if new && self.first.len() < LISTED {
            self.first.push(error.to_string());
        }
        new
    }

    /// Ends the run when more than the share `allowed` of the clips is unreadable.
    ///
    /// The share is taken of at least 100 clips (or of all `len`, if fewer), so that one bad clip
    /// among the first few does not end a run.
    pub(crate) fn check(&self, allowed: f64, len: usize) -> Result<(), DataError> {
        let (unreadable, seen) = (self.bad.len(), self.seen.len());
        if !too_many(unreadable, seen, allowed, len) {
            return Ok(());
        }
        let first = self.first.clone();
        Err(DataError::TooManyUnreadable { unreadable, seen, allowed, first })
    }
}

/// Whether `unreadable` of `seen` clips are more than the share `allowed` of them, or of the fewest that
/// say something of all `len`.
pub(crate) fn too_many(unreadable: usize, seen: usize, allowed: f64, len: usize) -> bool {
    let whole = seen.max(len.min(FEWEST_SEEN));
    unreadable as f64 > allowed * whole as f64
}
