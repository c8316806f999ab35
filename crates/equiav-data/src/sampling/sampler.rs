//! The batches of an epoch, from seed, epoch and counts alone; split over processes.

use crate::sampling::order::{self, Order, Portion, order_stream, quotas};
use crate::sampling::weights::SampleWeights;

/// What a [`Loader`](crate::Loader) goes through: the clips of one epoch, from some sample on.
#[derive(Clone, Debug, PartialEq)]
pub struct Pass {
    /// The epoch, by which examples are drawn.
    pub epoch: u64,
    /// The clips of the whole epoch, in their order.
    pub order: Vec<usize>,
    /// How many make a batch.
    pub batch: usize,
    /// How many were used before.
    pub done: usize,
}

/// Deals the clips of a data set into batches, in another order every epoch.
///
/// The order depends on seed, epoch and numbers of clips only: not on the machine, nor on what came
/// before, so that an interrupted epoch goes on at the sample where it stopped.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampler {
    seed: u64,
    draw: Draw,
    batch: usize,
    rank: usize,
    world: usize,
}

/// How an epoch's clips are found.
#[derive(Clone, Debug, PartialEq)]
enum Draw {
    /// Each at most once.
    Once { portions: Vec<Portion>, order: Order },
    /// As many as there are, with replacement.
    ByWeight(SampleWeights),
}

impl Sampler {
    /// A sampler of `len` clips in batches of `batch`, shuffled as a whole.
    ///
    /// # Panics
    ///
    /// If `batch` is 0.
    #[track_caller]
    pub fn new(seed: u64, len: usize, batch: usize) -> Self {
        let portions = vec![Portion { shards: vec![len], weight: 1.0 }];
        Self::over(seed, portions, Order::Shuffled, batch)
    }

    /// A sampler of the clips of `portions` in batches of `batch`.
    ///
    /// Of a portion with a smaller weight than another each epoch sees a part only, another one
    /// each time: at half the weight, half of its clips.
    ///
    /// # Panics
    ///
    /// If `batch` is 0 or a weight is not above 0.
    #[track_caller]
    pub fn over(seed: u64, portions: Vec<Portion>, order: Order, batch: usize) -> Self {
        assert!(batch > 0, "Sampler: a batch needs a clip");
        let fine = |portion: &Portion| portion.weight.is_finite() && portion.weight > 0.0;
        assert!(portions.iter().all(fine), "Sampler: a weight must be above 0");
        Self { seed, draw: Draw::Once { portions, order }, batch, rank: 0, world: 1 }
    }

    /// A sampler that draws as many clips an epoch as have `weights`, each by its weight, with
    /// replacement.
    ///
    /// # Panics
    ///
    /// If `batch` is 0.
    #[track_caller]
    pub fn weighted(seed: u64, weights: SampleWeights, batch: usize) -> Self {
        assert!(batch > 0, "Sampler: a batch needs a clip");
        Self { seed, draw: Draw::ByWeight(weights), batch, rank: 0, world: 1 }
    }

    /// The part of process `rank` of `world`.
    ///
    /// All have the same number of batches, known before the epoch. Step by step, the batches of
    /// all processes in the order of their ranks are the batch of a single process of `world` times
    /// the size.
    ///
    /// # Panics
    ///
    /// If there is no such rank.
    #[track_caller]
    pub fn split(self, rank: usize, world: usize) -> Self {
        assert!(rank < world, "Sampler::split: there is no rank {rank} of {world}");
        Self { rank, world, ..self }
    }

    /// Batches in an epoch, of this process as of every other; the last, incomplete one is dropped.
    pub fn batches(&self) -> usize {
        let clips = match &self.draw {
            Draw::Once { portions, .. } => quotas(portions).iter().sum::<usize>(),
            Draw::ByWeight(weights) => weights.clips(),
        };
        clips / (self.batch * self.world)
    }

    /// The clips of epoch `epoch`, a whole number of batches: every clip at most once, unless clips
    /// have weights.
    pub fn order(&self, epoch: u64) -> Vec<usize> {
        let mut rng = order_stream(self.seed, epoch);
        let mut order = match &self.draw {
            Draw::Once { portions, order } => order::clips(*order, portions, &mut rng),
            Draw::ByWeight(weights) => {
                (0..weights.clips()).map(|_| weights.draw(&mut rng)).collect()
            }
        };
        order.truncate(self.batches() * self.batch * self.world);
        if self.world == 1 {
            return order;
        }
        let own = self.rank * self.batch..(self.rank + 1) * self.batch;
        let steps = order.chunks(self.batch * self.world);
        steps.flat_map(|step| step[own.clone()].iter().copied()).collect()
    }

    /// The clips of epoch `epoch` that come after its first `done` batches.
    pub fn order_from(&self, epoch: u64, done: usize) -> Vec<usize> {
        self.order(epoch).split_off((done * self.batch).min(self.batches() * self.batch))
    }

    /// What a loader goes through in `epoch` once `done` samples of it were used.
    pub fn pass(&self, epoch: u64, done: usize) -> Pass {
        Pass { epoch, order: self.order(epoch), batch: self.batch, done }
    }
}

/// At most `most` positions of `len`, in order, evenly from all of them.
pub(crate) fn evenly(len: usize, most: usize) -> impl Iterator<Item = usize> {
    let count = len.min(most);
    (0..count).map(move |number| number * len / count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_epoch_is_every_clip_once_without_its_last_incomplete_batch(
            seed: u64, epoch: u64, len in 0usize..200, batch in 1usize..20,
        ) {
            let sampler = Sampler::new(seed, len, batch);
            let order = sampler.order(epoch);
            prop_assert_eq!(order.len(), len / batch * batch);
            let mut all = Sampler::new(seed, len, 1).order(epoch);
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
            let order = |seed, epoch| Sampler::new(seed, 64, 1).order(epoch);
            prop_assert_eq!(order(seed, epoch), order(seed, epoch));
            prop_assert_ne!(order(seed, epoch), order(seed, epoch + 1));
            prop_assert_ne!(order(seed, epoch), order(seed.wrapping_add(1), epoch));
        }

        #[test]
        fn ranks_together_make_the_batches_of_one_process(
            shards in prop::collection::vec(0usize..40, 1..6), world in 1usize..5,
            batch in 1usize..6, buffer in 0usize..20, seed: u64,
        ) {
            let portions = vec![
                Portion { shards, weight: 1.0 }, Portion { shards: vec![50], weight: 0.5 },
            ];
            for order in [Order::Shuffled, Order::Streamed { buffer }] {
                let sampler = |batch| Sampler::over(seed, portions.clone(), order, batch);
                let one = sampler(world * batch);
                let ranks: Vec<Vec<usize>> =
                    (0..world).map(|rank| sampler(batch).split(rank, world).order(2)).collect();
                for rank in &ranks {
                    prop_assert_eq!(rank.len(), one.batches() * batch);
                }
                let steps = (0..one.batches()).flat_map(|step| {
                    ranks.iter().flat_map(move |rank| &rank[step * batch..(step + 1) * batch])
                });
                prop_assert_eq!(steps.copied().collect::<Vec<_>>(), one.order(2));
            }
        }
    }

    #[test]
    fn weights_balance_the_classes_of_an_epoch() {
        // 90 clips of one class and 10 of another, each weighted by one over the size of its class.
        let weights: Vec<f64> =
            (0..100).map(|clip| if clip < 90 { 1.0 / 90.0 } else { 0.1 }).collect();
        let sampler = Sampler::weighted(5, SampleWeights::new(&weights).unwrap(), 8);
        assert_eq!(sampler.batches(), 12);
        let rare = |epoch| sampler.order(epoch).iter().filter(|clip| **clip >= 90).count();
        let drawn: usize = (0..100).map(rare).sum();
        // 4800 expected of 9600, standard deviation 49.
        assert!((4_600..5_000).contains(&drawn), "{drawn}");
        assert_eq!(sampler.order(3), sampler.order(3));
        assert_ne!(sampler.order(3), sampler.order(4));
        assert_eq!(sampler.order_from(3, 2), sampler.order(3)[16..]);
    }

    #[test]
    fn positions_are_taken_evenly() {
        assert_eq!(evenly(3, 5).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(evenly(40, 4).collect::<Vec<_>>(), [0, 10, 20, 30]);
        assert_eq!(evenly(7, 0).count() + evenly(0, 7).count(), 0);
    }
}
