//! Orders of clips: all shuffled, or shard by shard through a buffer; sources mixed by weight.

use equiav_augment::random::{below, shuffle};
use equiav_augment::{Purpose, stream};
use rand::Rng;

/// How an epoch goes through the clips.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Order {
    /// Every order is equally likely.
    Shuffled,
    /// Shards in a random order, each read front to back, through a buffer of `buffer` clips of
    /// which a random one comes next: few seeks, for disks and networks that need it.
    Streamed {
        /// Clips in the buffer; 0 counts as 1, which shuffles shards only.
        buffer: usize,
    },
}

/// The clips of one source, as an order sees them; their numbers follow those of the source before.
#[derive(Clone, Debug, PartialEq)]
pub struct Portion {
    /// How many clips each of its shards has.
    pub shards: Vec<usize>,
    /// How likely one of its clips is to come in an epoch, beside one of another portion.
    pub weight: f64,
}

impl Portion {
    /// How many clips it has.
    pub fn clips(&self) -> usize {
        self.shards.iter().sum()
    }
}

/// How many clips of each portion an epoch sees: all where the weight is the largest, of the others
/// in proportion, rounded down.
pub(crate) fn quotas(portions: &[Portion]) -> Vec<usize> {
    let most = portions.iter().map(|portion| portion.weight).fold(0.0, f64::max);
    let quota = |portion: &Portion| (portion.clips() as f64 * (portion.weight / most)) as usize;
    portions.iter().map(quota).collect()
}

/// The clips of an epoch: each at most once, of every portion its quota, spread over the epoch.
pub(crate) fn clips(order: Order, portions: &[Portion], rng: &mut impl Rng) -> Vec<usize> {
    let quotas = quotas(portions);
    let whole = portions.iter().zip(&quotas).all(|(portion, quota)| portion.clips() == *quota);
    if whole {
        let shards = portions.iter().flat_map(|portion| portion.shards.iter().copied());
        return ordered(order, &shards.collect::<Vec<_>>(), rng);
    }
    let mut first = 0;
    let mut parts = Vec::with_capacity(portions.len());
    for (portion, quota) in portions.iter().zip(quotas) {
        let all = ordered(order, &portion.shards, rng);
        parts.push(chosen(all.into_iter().map(|clip| first + clip), quota, rng));
        first += portion.clips();
    }
    merged(parts, rng)
}

/// All clips of such shards, numbered from 0.
fn ordered(order: Order, shards: &[usize], rng: &mut impl Rng) -> Vec<usize> {
    match order {
        Order::Shuffled => permutation(shards.iter().sum(), rng),
        Order::Streamed { buffer } => streamed(shards, buffer, rng),
    }
}

/// `quota` of `all` in their order; every choice of so many is equally likely, so that the end of a shard comes
/// as often as its beginning.
fn chosen(
    all: impl ExactSizeIterator<Item = usize>,
    quota: usize,
    rng: &mut impl Rng,
) -> Vec<usize> {
    let (mut left, mut wanted) = (all.len(), quota);
    let mut chosen = Vec::with_capacity(quota);
    for clip in all {
        if below(left, rng) < wanted {
            chosen.push(clip);
            wanted -= 1;
        }
        left -= 1;
    }
    chosen
}

/// All of `parts`, each in its order; every way to mix them is equally likely, so that each part is spread over
/// the whole.
fn merged(parts: Vec<Vec<usize>>, rng: &mut impl Rng) -> Vec<usize> {
    let total = parts.iter().map(Vec::len).sum();
    let mut order = Vec::with_capacity(total);
    let mut parts: Vec<_> = parts.into_iter().map(Vec::into_iter).collect();
    for left in (1..=total).rev() {
        let mut place = below(left, rng);
        let next = parts.iter_mut().find_map(|part| match place.checked_sub(part.len()) {
            None => part.next(),
            Some(behind) => {
                place = behind;
                None
            }
        });
        order.extend(next);
    }
    order
}

/// All of 0 to `len` in a random order.
pub(crate) fn permutation(len: usize, rng: &mut impl Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    shuffle(&mut order, rng);
    order
}

/// Shards of so many clips one after the other in a random order, through a shuffle buffer.
fn streamed(shards: &[usize], buffer: usize, rng: &mut impl Rng) -> Vec<usize> {
    let mut starts = vec![0];
    starts.extend(shards.iter().scan(0, |sum, clips| {
        *sum += clips;
        Some(*sum)
    }));
    let shards = permutation(shards.len(), rng);
    let mut incoming = shards.into_iter().flat_map(|shard| starts[shard]..starts[shard + 1]);
    let mut waiting: Vec<usize> = incoming.by_ref().take(buffer.max(1)).collect();
    let mut order = Vec::with_capacity(starts[starts.len() - 1]);
    for next in incoming {
        let taken = below(waiting.len(), rng);
        order.push(std::mem::replace(&mut waiting[taken], next));
    }
    while !waiting.is_empty() {
        order.push(waiting.swap_remove(below(waiting.len(), rng)));
    }
    order
}

/// The stream that decides the order of `epoch`.
pub(crate) fn order_stream(seed: u64, epoch: u64) -> impl Rng {
    stream(seed, epoch, 0, Purpose::Order)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn portion(shards: &[usize], weight: f64) -> Portion {
        Portion { shards: shards.to_vec(), weight }
    }

    proptest! {
        #[test]
        fn every_clip_comes_once_whatever_the_order(
            shards in prop::collection::vec(0usize..30, 1..8), buffer in 0usize..80, seed: u64,
        ) {
            let total: usize = shards.iter().sum();
            for order in [Order::Shuffled, Order::Streamed { buffer }] {
                let draw = || clips(order, &[portion(&shards, 2.0)], &mut order_stream(seed, 3));
                let mut all = draw();
                prop_assert_eq!(&all, &draw());
                all.sort_unstable();
                prop_assert_eq!(all, (0..total).collect::<Vec<_>>());
            }
        }

        #[test]
        fn a_clip_comes_at_most_a_buffer_early(
            shards in prop::collection::vec(1usize..30, 1..8), buffer in 1usize..40, seed: u64,
        ) {
            // Reading runs ahead of what comes out by the buffer: so few clips are held at a time.
            let order = streamed(&shards, buffer, &mut order_stream(seed, 0));
            let front_to_back = streamed(&shards, 1, &mut order_stream(seed, 0));
            let place = |clip| front_to_back.iter().position(|other| *other == clip).unwrap();
            for (at, clip) in order.iter().enumerate() {
                prop_assert!(place(*clip) < at + buffer);
            }
        }

        #[test]
        fn weights_are_shares(
            a in 0usize..60, b in 0usize..60, weight in 0.01f64..1.0, seed: u64, buffer in 1usize..9,
        ) {
            for order in [Order::Shuffled, Order::Streamed { buffer }] {
                let portions = [portion(&[a / 2, a - a / 2], 3.0), portion(&[b], 3.0 * weight)];
                let mut all = clips(order, &portions, &mut order_stream(seed, 0));
                let heavy = all.iter().filter(|clip| **clip < a).count();
                prop_assert_eq!(heavy, a);
                prop_assert_eq!(all.len() - heavy, quotas(&portions)[1]);
                prop_assert!((all.len() - heavy) as f64 <= b as f64 * weight + 1e-9);
                all.sort_unstable();
                all.dedup();
                prop_assert_eq!(all.len(), a + quotas(&portions)[1]);
            }
        }
    }

    #[test]
    fn a_light_portion_is_spread_over_the_epoch_and_over_its_shards() {
        const EPOCHS: u64 = 40;
        // 2,000 clips of full weight, 2,000 of a tenth of it: 200 an epoch.
        for light in [&[2_000][..], &[100; 20]] {
            let portions = [portion(&[500; 4], 2.0), portion(light, 0.2)];
            for order in [Order::Shuffled, Order::Streamed { buffer: 50 }] {
                let mut tenths = [0u32; 10];
                let mut seen = std::collections::BTreeSet::new();
                for epoch in 0..EPOCHS {
                    let all = clips(order, &portions, &mut order_stream(11, epoch));
                    assert_eq!(all, clips(order, &portions, &mut order_stream(11, epoch)));
                    for (place, clip) in all.iter().enumerate().filter(|(_, clip)| **clip >= 2_000)
                    {
                        tenths[place * 10 / all.len()] += 1;
                        seen.insert(*clip);
                    }
                }
                // 20 expected in a tenth of an epoch: 800 in all, standard deviation 25.
                assert!(tenths.iter().all(|count| (650..950).contains(count)), "{tenths:?}");
                // A clip is missed by all epochs with a chance of 0.9⁴⁰: 30 of them, deviation 5.
                assert!(seen.len() > 1_930, "{order:?}, {light:?}: {} were seen", seen.len());
            }
        }
    }

    #[test]
    fn equal_weights_leave_the_order_as_it_was() {
        for (order, expected) in [
            (Order::Shuffled, [5, 6, 0, 3, 2, 4, 1, 7, 8]),
            (Order::Streamed { buffer: 3 }, [0, 2, 1, 4, 3, 6, 8, 7, 5]),
        ] {
            let portions = [portion(&[3, 2], 0.5), portion(&[4], 0.5)];
            assert_eq!(clips(order, &portions, &mut order_stream(5, 2)), expected);
        }
    }

    #[test]
    fn a_buffer_of_one_reads_each_shard_front_to_back() {
        let order = streamed(&[3, 0, 2], 1, &mut order_stream(0, 0));
        assert!([[0, 1, 2, 3, 4], [3, 4, 0, 1, 2]].contains(&order[..].try_into().unwrap()));
        let firsts: std::collections::BTreeSet<usize> =
            (0..20).map(|epoch| streamed(&[3, 0, 2], 1, &mut order_stream(0, epoch))[0]).collect();
        assert_eq!(firsts, [0, 3].into());
    }

    #[test]
    fn every_place_is_equally_likely() {
        let mut counts = [[0u32; 6]; 6];
        for epoch in 0..6_000 {
            for (place, clip) in permutation(6, &mut order_stream(7, epoch)).into_iter().enumerate()
            {
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
