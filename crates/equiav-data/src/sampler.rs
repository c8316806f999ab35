//! The order of clips in an epoch, from seed and epoch alone.

use equiav_augment::random::below;
use equiav_augment::{Purpose, stream};

/// Deals the clips of a data set into batches, in another order every epoch.
///
/// The order depends on seed, epoch and number of clips only: not on the machine, nor on what came
/// before, so that an interrupted epoch goes on at the batch where it stopped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    seed: u64,
    len: usize,
    batch: usize,
}

impl Sampler {
    /// A sampler of `len` clips in batches of `batch`.
    ///
    /// # Panics
    ///
    /// If `batch` is 0.
    #[track_caller]
    pub fn new(seed: u64, len: usize, batch: usize) -> Self {
        assert!(batch > 0, "Sampler::new: a batch needs a clip");
        Self { seed, len, batch }
    }

    /// Batches in an epoch; the last, incomplete one is dropped.
    pub fn batches(&self) -> usize {
        self.len / self.batch
    }

    /// The clips of epoch `epoch`: every clip at most once, a whole number of batches.
    pub fn order(&self, epoch: u64) -> Vec<usize> {
        let mut order = permutation(self.seed, epoch, self.len);
        order.truncate(self.batches() * self.batch);
        order
    }

    /// The clips of epoch `epoch` that come after its first `done` batches.
    pub fn order_from(&self, epoch: u64, done: usize) -> Vec<usize> {
        self.order(epoch).split_off((done * self.batch).min(self.batches() * self.batch))
    }
}

/// At most `most` positions of `len`, in order, evenly from all of them.
pub(crate) fn evenly(len: usize, most: usize) -> impl Iterator<Item = usize> {
    let count = len.min(most);
    (0..count).map(move |number| number * len / count)
}

/// All of 0 to `len` in the order of (`seed`, `epoch`), by Fisher and Yates.
fn permutation(seed: u64, epoch: u64, len: usize) -> Vec<usize> {
    let mut rng = stream(seed, epoch, 0, Purpose::Order);
    let mut order: Vec<usize> = (0..len).collect();
    for last in (1..len).rev() {
        order.swap(last, below(last + 1, &mut rng));
    }
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_epoch_is_a_permutation_without_its_last_incomplete_batch(
            seed: u64, epoch: u64, len in 0usize..200, batch in 1usize..20,
        ) {
            let sampler = Sampler::new(seed, len, batch);
            let order = sampler.order(epoch);
            prop_assert_eq!(order.len(), len / batch * batch);
            let mut all = permutation(seed, epoch, len);
            prop_assert_eq!(&all[..order.len()], &order[..]);
            all.sort_unstable();
            prop_assert_eq!(all, (0..len).collect::<Vec<_>>());
            for done in 0..=sampler.batches() {
                prop_assert_eq!(&sampler.order_from(epoch, done)[..], &order[done * batch..]);
            }
            prop_assert!(sampler.order_from(epoch, sampler.batches() + 1).is_empty());
        }

        #[test]
        fn epochs_and_seeds_differ(seed: u64, epoch in 0u64..1_000) {
            let order = |seed, epoch| permutation(seed, epoch, 64);
            prop_assert_eq!(order(seed, epoch), order(seed, epoch));
            prop_assert_ne!(order(seed, epoch), order(seed, epoch + 1));
            prop_assert_ne!(order(seed, epoch), order(seed.wrapping_add(1), epoch));
        }
    }

    #[test]
    fn positions_are_taken_evenly() {
        assert_eq!(evenly(3, 5).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(evenly(40, 4).collect::<Vec<_>>(), [0, 10, 20, 30]);
        assert_eq!(evenly(7, 0).count() + evenly(0, 7).count(), 0);
    }

    #[test]
    fn every_place_is_equally_likely() {
        let mut counts = [[0u32; 6]; 6];
        for epoch in 0..6_000 {
            for (place, clip) in permutation(7, epoch, 6).into_iter().enumerate() {
                counts[place][clip] += 1;
            }
        }
        // 1000 expected, standard deviation 29.
        assert!(
            counts.as_flattened().iter().all(|count| (850..1_150).contains(count)),
            "{counts:?}"
        );
    }
}
