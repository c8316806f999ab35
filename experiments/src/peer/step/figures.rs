//! What both sides print of their steps, gathered over the rounds, and its tables.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Result, ensure};
use serde::Deserialize;

use super::Case;
use crate::peer::turns::{Rounds, Sides};
use crate::process::read_json;

/// All that was measured of one case.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Samples a second.
    samples: Sides,
    /// The most memory, in GB.
    memory: Sides,
    /// The largest relative difference of any loss of any step.
    losses: f64,
    /// Milliseconds of each phase of our step.
    phases: BTreeMap<String, Rounds>,
    /// The peer's PyTorch.
    pub(super) torch: String,
    /// Threads of either side.
    pub(super) threads: u64,
    /// How many pairs of turns there were.
    pub(super) rounds: usize,
}

/// What one run printed.
#[derive(Deserialize)]
struct Run {
    samples_per_second: f64,
    peak_bytes: f64,
    threads: u64,
    steps: Vec<Step>,
    /// Ours only.
    #[serde(default)]
    milliseconds_a_step: BTreeMap<String, f64>,
    /// The peer's only.
    #[serde(default)]
    versions: BTreeMap<String, String>,
}

/// The losses of a step.
#[derive(Deserialize)]
struct Step {
    loss: f64,
    terms: BTreeMap<String, f64>,
}

impl Figures {
    /// Takes what `equiav bench --json` and the peer printed in a round.
    pub(super) fn add(&mut self, ours: &str, peers: &str) -> Result<()> {
        let (ours, peers): (Run, Run) =
            (read_json("equiav bench", ours)?, read_json("the peer", peers)?);
        self.losses = self.losses.max(difference(&ours, &peers)?);
        ensure!(
            ours.threads == peers.threads,
            "equiav took {} threads, the peer {}: both must take as many",
            ours.threads,
            peers.threads
        );
        self.samples.ours.push(ours.samples_per_second);
        self.samples.peers.push(peers.samples_per_second);
        self.memory.ours.push(ours.peak_bytes / 1e9);
        self.memory.peers.push(peers.peak_bytes / 1e9);
        for (name, time) in ours.milliseconds_a_step {
            self.phases.entry(name).or_default().push(time);
        }
        self.threads = ours.threads;
        self.torch = peers.versions.get("torch").cloned().unwrap_or_default();
        Ok(())
    }

    /// Whether no further pair of turns is needed.
    pub(crate) fn are_settled(&self) -> bool {
        self.samples.paired().is_settled()
    }

    /// How many times the peer's speed ours is, with its interval, and how sure that is.
    pub(crate) fn summary(&self) -> String {
        let open = if self.are_settled() { "" } else { ", wider than a point" };
        format!("{} times the peer's samples/s, {} pairs{open}", self.samples.ratio(), self.rounds)
    }
}

/// The largest relative difference of the losses of two runs; not a number where a loss is none.
fn difference(ours: &Run, peers: &Run) -> Result<f64> {
    let names = |run: &Run| -> Vec<Vec<String>> {
        run.steps.iter().map(|step| step.terms.keys().cloned().collect()).collect()
    };
    ensure!(
        !ours.steps.is_empty() && names(ours) == names(peers),
        "both sides must tell the same losses of the same steps"
    );
    let all = |run: &Run| -> Vec<f64> {
        let each = run.steps.iter();
        each.flat_map(|step| step.terms.values().copied().chain([step.loss])).collect()
    };
    let apart = all(ours).into_iter().zip(all(peers));
    let apart = apart.map(|(ours, peers)| (ours - peers).abs() / peers.abs());
    Ok(apart.fold(0.0, |most, next| if next > most || next.is_nan() { next } else { most }))
}

/// Speeds, memory and losses of both sides, and where the time of our steps goes.
pub(crate) fn tables(cases: &[(&Case, Figures)]) -> String {
    let mut text = String::from(
        "| step | samples/s of equiav | of the peer | ratio | GB of equiav | of the peer | ratio \
             | losses differ by | pairs | steps |\n|--|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for (case, figures) in cases {
        let Figures { samples, memory, losses, rounds, .. } = figures;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {}{} | {:.2} | {:.2} | {:.2} | {losses:.1e} | {rounds} | {} |",
            case.name,
            samples.ours.show(3),
            samples.peers.show(3),
            samples.ratio(),
            if figures.are_settled() { "" } else { " *" },
            memory.ours.median(),
            memory.peers.median(),
            memory.paired().ratio(),
            case.steps
        );
    }
    let names = || cases.iter().take(1).flat_map(|(_, figures)| figures.phases.keys());
    let heads: String = names().map(|name| format!(" {name} |")).collect();
    let rules = "--:|".repeat(names().count());
    let _ = writeln!(text, "\n| ms of a step of ours |{heads}\n|--|{rules}");
    for (case, figures) in cases {
        let _ = write!(text, "| {} |", case.name);
        for name in names() {
            let time = figures.phases.get(name).map_or(0.0, Rounds::median);
            let _ = write!(text, " {time:.1} |");
        }
        text += "\n";
    }
    text
}

/// What `equiav bench --centroid --json` prints.
#[derive(Deserialize)]
struct Centroid {
    centroid_share: f64,
    centroid_seconds: Vec<serde_json::Value>,
    centroid_interval: Option<(f64, f64)>,
    settled: bool,
}

/// The centroid's share of a step, in words.
pub(crate) fn centroid(text: &str) -> Result<String> {
    let found: Centroid = read_json("equiav bench --centroid", text)?;
    let (share, pairs) = (100.0 * found.centroid_share, found.centroid_seconds.len());
    let Some((low, high)) = found.centroid_interval else {
        return Ok(format!("not measured: {pairs} pairs of steps have no interval"));
    };
    let limits = format!("{:.2} % to {:.2} %", 100.0 * low, 100.0 * high);
    Ok(if found.settled {
        format!("{share:.2} % (95 %: {limits}, {pairs} pairs of steps)")
    } else {
        format!("not measured: after {pairs} pairs of steps it is {limits} (95 %)")
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) const OURS: &str = r#"{"samples_per_second": 6.0, "peak_bytes": 2e9, "threads": 2,
        "milliseconds_a_step": {"forward": 10.0, "update": 1.0},
        "steps": [{"loss": 2.0, "terms": {"inter": 1.0}}, {"loss": 1.002, "terms": {"inter": 0.5}}]}"#;
    pub(crate) const PEERS: &str = r#"{"samples_per_second": 3.0, "peak_bytes": 4e9, "threads": 2,
        "versions": {"torch": "2.11.0"},
        "steps": [{"loss": 2.0, "terms": {"inter": 1.0}}, {"loss": 1.0, "terms": {"inter": 0.5}}]}"#;

    #[test]
    fn figures_of_both_sides_are_read() {
        let mut figures = Figures::default();
        figures.add(OURS, PEERS).unwrap();
        assert_eq!(figures.samples.ratio(), "2.000");
        assert_eq!(figures.memory.paired().ratio(), 0.5);
        assert!((figures.losses - 0.002).abs() < 1e-12, "{}", figures.losses);
        assert_eq!(figures.phases["forward"].median(), 10.0);
        assert_eq!((figures.torch.as_str(), figures.threads), ("2.11.0", 2));
        for _ in 0..5 {
            assert!(!figures.are_settled());
            figures.add(OURS, PEERS).unwrap();
        }
        assert!(figures.are_settled());
    }

    #[test]
    fn the_centroid_has_an_interval_or_was_not_measured() {
        let said = |interval: &str, settled: bool| {
            let json = format!(
                r#"{{"centroid_share": 0.0123, "centroid_seconds": [1.0, 2.0],
                "centroid_interval": {interval}, "settled": {settled}}}"#
            );
            centroid(&json).unwrap()
        };
        assert!(said("[0.01, 0.02]", true).starts_with("1.23 % (95 %: 1.00 % to 2.00 %, 2 "));
        assert!(said("[-0.1, 0.2]", false).contains("not measured: after 2 pairs of steps it is"));
        assert!(said("null", false).ends_with("2 pairs of steps have no interval"));
    }

    #[test]
    fn runs_that_cannot_be_compared_are_refused() {
        let message =
            |ours: &str, peers: &str| Figures::default().add(ours, peers).unwrap_err().to_string();
        assert!(message("{}", PEERS).starts_with("what equiav bench printed"));
        assert!(message(OURS, "{}\nno").ends_with("is not understood: no"));
        let fewer = PEERS.replace(r#", {"loss": 1.0, "terms": {"inter": 0.5}}"#, "");
        assert!(message(OURS, &fewer).contains("the same losses of the same steps"));
        let threads = PEERS.replace(r#""threads": 2"#, r#""threads": 4"#);
        assert!(message(OURS, &threads).contains("as many"));
        assert!(centroid("{}").is_err());
    }
}
