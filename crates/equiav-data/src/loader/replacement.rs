//! Another real clip in the place of one that cannot be read, drawn from a stream of its own.

use std::collections::{BTreeSet, HashSet};
use std::sync::PoisonError;

use equiav_augment::random::{below, shuffle};
use equiav_augment::{Purpose, stream};
use rand::Rng;

use crate::error::{ClipError, DataError};
use crate::features::batch::Replaced;
use crate::features::dataset::Dataset;
use crate::features::unreadable::{LISTED, too_many};

/// How often a clip is drawn from all of them before the draws go to those that are left.
const DRAWS: usize = 16;

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
    /// The share of unreadable clips that is put up with.
    pub(crate) max_unreadable: f64,
}

/// An example, and the clips that failed before it in its place.
pub(crate) struct Read<T> {
    pub(crate) example: T,
    /// The clip that it is of.
    pub(crate) clip: usize,
    pub(crate) failures: Vec<ClipError>,
}

/// What `make` makes of the clip at `place`, or of another one: of any other, until none is left or more
/// have failed than is put up with.
pub(crate) fn read_or_replace<T>(
    dataset: &Dataset,
    place: Place<'_>,
    mut make: impl FnMut(usize) -> Result<T, ClipError>,
) -> Result<Read<T>, DataError> {
    // PUBLISHED: constant-replaces-unreadable, the published code trains on a tensor of 0.01 in its
    // place; here on a real clip.
    let mut failures: Vec<ClipError> = Vec::new();
    let mut substitutes = substitutes(dataset, place);
    let mut clip = place.clip;
    loop {
        match make(clip) {
            Ok(example) => return Ok(Read { example, clip, failures }),
            Err(error) => match dataset.folder_gone(&error) {
                Some(gone) => return Err(gone),
                None => failures.push(error),
            },
        }
        // Where nothing can be read, nobody waits until all has been tried.
        let (failed, allowed) = (failures.len(), place.max_unreadable);
        if failed > DRAWS && too_many(failed, failed, allowed, dataset.len()) {
            let first = failures.iter().take(LISTED).map(ToString::to_string).collect();
            return Err(DataError::TooManyUnreadable {
                unreadable: failed,
                seen: failed,
                allowed,
                first,
            });
        }
        clip = match substitutes.next() {
            Some(next) => next,
            None => {
                let tries = failures.len() - 1;
                return Err(DataError::NoReplacement {
                    unreadable: failures.swap_remove(0),
                    tries,
                });
            }
        };
    }
}

/// The clips that take the place of one, each once, in an order that follows from the seed, the epoch and
/// the clip: first drawn, as almost always one of a few is readable, then those that are left, and last
/// the neighbors.
struct Substitutes<'a, R> {
    place: Place<'a>,
    /// How many may take the place.
    count: usize,
    rng: R,
    draws: usize,
    tried: HashSet<usize>,
    /// Those that are left, the next one last, once they are looked through.
    left: Option<Vec<usize>>,
}

fn substitutes<'a>(dataset: &Dataset, place: Place<'a>) -> Substitutes<'a, impl Rng + use<>> {
    let Place { epoch, clip, candidates, .. } = place;
    let count = candidates.map_or(dataset.len(), <[usize]>::len);
    let rng = stream(dataset.seed(), epoch, clip as u64, Purpose::Replacement);
    Substitutes { place, count, rng, draws: 0, tried: HashSet::from([clip]), left: None }
}

impl<R: Rng> Substitutes<'_, R> {
    fn candidate(&self, number: usize) -> usize {
        self.place.candidates.map_or(number, |candidates| candidates[number])
    }

    /// All that were not tried, shuffled, the neighbors first and so the last to come.
    fn all_left(&mut self) -> Vec<usize> {
        let all: BTreeSet<usize> = (0..self.count).map(|number| self.candidate(number)).collect();
        let untried = all.into_iter().filter(|clip| !self.tried.contains(clip));
        let neighbors: HashSet<usize> = self.place.neighbors.iter().copied().collect();
        let (mut near, mut far): (Vec<_>, Vec<_>) =
            untried.partition(|clip| neighbors.contains(clip));
        shuffle(&mut near, &mut self.rng);
        shuffle(&mut far, &mut self.rng);
        near.extend(far);
        near
    }
}

impl<R: Rng> Iterator for Substitutes<'_, R> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let crowded = self.count <= self.place.neighbors.len();
        while self.draws < DRAWS {
            self.draws += 1;
            let drawn = below(self.count, &mut self.rng);
            let next = self.candidate(drawn);
            let free = crowded || !self.place.neighbors.contains(&next);
            if free && self.tried.insert(next) {
                return Some(next);
            }
        }
        if self.left.is_none() {
            self.left = Some(self.all_left());
        }
        self.left.as_mut()?.pop()
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
