//! Shows a run while it goes on: a bar on a terminal, a line per epoch elsewhere.

use std::time::{Duration, Instant};

use equiav_train::{Event, StepReport, Watch};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{classes, table};

/// A watcher that prints.
pub(crate) struct Progress {
    bar: ProgressBar,
    epoch: Epoch,
    plan: Plan,
}

/// What the run said at its start.
#[derive(Default)]
struct Plan {
    epochs: u64,
    /// Steps of one epoch.
    steps: u64,
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
        Self { bar: ProgressBar::hidden(), epoch: Epoch::new(None), plan: Plan::default() }
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
        self.bar.suspend(|| println!("{line}"));
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
        if report.step.is_multiple_of(self.plan.steps) {
            self.line(&format!("epoch {number:>3}/{}  {}", self.plan.epochs, self.epoch.line()));
        }
    }
}

impl Watch for Progress {
    fn note(&mut self, event: &Event) {
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
                }
            }
            Event::Started { clips, parameters, done, epochs, steps, batch } => {
                self.plan = Plan { epochs: *epochs, steps: *steps };
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
            Event::Evaluated { retrieved, .. } => {
                retrieved.iter().for_each(|figures| self.line(&table::one_line(figures)));
            }
            Event::Classified { classified, .. } => {
                classified.iter().for_each(|figures| self.line(&classes::one_line(figures)));
            }
            Event::Saved(_) => {}
            Event::Warning(message) => self.bar.suspend(|| eprintln!("warning: {message}")),
        }
    }
}

/// A watcher of a process that leaves the printing to rank 0, but for what only it has met.
pub(crate) struct Follower {
    pub(crate) rank: usize,
}

impl Watch for Follower {
    fn note(&mut self, event: &Event) {
        if let Event::Warning(message) = event {
            eprintln!("warning: rank {}: {message}", self.rank);
        }
    }
}
