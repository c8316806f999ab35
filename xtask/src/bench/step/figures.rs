//! What both sides print of their steps, read and gathered over the rounds.

use std::collections::BTreeMap;

use tinyjson::JsonValue;

use crate::bench::figures::{Rounds, Sides, not_understood, object, parse};

/// All that was measured of one case.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Samples a second.
    pub(super) samples: Sides,
    /// The most memory, in GB.
    pub(super) memory: Sides,
    /// The largest relative difference of any loss of any step.
    pub(super) losses: f64,
    /// Milliseconds of each phase of our step.
    pub(super) phases: BTreeMap<String, Rounds>,
    /// The peer's PyTorch.
    pub(super) torch: String,
    /// Threads of either side.
    pub(super) threads: f64,
    /// How many pairs of turns there were.
    pub(super) rounds: usize,
}

/// What one run printed.
struct Run {
    json: JsonValue,
    steps: Vec<BTreeMap<String, f64>>,
}

impl Figures {
    /// Takes what `equiav bench --json` and the peer printed in a round.
    pub(super) fn add(&mut self, ours: &str, peers: &str) -> Result<(), String> {
        let read = |what, text| Run::read(text).ok_or_else(|| not_understood(what, text));
        let (our, their) = (read("equiav bench", ours)?, read("the peer", peers)?);
        self.losses = self.losses.max(difference(&our, &their)?);
        let taken = self.take(&our, &their);
        taken.ok_or_else(|| not_understood("one side", &format!("{ours}\n{peers}")))
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

    fn take(&mut self, our: &Run, their: &Run) -> Option<()> {
        for (side, samples, memory) in [
            (our, &mut self.samples.ours, &mut self.memory.ours),
            (their, &mut self.samples.peers, &mut self.memory.peers),
        ] {
            samples.push(side.number("samples_per_second")?);
            memory.push(side.number("peak_bytes")? / 1e9);
        }
        for (name, time) in object(object(&our.json)?.get("milliseconds_a_step")?)? {
            self.phases.entry(name.clone()).or_default().push(*time.get()?);
        }
        self.threads = our.number("threads")?;
        (self.threads == their.number("threads")?).then_some(())?;
        let versions = object(object(&their.json)?.get("versions")?)?;
        self.torch.clone_from(versions.get("torch")?.get()?);
        Some(())
    }
}

impl Run {
    fn read(text: &str) -> Option<Self> {
        let json = parse(text)?;
        let steps: &Vec<JsonValue> = object(&json)?.get("steps")?.get()?;
        let steps = steps.iter().map(losses).collect::<Option<_>>()?;
        Some(Self { json, steps })
    }

    fn number(&self, name: &str) -> Option<f64> {
        object(&self.json)?.get(name)?.get().copied()
    }
}

/// The losses of a step by name.
fn losses(step: &JsonValue) -> Option<BTreeMap<String, f64>> {
    let step = object(step)?;
    let mut losses = BTreeMap::from([("loss".to_owned(), *step.get("loss")?.get::<f64>()?)]);
    for (name, loss) in object(step.get("terms")?)? {
        losses.insert(name.clone(), *loss.get()?);
    }
    Some(losses)
}

/// The largest relative difference of the losses of two runs.
fn difference(ours: &Run, peers: &Run) -> Result<f64, String> {
    let names = |run: &Run| -> Vec<Vec<String>> {
        run.steps.iter().map(|step| step.keys().cloned().collect()).collect()
    };
    if ours.steps.is_empty() || names(ours) != names(peers) {
        return Err("both sides must tell the same losses of the same steps".to_owned());
    }
    let steps = ours.steps.iter().zip(&peers.steps);
    let pairs = steps.flat_map(|(ours, peers)| ours.values().zip(peers.values()));
    let apart = |(ours, peers): (&f64, &f64)| (ours - peers).abs() / peers.abs();
    // A loss that is not a number must not pass for equal.
    Ok(pairs
        .map(apart)
        .fold(0.0, |most, next| if next > most || next.is_nan() { next } else { most }))
}

/// The centroid's share of a step that `equiav bench --centroid --json` printed, in words.
pub(crate) fn centroid(text: &str) -> Result<String, String> {
    let read = |json: &JsonValue| {
        let json = object(json)?;
        let percent = |value: &JsonValue| Some(format!("{:.2} %", 100.0 * value.get::<f64>()?));
        let pairs = json.get("centroid_seconds")?.get::<Vec<JsonValue>>()?.len();
        let share = percent(json.get("centroid_share")?)?;
        let settled = *json.get("settled")?.get::<bool>()?;
        let Some([low, high]) = json.get("centroid_interval")?.get::<Vec<_>>().map(Vec::as_slice)
        else {
            return Some(format!("not measured: {pairs} pairs of steps have no interval"));
        };
        let (low, high) = (percent(low)?, percent(high)?);
        Some(if settled {
            format!("{share} (95 %: {low} to {high}, {pairs} pairs of steps)")
        } else {
            format!("not measured: after {pairs} pairs of steps it is {low} to {high} (95 %)")
        })
    };
    parse(text)
        .as_ref()
        .and_then(read)
        .ok_or_else(|| not_understood("equiav bench --centroid", text))
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
        assert_eq!((figures.torch.as_str(), figures.threads), ("2.11.0", 2.0));
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
        let message = |ours: &str, peers: &str| Figures::default().add(ours, peers).unwrap_err();
        assert!(message("{}", PEERS).starts_with("what equiav bench printed"));
        assert!(message(OURS, "{}\nno").ends_with("is not understood: no"));
        let fewer = PEERS.replace(r#", {"loss": 1.0, "terms": {"inter": 0.5}}"#, "");
        assert!(message(OURS, &fewer).contains("the same losses of the same steps"));
        let threads = PEERS.replace(r#""threads": 2"#, r#""threads": 4"#);
        assert!(message(OURS, &threads).contains("one side"));
        assert!(centroid("{}").is_err());
    }
}
