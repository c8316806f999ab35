//! The rank of the best correct candidate of one query, averaged over all orders of equal scores.

use ndarray::ArrayView1;

use super::significance::chance_of_recall;

/// Where a query's best-ranked correct candidate stands.
///
/// Candidates of one score stand in no order. So figures are the mean over all orders of them (McSherry and
/// Najork, ECIR 2008): a tie is neither won nor lost, and scores that tell nothing apart give exactly what
/// guessing gives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rank {
    /// How many candidates score more than the best correct one.
    pub above: usize,
    /// How many wrong candidates score exactly as much as it.
    pub tied: usize,
    /// How many correct candidates score exactly as much, itself included; at least 1.
    pub best: usize,
    /// How many candidates are correct.
    pub correct: usize,
}

impl Rank {
    /// That of a query with those `scores`; none without a correct candidate.
    pub fn of(scores: ArrayView1<'_, f32>, correct: impl Fn(usize) -> bool) -> Option<Self> {
        let right = || scores.iter().enumerate().filter(|(candidate, _)| correct(*candidate));
        let most = right().map(|(_, score)| *score).reduce(f32::max)?;
        let best = right().filter(|(_, score)| **score == most).count();
        let equal = scores.iter().filter(|score| **score == most).count();
        Some(Self {
            above: scores.iter().filter(|score| **score > most).count(),
            tied: equal - best,
            best,
            correct: right().count(),
        })
    }

    /// The mean rank over all orders of ties, from 1: with one correct candidate the middle of the first and the
    /// last rank that it could have.
    ///
    /// ```text
    /// above + 1 + tied / (best + 1)
    /// ```
    pub fn mean(&self) -> f64 {
        (self.above + 1) as f64 + self.tied as f64 / (self.best + 1) as f64
    }

    /// The share of all orders of ties in which a correct candidate is among the first `depth`, in [0, 1]; 0 or 1
    /// without ties.
    pub fn within(&self, depth: usize) -> f64 {
        let left = depth.saturating_sub(self.above);
        if left == 0 { 0.0 } else { chance_of_recall(self.tied + self.best, self.best, left) }
    }

    /// The share of the wrong ones in a `gallery` of that many that are tied with the best correct one, in [0, 1];
    /// 0 where none is wrong.
    pub fn tied_share(&self, gallery: usize) -> f64 {
        match gallery.saturating_sub(self.correct) {
            0 => 0.0,
            wrong => self.tied as f64 / wrong as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;

    use super::*;

    /// Every order of the candidates by their scores; equal ones in all of their orders.
    fn orders(scores: &[f32]) -> Vec<Vec<usize>> {
        fn go(left: Vec<usize>, scores: &[f32], so_far: Vec<usize>, all: &mut Vec<Vec<usize>>) {
            let most = left.iter().map(|at| scores[*at]).reduce(f32::max);
            let Some(most) = most else { return all.push(so_far) };
            for next in left.iter().filter(|at| scores[**at] == most) {
                let rest = left.iter().copied().filter(|at| at != next).collect();
                go(rest, scores, [&so_far[..], &[*next]].concat(), all);
            }
        }
        let mut all = Vec::new();
        go((0..scores.len()).collect(), scores, Vec::new(), &mut all);
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn figures_are_the_mean_over_every_order_of_ties(
            candidates in proptest::collection::vec((0u8..3, any::<bool>()), 1..7),
        ) {
            let scores: Vec<f32> = candidates.iter().map(|(score, _)| f32::from(*score)).collect();
            let found = Rank::of(ArrayView1::from(&scores), |candidate| candidates[candidate].1);
            prop_assert_eq!(found.is_some(), candidates.iter().any(|(_, correct)| *correct));
            let Some(found) = found else { return Ok(()) };
            let orders = orders(&scores);
            let place = |order: &Vec<usize>| {
                1 + order.iter().position(|candidate| candidates[*candidate].1).expect("a correct one")
            };
            let places: Vec<usize> = orders.iter().map(place).collect();
            let mean = |figure: &dyn Fn(usize) -> f64| {
                places.iter().map(|place| figure(*place)).sum::<f64>() / places.len() as f64
            };
            prop_assert!((found.mean() - mean(&|place| place as f64)).abs() < 1e-12);
            for depth in 0..8 {
                let expected = mean(&|place| f64::from(u8::from(place <= depth)));
                prop_assert!((found.within(depth) - expected).abs() < 1e-12, "{} of {:?}", depth, found);
            }
        }
    }

    #[test]
    fn equal_scores_give_what_guessing_gives() {
        let found = Rank::of(array![0.5, 0.5, 0.5, 0.5].view(), |candidate| candidate == 2);
        let found = found.expect("a correct one");
        assert_eq!((found.mean(), found.within(1), found.within(4)), (2.5, 0.25, 1.0));
        assert_eq!(found.tied_share(4), 1.0);
        let alone = Rank::of(array![0.5].view(), |_| true).expect("a correct one");
        assert_eq!((alone.mean(), alone.within(1), alone.tied_share(1)), (1.0, 1.0, 0.0));
    }

    #[test]
    fn without_ties_the_rank_is_the_place() {
        let found = Rank::of(array![0.1, 0.9, 0.5, 0.3].view(), |at| at != 1);
        let found = found.expect("correct ones");
        assert_eq!(found, Rank { above: 1, tied: 0, best: 1, correct: 3 });
        assert_eq!((found.mean(), found.within(1), found.within(2)), (2.0, 0.0, 1.0));
    }
}
