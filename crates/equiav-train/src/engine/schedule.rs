//! The learning rate of every update: linear warm-up, then half a cosine.

use std::f64::consts::PI;

use crate::recipe::Optimizer;

/// A learning rate that rises linearly and falls along a cosine, update by update.
///
/// ```text
/// lr(s) = start + (peak − start) s / warmup                                      for s < warmup
/// lr(s) = end + (peak − end) (1 + cos(π (s − warmup) / (total − warmup))) / 2    up to s = total
/// lr(s) = end                                                                    beyond
/// ```
///
/// Update 0 is made with `start` and the first after the warm-up with `peak`; `end` would come one
/// update after the last. This is the published schedule (arXiv 2403.09502, pre-training).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WarmupCosine {
    /// The learning rate of the first update.
    pub start: f64,
    /// The learning rate at the end of the warm-up.
    pub peak: f64,
    /// The learning rate that the cosine falls to.
    pub end: f64,
    /// How many updates the warm-up takes; 0 begins at `peak`.
    pub warmup: u64,
    /// How many updates there are, the warm-up included.
    pub total: u64,
}

impl WarmupCosine {
    /// The learning rate of update `step`, counted from 0.
    pub fn lr(&self, step: u64) -> f64 {
        if step < self.warmup {
            return self.start + (self.peak - self.start) * step as f64 / self.warmup as f64;
        }
        if step >= self.total {
            return self.end;
        }
        let progress = (step - self.warmup) as f64 / (self.total - self.warmup) as f64;
        self.end + (self.peak - self.end) * (1.0 + (PI * progress).cos()) / 2.0
    }
}

/// The learning rates of a run of `epochs` with `steps` updates each.
pub(crate) fn of_run(optimizer: &Optimizer, epochs: u64, steps: u64) -> WarmupCosine {
    let warmup = (optimizer.warmup_epochs * steps as f64).round() as u64;
    warmup_cosine(optimizer, warmup, epochs * steps)
}

/// The learning rates of a run of `epochs` that makes `steps` updates in all.
pub(crate) fn within(optimizer: &Optimizer, epochs: u64, steps: u64) -> WarmupCosine {
    let share = optimizer.warmup_epochs / epochs as f64;
    warmup_cosine(optimizer, (share * steps as f64).round() as u64, steps)
}

fn warmup_cosine(optimizer: &Optimizer, warmup: u64, total: u64) -> WarmupCosine {
    let (start, peak, end) = (optimizer.start_lr, optimizer.lr, optimizer.final_lr);
    WarmupCosine { start, peak, end, warmup, total }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::Value;

    use super::*;

    #[test]
    fn equals_the_published_trajectory() {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/model_tiny/trajectory.json");
        let text = std::fs::read_to_string(path).expect("the fixture");
        let published: Value = serde_json::from_str(&text).expect("json");
        let number = |name: &str| published["schedule"][name].as_f64().expect("a number");
        let schedule = WarmupCosine {
            start: number("start_lr"),
            peak: number("ref_lr"),
            end: number("final_lr"),
            warmup: number("warmup_steps") as u64,
            total: number("total_steps") as u64,
        };
        let steps = published["steps"].as_array().expect("steps");
        assert_eq!(steps.len(), 4);
        for (step, theirs) in steps.iter().enumerate() {
            let theirs = theirs["lr"].as_f64().expect("a learning rate");
            let ours = schedule.lr(step as u64);
            assert!((ours / theirs - 1.0).abs() < 1e-14, "step {step}: {ours} {theirs}");
        }
    }

    #[test]
    fn rises_then_falls_to_the_end_and_stays() {
        let schedule =
            WarmupCosine { start: 2e-7, peak: 1e-4, end: 1e-6, warmup: 100, total: 1000 };
        let rates: Vec<f64> = (0..1100).map(|step| schedule.lr(step)).collect();
        assert!(rates[..=100].is_sorted() && rates[100..].is_sorted_by(|a, b| a >= b));
        assert_eq!((rates[0], rates[100]), (2e-7, 1e-4));
        assert!((rates[550] - (1e-4 + 1e-6) / 2.0).abs() < 1e-18, "half-way down the cosine");
        assert!(rates[1000..].iter().all(|rate| *rate == 1e-6));
    }

    #[test]
    fn degenerate_lengths_stay_finite() {
        let at = |warmup, total, step| {
            WarmupCosine { start: 1.0, peak: 2.0, end: 0.5, warmup, total }.lr(step)
        };
        assert_eq!((at(0, 10, 0), at(0, 0, 0), at(5, 5, 5)), (2.0, 0.5, 0.5));
        assert_eq!(at(10, 5, 5), 1.5, "a warm-up longer than the run just rises");
    }
}
