//! What both sides print, read and gathered over the rounds.

use std::collections::{BTreeMap, HashMap};

use tinyjson::JsonValue;

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

/// All that was measured.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Samples a second on one core.
    pub(super) samples: Sides,
    /// Filterbanks of 10 s a second on one core.
    pub(super) filterbanks: Sides,
    /// Samples a second of our loader with two workers, and with one; not pinned.
    pub(super) two_workers: Sides,
    /// Milliseconds of each of our stages.
    pub(super) stages: BTreeMap<String, Rounds>,
    /// The peer's packages.
    pub(super) versions: BTreeMap<String, String>,
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

    /// The ratio with its interval.
    pub(super) fn ratio(&self) -> String {
        show_ratio(&self.paired())
    }
}

/// `ratio [95 % interval]`.
pub(super) fn show_ratio(paired: &Paired) -> String {
    let interval = paired.interval();
    let interval = interval.map(|(low, high)| format!(" [{low:.3}, {high:.3}]"));
    format!("{:.3}{}", paired.ratio(), interval.unwrap_or_default())
}

/// How many pairs there were, and what that says of their ratios.
pub(super) fn turns(rounds: usize, settled: bool) -> String {
    let found = match (rounds, settled) {
        (..6, _) => "too few for an interval",
        (_, true) => "after which the 95 % interval (in brackets) of every ratio is within a point",
        (_, false) => {
            "without the 95 % interval (in brackets) of every ratio coming within a point"
        }
    };
    format!("{rounds} pairs of turns (A B, B A), {found}. Medians (least to most)")
}

impl Figures {
    /// Takes what `equiav data bench --json` printed in a round on one core.
    pub(super) fn add_ours(&mut self, text: &str) -> Result<(), String> {
        self.read_ours(text).ok_or_else(|| not_understood("equiav data bench", text))
    }

    /// Takes what it printed for one and two workers, or for two and one.
    pub(super) fn add_two_workers(&mut self, text: &str, one_first: bool) -> Result<(), String> {
        let speeds = parse(text).as_ref().and_then(speeds);
        let Some([first, second]) = speeds.as_deref() else {
            return Err(not_understood("equiav data bench", text));
        };
        let (one, two) = if one_first { (first, second) } else { (second, first) };
        self.two_workers.peers.push(*one);
        self.two_workers.ours.push(*two);
        Ok(())
    }

    /// Whether no further pair of turns is needed.
    pub(super) fn are_settled(&self) -> bool {
        [&self.samples, &self.filterbanks, &self.two_workers]
            .iter()
            .all(|sides| sides.paired().is_settled())
    }

    /// Takes what the peer printed in a round.
    pub(super) fn add_peers(&mut self, text: &str) -> Result<(), String> {
        self.read_peers(text).ok_or_else(|| not_understood("the peer", text))
    }

    fn read_ours(&mut self, text: &str) -> Option<()> {
        let json = parse(text)?;
        let stages = object(&json)?.get("milliseconds_a_sample").and_then(object)?;
        self.samples.ours.push(*speeds(&json)?.first()?);
        self.filterbanks.ours.push(1e3 / stages.get("filterbank")?.get::<f64>()?);
        for (name, milliseconds) in stages {
            self.stages.entry(name.clone()).or_default().push(*milliseconds.get()?);
        }
        Some(())
    }

    fn read_peers(&mut self, text: &str) -> Option<()> {
        let json = parse(text)?;
        let figure = |name: &str| object(&json)?.get(name)?.get::<f64>().copied();
        self.samples.peers.push(figure("samples_per_second")?);
        self.filterbanks.peers.push(figure("filterbanks_per_second")?);
        let versions = object(&json)?.get("versions").and_then(object)?;
        let version = |(name, value): (&String, &JsonValue)| {
            Some((name.clone(), value.get::<String>()?.clone()))
        };
        self.versions = versions.iter().map(version).collect::<Option<_>>()?;
        Some(())
    }
}

pub(super) fn parse(text: &str) -> Option<JsonValue> {
    text.trim().parse().ok()
}

pub(super) fn object(json: &JsonValue) -> Option<&HashMap<String, JsonValue>> {
    json.get()
}

/// Samples a second, one figure for each number of workers that was asked for.
fn speeds(json: &JsonValue) -> Option<Vec<f64>> {
    let loaders: &Vec<JsonValue> = object(json)?.get("loader")?.get()?;
    let speed = |loader| object(loader)?.get("samples_per_second")?.get::<f64>().copied();
    loaders.iter().map(speed).collect()
}

pub(super) fn not_understood(what: &str, text: &str) -> String {
    let line = text.trim().lines().last().unwrap_or("nothing");
    format!("what {what} printed is not understood: {line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = r#"{"clips": 2, "loader": [{"samples_per_second": 40.0, "workers": 1},
        {"samples_per_second": 76.0}], "milliseconds_a_sample": {"filterbank": 2.5, "other": 1.0}}"#;
    const PEERS: &str = r#"{"samples_per_second": 8.0, "filterbanks_per_second": 100.0,
        "versions": {"torch": "2.11.0"}}"#;

    #[test]
    fn figures_of_both_sides_are_read() {
        let mut figures = Figures::default();
        figures.add_ours(OURS).unwrap();
        figures.add_peers(PEERS).unwrap();
        figures.add_two_workers(OURS, true).unwrap();
        assert_eq!(figures.samples.ratio(), "5.000");
        assert_eq!(figures.filterbanks.ratio(), "4.000");
        assert_eq!(figures.two_workers.ratio(), "1.900");
        figures.add_two_workers(OURS, false).unwrap();
        assert_eq!(figures.two_workers.ours.0, [76.0, 40.0]);
        assert_eq!(figures.stages["other"].median(), 1.0);
        assert_eq!(figures.versions["torch"], "2.11.0");
    }

    #[test]
    fn other_text_is_refused_with_its_last_line() {
        let message = Figures::default().add_peers("{}\nno figures").unwrap_err();
        assert_eq!(message, "what the peer printed is not understood: no figures");
        assert!(Figures::default().add_ours(PEERS).is_err());
        assert!(Figures::default().add_two_workers("[]", true).is_err());
    }

    #[test]
    fn turns_end_when_all_ratios_are_settled() {
        let mut figures = Figures::default();
        for round in 0..6 {
            assert!(!figures.are_settled(), "round {round}");
            figures.add_ours(OURS).unwrap();
            figures.add_peers(PEERS).unwrap();
            figures.add_two_workers(OURS, true).unwrap();
        }
        assert!(figures.are_settled() && turns(6, true).contains("within a point. Medians"));
        figures.two_workers.ours.0[0] = 100.0;
        assert!(!figures.are_settled() && turns(6, false).contains("without"));
        assert_eq!(figures.two_workers.ratio(), "1.900 [1.900, 2.500]");
        assert!(turns(5, false).contains("too few"));
    }

    #[test]
    fn medians_are_in_the_middle() {
        let rounds = |figures: &[f64]| Rounds(figures.to_vec());
        assert_eq!(rounds(&[3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(rounds(&[4.0, 1.0, 2.0, 3.0]).median(), 2.5);
        assert_eq!(rounds(&[]).median(), 0.0);
        assert_eq!(rounds(&[3.0, 1.25, 2.0]).show(1), "2.0 (1.2 to 3.0)");
    }
}
