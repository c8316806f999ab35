//! Another real clip in the place of one that cannot be read, drawn from a stream of its own.

use std::sync::PoisonError;

use equiav_augment::random::below;
use equiav_augment::{Purpose, stream};

use crate::batch::Replaced;
use crate::{ClipError, DataError, Dataset};

/// How many clips are tried in the place of an unreadable one.
const TRIES: usize = 16;

/// Where an example is wanted.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The key of the stream that replacements come from, beside the clip.
    pub(crate) epoch: u64,
    /// The clip that belongs there.
    pub(crate) clip: usize,
    /// The clips of its batch, which do not take its place while there are others.
    pub(crate) neighbors: &'a [usize],
    /// The clips that may take its place; every clip where none are named.
    pub(crate) candidates: Option<&'a [usize]>,
}

/// An example, and the clips that failed before it in its place.
pub(crate) struct Read<T> {
    pub(crate) example: T,
    /// The clip that it is of.
    pub(crate) clip: usize,
    pub(crate) failures: Vec<ClipError>,
}

/// What `make` makes of the clip at `place`, or of another one.
pub(crate) fn read_or_replace<T>(
    dataset: &Dataset,
    place: Place<'_>,
    mut make: impl FnMut(usize) -> Result<T, ClipError>,
) -> Result<Read<T>, DataError> {
    // PUBLISHED: constant-replaces-unreadable, the published code trains on a tensor of 0.01 in its
    // place; here on a real clip.
    let Place { epoch, clip, neighbors, candidates } = place;
    let count = candidates.map_or(dataset.len(), <[usize]>::len);
    let mut failures: Vec<ClipError> = Vec::new();
    let mut rng = stream(dataset.seed(), epoch, clip as u64, Purpose::Replacement);
    let crowded = count <= neighbors.len();
    let mut tried = vec![clip];
    let mut draws = 0;
    loop {
        let clip = tried[tried.len() - 1];
        match make(clip) {
            Ok(example) => return Ok(Read { example, clip, failures }),
            Err(error) => match dataset.folder_gone(&error) {
                Some(gone) => return Err(gone),
                None => failures.push(error),
            },
        }
        loop {
            if draws == TRIES {
                let tries = failures.len() - 1;
                return Err(DataError::NoReplacement {
                    unreadable: failures.swap_remove(0),
                    tries,
                });
            }
            draws += 1;
            let drawn = below(count, &mut rng);
            let next = candidates.map_or(drawn, |candidates| candidates[drawn]);
            if !tried.contains(&next) && (crowded || !neighbors.contains(&next)) {
                tried.push(next);
                break;
            }
        }
    }
}

/// Notes who failed before the clips of a batch, and stops when it is too much; returns what is new,
/// and how many clips of the batch stand in another's place.
pub(crate) fn account(
    dataset: &Dataset,
    clips: &[usize],
    failures: Vec<Vec<ClipError>>,
    max_unreadable: f64,
) -> Result<(Vec<Replaced>, usize), DataError> {
    let mut tally = dataset.tally().lock().unwrap_or_else(PoisonError::into_inner);
    let (mut replaced, mut substituted) = (Vec::new(), 0);
    for (by, failures) in clips.iter().zip(failures) {
        if !failures.is_empty() {
            substituted += 1;
            tally.substituted();
        }
        for reason in failures {
            if tally.failed(&reason) {
                replaced.push(Replaced { clip: reason.clip, by: *by, reason });
            }
        }
        tally.read(*by);
    }
    tally.check(max_unreadable, dataset.len())?;
    Ok((replaced, substituted))
}
