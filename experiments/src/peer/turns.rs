//! Figures of two sides that took turns: medians, ratios with their intervals, and how they are shown.

use super::paired::Paired;

/// Figures of one kind, one a round.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rounds(Vec<f64>);

impl Rounds {
    pub(super) fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// The middle figure; the mean of both where two are in the middle, 0 of none.
    pub(super) fn median(&self) -> f64 {
        let sorted = self.sorted();
        match (sorted.len() / 2, sorted.len() % 2) {
            (0, 0) => 0.0,
            (middle, 0) => 0.5 * (sorted[middle - 1] + sorted[middle]),
            (middle, _) => sorted[middle],
        }
    }

    /// `median (least to most)`.
    pub(super) fn show(&self, decimals: usize) -> String {
        let sorted = self.sorted();
        let end = |figure: Option<&f64>| figure.copied().unwrap_or(0.0);
        let (least, most) = (end(sorted.first()), end(sorted.last()));
        format!("{:.decimals$} ({least:.decimals$} to {most:.decimals$})", self.median())
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// One kind of figure of two sides, which took turns.
#[derive(Debug, Default)]
pub(super) struct Sides {
    pub(super) ours: Rounds,
    pub(super) peers: Rounds,
}

impl Sides {
    /// How many times the peer's ours is, turn by turn.
    pub(super) fn paired(&self) -> Paired {
        Paired::of(self.ours.0.iter().copied().zip(self.peers.0.iter().copied()))
    }

    /// `ratio [95 % interval]`.
    pub(super) fn ratio(&self) -> String {
        let paired = self.paired();
        let interval = paired.interval().map(|(low, high)| format!(" [{low:.3}, {high:.3}]"));
        format!("{:.3}{}", paired.ratio(), interval.unwrap_or_default())
    }
}

/// How many pairs there were, and what that says of their ratios.
pub(super) fn pairs_of_turns(rounds: usize, settled: bool) -> String {
    let found = match (rounds, settled) {
        (..6, _) => "too few for an interval",
        (_, true) => "after which the 95 % interval (in brackets) of every ratio is within a point",
        (_, false) => {
            "without the 95 % interval (in brackets) of every ratio coming within a point"
        }
    };
    format!("{rounds} pairs of turns (A B, B A), {found}. Medians (least to most)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_in_the_middle() {
        let rounds = |figures: &[f64]| Rounds(figures.to_vec());
        assert_eq!(rounds(&[3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(rounds(&[4.0, 1.0, 2.0, 3.0]).median(), 2.5);
        assert_eq!(rounds(&[]).median(), 0.0);
        assert_eq!(rounds(&[3.0, 1.25, 2.0]).show(1), "2.0 (1.2 to 3.0)");
    }

    #[test]
    fn ratios_are_paired_and_have_an_interval_after_six_turns() {
        let mut sides = Sides::default();
        for round in 0..6 {
            assert!(!sides.paired().is_settled(), "round {round}");
            sides.ours.push(76.0);
            sides.peers.push(40.0);
        }
        assert!(sides.paired().is_settled());
        assert_eq!(sides.ratio(), "1.900 [1.900, 1.900]");
        sides.ours.0[0] = 100.0;
        assert!(!sides.paired().is_settled());
        assert_eq!(sides.ratio(), "1.900 [1.900, 2.500]");
        assert!(pairs_of_turns(6, true).contains("within a point. Medians"));
        assert!(pairs_of_turns(6, false).contains("without"));
        assert!(pairs_of_turns(5, false).contains("too few"));
    }
}
