//! The only source of randomness: streams keyed by what they are for, and how numbers come of them.
//!
//! The conversions are written out here because those of `rand` may change between its versions,
//! and a resumed run must draw what the interrupted one would have drawn.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::Modality;

/// What a stream of random numbers decides.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Purpose {
    /// Which frame of a clip is seen.
    Frame,
    /// The augmentation of a view.
    Augmentation(Modality),
    /// The parameter vectors whose predictions make a training clip's centroid.
    Centroid(Modality),
    /// The parameter vectors with which retrieval embeds, the same for every clip.
    Retrieval(Modality),
    /// The order of the clips in an epoch.
    Order,
    /// Which clip takes the place of one that cannot be read.
    Replacement,
    /// The contents of a generated corpus.
    Synthesis,
}

impl Purpose {
    /// A number of its own for every purpose; changing one changes every run.
    fn number(self) -> u64 {
        let of = |modality| match modality {
            Modality::Audio => 0,
            Modality::Visual => 1,
        };
        match self {
            Self::Frame => 0,
            Self::Order => 1,
            Self::Replacement => 2,
            Self::Synthesis => 3,
            Self::Augmentation(modality) => 0x100 + of(modality),
            Self::Centroid(modality) => 0x200 + of(modality),
            Self::Retrieval(modality) => 0x300 + of(modality),
        }
    }
}

/// The stream of random numbers for one purpose, of one clip, in one epoch.
///
/// The four numbers are the key of the generator, so streams neither overlap nor depend on the
/// order in which, or the thread on which, they are opened.
pub fn stream(seed: u64, epoch: u64, clip: u64, purpose: Purpose) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (bytes, part) in key.chunks_exact_mut(8).zip([seed, epoch, clip, purpose.number()]) {
        bytes.copy_from_slice(&part.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// A number in `[0, 1)`, a multiple of 2⁻⁵³.
pub fn unit(rng: &mut impl Rng) -> f64 {
    const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
    (rng.next_u64() >> 11) as f64 * STEP
}

/// A whole number in `0 .. count`; the bias is below `count` / 2⁶⁴.
///
/// # Panics
///
/// If `count` is 0.
#[track_caller]
pub fn below(count: usize, rng: &mut impl Rng) -> usize {
    assert!(count > 0, "below: there is no whole number below 0");
    let product = u128::from(rng.next_u64()) * count as u128;
    (product >> 64) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn streams_differ_in_every_part_of_their_key() {
        let purposes = [Purpose::Frame, Purpose::Order, Purpose::Replacement, Purpose::Synthesis]
            .into_iter()
            .chain(Modality::ALL.into_iter().flat_map(|modality| {
                [Purpose::Augmentation, Purpose::Centroid, Purpose::Retrieval]
                    .map(|purpose| purpose(modality))
            }));
        let mut keys: Vec<_> = purposes.map(|purpose| (1, 2, 3, purpose)).collect();
        keys.extend([(9, 2, 3, Purpose::Frame), (1, 9, 3, Purpose::Frame)]);
        keys.push((1, 2, 9, Purpose::Frame));
        let firsts: BTreeSet<u64> = keys
            .iter()
            .map(|&(seed, epoch, clip, purpose)| stream(seed, epoch, clip, purpose).next_u64())
            .collect();
        assert_eq!(firsts.len(), keys.len());
    }

    #[test]
    fn the_stream_is_the_same_in_every_version() {
        let mut rng = stream(1, 2, 3, Purpose::Augmentation(Modality::Visual));
        let numbers = [(); 3].map(|()| below(1000, &mut rng));
        assert_eq!(numbers, [586, 263, 456]);
    }

    #[test]
    fn below_covers_exactly_its_range() {
        let mut rng = stream(0, 0, 0, Purpose::Order);
        let seen: BTreeSet<usize> = (0..200).map(|_| below(5, &mut rng)).collect();
        assert_eq!(seen, BTreeSet::from([0, 1, 2, 3, 4]));
    }
}
