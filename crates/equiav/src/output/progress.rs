//! Shows a run while it goes on: a line per epoch, and a bar on a terminal or a line a minute elsewhere.

use std::time::{Duration, Instant};

use equiav_train::{Callback, Event, StepReport};
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use crate::output::metrics;
use crate::output::{errln, remark};

/// The time from one line to the next where there is no bar.
const PACE: Duration = Duration::from_secs(60);

/// A watcher that prints.
pub(crate) struct Progress {
    bar: ProgressBar,
    epoch: Epoch,
    plan: Plan,
    pace: Pace,
}

/// What the run said at its start.
struct Plan {
    epochs: u64,
    /// Steps of one epoch.
    steps: u64,
    /// Steps made before this process.
    before: u64,
    begun: Instant,
}

impl Plan {
    /// `step 120/400  about 12 minutes left`, at `now` after `step` updates of the whole run.
    fn line(&self, step: u64, now: Instant) -> String {
        let total = self.epochs * self.steps;
        let own = step.saturating_sub(self.before).max(1);
        let left = total.saturating_sub(step) as f64 / own as f64;
        let left = now.duration_since(self.begun).mul_f64(left);
        format!("step {step}/{total}  about {} left", HumanDuration(left))
    }
}

/// When the last line was printed.
struct Pace(Instant);

impl Pace {
    /// Whether a line is due at `now`; it counts as printed then.
    fn due(&mut self, now: Instant) -> bool {
        let due = now.duration_since(self.0) >= PACE;
        if due {
            self.0 = now;
        }
        due
    }
}

/// Sums over the steps of the current epoch that this process has made.
struct Epoch {
    number: Option<u64>,
    steps: u64,
    clips: usize,
    loss: f64,
    waited: Duration,
    started: Instant,
    memory: Option<u64>,
}

impl Epoch {
    fn new(number: Option<u64>) -> Self {
        let (waited, started) = (Duration::ZERO, Instant::now());
        Self { number, steps: 0, clips: 0, loss: 0.0, waited, started, memory: None }
    }

    fn add(&mut self, report: &StepReport) {
        self.steps += 1;
        self.clips += report.batch;
        self.loss += report.figures.loss;
        self.waited += report.data_time;
        self.memory = report.memory;
    }

    /// `loss 2.103  151.2 samples/s  data wait 1.2 %  memory 812 MB`
    fn line(&self) -> String {
        let seconds = self.started.elapsed().as_secs_f64().max(1e-9);
        let memory = self.memory.map(|bytes| format!("  memory {} MB", bytes / 1_000_000));
        format!(
            "loss {:.3}  {:.1} samples/s  data wait {:.1} %{}",
            self.loss / self.steps.max(1) as f64,
            self.clips as f64 / seconds,
            100.0 * self.waited.as_secs_f64() / seconds,
            memory.unwrap_or_default()
        )
    }
}

impl Progress {
    /// A watcher that has seen nothing yet.
    pub(crate) fn new() -> Self {
        let begun = Instant::now();
        Self {
            bar: ProgressBar::hidden(),
            epoch: Epoch::new(None),
            plan: Plan { epochs: 0, steps: 0, before: 0, begun },
            pace: Pace(begun),
        }
    }

    /// A fresh bar of `length`, on terminals only.
    fn bar(&mut self, length: u64, template: &str) {
        self.bar.finish_and_clear();
        self.bar = ProgressBar::new(length);
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Prints a line above the bar, also where there is no terminal.
    fn line(&self, line: &str) {
        self.bar.suspend(|| remark!("{line}"));
    }

    fn step(&mut self, report: &StepReport) {
        if self.epoch.number != Some(report.epoch) {
            self.epoch = Epoch::new(Some(report.epoch));
        }
        self.epoch.add(report);
        let number = report.epoch + 1;
        self.bar.set_prefix(format!("epoch {number}/{}", self.plan.epochs));
        self.bar.set_message(self.epoch.line());
        self.bar.set_position(report.step);
        let now = Instant::now();
        if report.step.is_multiple_of(self.plan.steps) {
            self.line(&format!("epoch {number:>3}/{}  {}", self.plan.epochs, self.epoch.line()));
            self.pace = Pace(now);
        } else if self.bar.is_hidden() && self.pace.due(now) {
            let (epochs, steps) = (self.plan.epochs, self.plan.line(report.step, now));
            errln!("epoch {number:>3}/{epochs}  {}  {steps}", self.epoch.line());
        }
    }
}

impl Callback for Progress {
    fn on_event(&mut self, event: &Event) {
        match event {
            Event::Preparing { what, done, total } => {
                if self.bar.length() != Some(*total as u64) || *done == 0 {
                    self.bar(
                        *total as u64,
                        &format!("{what} {{wide_bar}} {{pos}}/{{len}} {{eta}}"),
                    );
                }
                self.bar.set_position(*done as u64);
                if done == total {
                    self.bar.finish_and_clear();
                } else if self.bar.is_hidden() && self.pace.due(Instant::now()) {
                    errln!("{what}: {done} of {total}");
                }
            }
            Event::Started { clips, parameters, done, epochs, steps, batch } => {
                let begun = Instant::now();
                self.plan = Plan { epochs: *epochs, steps: *steps, before: *done, begun };
                self.pace = Pace(begun);
                let millions = *parameters as f64 / 1e6;
                self.line(&format!(
                    "{clips} training clips, {millions:.2} M parameters, \
                     {epochs} epochs of {steps} steps of {batch} clips"
                ));
                if *done > 0 {
                    self.line(&format!("going on after step {done} of {}", epochs * steps));
                }
                self.bar(epochs * steps, "{prefix} {wide_bar} {pos}/{len} {eta} {msg}");
                // The time that is left is told from the steps of this process.
                self.bar.set_position(*done);
                self.bar.reset_eta();
            }
            Event::Step(report) => self.step(report),
            Event::Evaluated { metrics, .. } => {
                metrics.lists.iter().for_each(|list| self.line(&metrics::one_line(list)));
            }
            Event::Saved(_) | Event::Measured { .. } => {}
            Event::Warning(message) => self.bar.suspend(|| errln!("warning: {message}")),
        }
    }
}

/// A watcher of a process that leaves the printing to rank 0, but for what only it has met.
pub(crate) struct Follower {
    pub(crate) rank: usize,
}

impl Callback for Follower {
    fn on_event(&mut self, event: &Event) {
        if let Event::Warning(message) = event {
            errln!("warning: rank {}: {message}", self.rank);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_bar_there_is_a_line_a_minute() {
        let begun = Instant::now();
        let mut pace = Pace(begun);
        let seconds = [0, 59, 60, 61, 119, 121, 122, 300, 301, 360];
        let due = seconds.map(|second| pace.due(begun + Duration::from_secs(second)));
        let expected = [60, 121, 300, 360];
        let told: Vec<u64> = seconds
            .into_iter()
            .zip(due)
            .filter_map(|(second, due)| due.then_some(second))
            .collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn the_time_that_is_left_is_told_from_the_steps_of_this_process() {
        let begun = Instant::now();
        let plan = Plan { epochs: 4, steps: 100, before: 200, begun };
        let line = plan.line(250, begun + Duration::from_secs(600));
        assert_eq!(line, "step 250/400  about 30 minutes left");
        let plan = Plan { epochs: 1, steps: 1, before: 1, begun };
        assert_eq!(plan.line(1, begun), "step 1/1  about 0 seconds left");
    }
}
