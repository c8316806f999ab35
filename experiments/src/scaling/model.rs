//! The model: what a step of several processes takes, from the step of one and the times of collectives.
//!
//! ```text
//! own      = s · (alone(b) − losses(b) + losses(W·b) / W)     s = max(1, W / cores)
//! gather   = all_gather(4·b·D) + all_reduce(4·W·b·D)          D numbers of a clip's embeddings
//! average  = all_reduce(4·P) + 2 · all_reduce(4)              P parameters; whether finite, figures
//! step     = own + gather + [average − s · backward(b) or more, average]
//! ```

use std::fmt::Write as _;

use serde::Deserialize;

/// Numbers of a clip's six embeddings in the recipe quick.
const EMBEDDINGS: f64 = 6.0 * 128.0;

/// The phases of a step that the model needs, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Parts {
    pub(super) whole: f64,
    losses: f64,
    backward: f64,
    parameters: f64,
}

/// What `equiav bench --json` prints of a step.
#[derive(Deserialize)]
pub(super) struct Bench {
    batch: f64,
    samples_per_second: f64,
    parameters: f64,
    milliseconds_a_step: Phases,
}

#[derive(Deserialize)]
struct Phases {
    losses: f64,
    backward: f64,
}

/// How long collectives of a number of processes take, as the example prints it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(super) struct Collectives {
    world: f64,
    times: Vec<Time>,
}

/// Seconds for `bytes` of each process.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
struct Time {
    bytes: f64,
    all_reduce: f64,
    all_gather: f64,
}

/// What the model says, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Prediction {
    pub(super) gather: f64,
    pub(super) average: f64,
    /// Where the backward pass hides the averaging of gradients as far as it lasts.
    pub(super) least: f64,
    /// Where nothing is hidden, as when both need the same cores.
    pub(super) most: f64,
}

impl Parts {
    pub(super) fn new(bench: Bench) -> Self {
        Self {
            whole: 1e3 * bench.batch / bench.samples_per_second,
            losses: bench.milliseconds_a_step.losses,
            backward: bench.milliseconds_a_step.backward,
            parameters: bench.parameters,
        }
    }
}

impl Collectives {
    /// Milliseconds at `bytes`: between two sizes in proportion, beyond the largest as there.
    fn at(&self, bytes: f64, seconds: impl Fn(&Time) -> f64) -> f64 {
        let Some(last) = self.times.last() else { return 0.0 };
        let above = self.times.iter().position(|time| time.bytes >= bytes);
        1e3 * match above {
            Some(0) => seconds(&self.times[0]),
            Some(above) => {
                let (low, high) = (&self.times[above - 1], &self.times[above]);
                let share = (bytes - low.bytes) / (high.bytes - low.bytes);
                seconds(low) + share * (seconds(high) - seconds(low))
            }
            None => seconds(last) * bytes / last.bytes,
        }
    }

    fn all_reduce(&self, bytes: f64) -> f64 {
        self.at(bytes, |time| time.all_reduce)
    }

    fn all_gather(&self, bytes: f64) -> f64 {
        self.at(bytes, |time| time.all_gather)
    }

    /// The times as Markdown.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "| {} processes: bytes each | all-reduce, ms | all-gather, ms |\n|--:|--:|--:|\n",
            self.world
        );
        for Time { bytes, all_reduce, all_gather } in &self.times {
            let (reduce, gather) = (1e3 * all_reduce, 1e3 * all_gather);
            let _ = writeln!(text, "| {bytes} | {reduce:.2} | {gather:.2} |");
        }
        text + "\n"
    }
}

impl Prediction {
    /// The step of `world` processes with `share` clips each on `cores` cores, where one process takes
    /// `alone` for as many clips and `all_keys` for those of all.
    pub(super) fn new(
        alone: &Parts,
        all_keys: &Parts,
        collectives: &Collectives,
        world: usize,
        share: usize,
        cores: usize,
    ) -> Self {
        let (w, b) = (world as f64, share as f64);
        let busy = (w / cores as f64).max(1.0);
        let own = busy * (alone.whole - alone.losses + all_keys.losses / w);
        let rows = 4.0 * b * EMBEDDINGS;
        let gather = collectives.all_gather(rows) + collectives.all_reduce(w * rows);
        let flags = 2.0 * collectives.all_reduce(4.0);
        let average = collectives.all_reduce(4.0 * alone.parameters) + flags;
        let hidden = (average - flags).min(busy * alone.backward);
        let most = own + gather + average;
        Self { gather, average, least: most - hidden, most }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_is_the_sum_of_its_parts() {
        let alone = Parts { whole: 100.0, losses: 2.0, backward: 50.0, parameters: 1e6 };
        let all_keys = Parts { losses: 6.0, ..alone };
        let time = |bytes, reduce: f64, gather: f64| Time {
            bytes,
            all_reduce: reduce / 1e3,
            all_gather: gather / 1e3,
        };
        let times = vec![time(4.0, 0.5, 0.5), time(4_000_000.0, 10.5, 20.5)];
        let collectives = Collectives { world: 2.0, times };
        let prediction = Prediction::new(&alone, &all_keys, &collectives, 2, 16, 2);
        // 4 MB of gradients take 10.5 ms, two flags 0.5 ms each.
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(close(prediction.average, 11.5));
        let rows = 4.0 * 16.0 * EMBEDDINGS;
        let line = |bytes: f64, slope: f64| 0.5 + slope * (bytes - 4.0) / (4_000_000.0 - 4.0);
        assert!(close(prediction.gather, line(rows, 20.0) + line(2.0 * rows, 10.0)));
        assert!(close(prediction.most, 101.0 + prediction.gather + 11.5));
        assert!(close(prediction.least, prediction.most - 10.5), "the backward pass is longer");
        let crowded = Prediction::new(&alone, &all_keys, &collectives, 2, 16, 1);
        assert!(close(crowded.most, prediction.most + 101.0), "one core for two processes");
    }

    #[test]
    fn what_is_printed_is_read() {
        let text =
            r#"{"world": 2, "times": [{"bytes": 4, "all_reduce": 1e-3, "all_gather": 2e-3}]}"#;
        let collectives: Collectives = serde_json::from_str(text).unwrap();
        assert_eq!(collectives.table().lines().nth(2), Some("| 4 | 1.00 | 2.00 |"));
        assert_eq!(collectives.all_gather(8.0), 4.0, "in proportion beyond the largest");
        let text = r#"{"batch": 32, "samples_per_second": 320.0, "parameters": 7,
                       "milliseconds_a_step": {"losses": 1.5, "backward": 50}}"#;
        let expected = Parts { whole: 100.0, losses: 1.5, backward: 50.0, parameters: 7.0 };
        assert_eq!(Parts::new(serde_json::from_str(text).unwrap()), expected);
    }
}
