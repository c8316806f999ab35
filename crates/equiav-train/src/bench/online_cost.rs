//! What the measurements of held-out clips between evaluations add to a step, timed in turn with steps.

use std::time::{Duration, Instant};

use anyhow::Context;

use super::paired::{Paired, first_goes_first, until_settled};
use super::synthetic_batch;
use super::throughput::{Start, one};
use crate::clips::held_out::{self, HeldOutClips};
use crate::clips::{HeldOut, HostBatch};
use crate::engine::{Method, Position};
use crate::recipe::{Sections, Settings};

/// The most that either half of the interval may be of a step's time, for the pairs to be enough: a tenth of a point.
const NARROW: f64 = 0.001;
/// Classes that the clips are of, in turn.
const CLASSES: usize = 10;

/// Steps and measurements, pair by pair.
#[derive(Clone, Debug)]
pub struct OnlineCost {
    /// Steps between two measurements of a run.
    pub every: u64,
    /// Clips of a measurement.
    pub clips: usize,
    /// Times of steps.
    pub steps: Vec<Duration>,
    /// Times of measurements, in turn with the others.
    pub measurements: Vec<Duration>,
}

/// Makes a step and a measurement of held-out clips in turn, each pair beginning with the other of the two, until the 95 %
/// interval of what measurements add to the steps of a run is at most a tenth of a point to either side: after as many
/// pairs as `start` has learning rates at the latest, before which a pair that sets things up does not count. The clips
/// are hashed from the recipe's seed as the batch is.
///
/// # Errors
///
/// If the recipe measures nothing between evaluations, memory runs out, or libtorch fails.
pub fn online_cost(start: &mut Start, recipe: &Settings) -> anyhow::Result<OnlineCost> {
    let (rates, world) = (start.learning_rates.clone(), start.state.world.clone());
    let shared = recipe.shared();
    let part = recipe.run.micro_batch.unwrap_or(world.share(recipe.run.batch));
    let share = held_out::share(shared.online.clips, recipe.evaluation.batch.min(part), &world);
    let cost = start.state.method.online_cost();
    let none = "evaluation.online_every = 0 measures nothing (help: leave it out)";
    let ((own, batch), cost) = share.zip(cost).context(none)?;
    let clips = own * world.size();
    let every = shared.online.interval(clips, cost, recipe.run.batch).context(none)?;
    let held_out = hashed(recipe, (own, batch), world.group.rank() * own);
    let mut pair = |number: usize| {
        let lr = rates.get(number).copied().unwrap_or_default();
        let position = Position { epoch: 0, step: number as u64, lr, data_time: Duration::ZERO };
        let mut times = [Duration::ZERO; 2];
        for which in if first_goes_first(number) { [0, 1] } else { [1, 0] } {
            times[which] = if which == 0 {
                one(start, position, recipe)?.time
            } else {
                let begun = Instant::now();
                let measured =
                    start.state.method.evaluate_online(&HeldOut::new(&held_out, &world))?;
                anyhow::ensure!(!measured.is_empty(), "the network's embeddings are not finite");
                begun.elapsed()
            };
        }
        anyhow::Ok(times)
    };
    pair(0)?;
    let mut cost = OnlineCost { every, clips, steps: Vec::new(), measurements: Vec::new() };
    until_settled(rates.len(), |number| {
        let [step, measurement] = pair(number)?;
        cost.steps.push(step);
        cost.measurements.push(measurement);
        // Each process has its own clock, and all have to make the same number of pairs.
        let open = world.largest(i64::from(!cost.is_settled()), "pairs")?;
        anyhow::Ok(open == 0)
    })?;
    Ok(cost)
}

/// `own` clips in batches of `batch`, with classes in turn, of which the first is clip `first` of all ranks.
fn hashed(recipe: &Settings, (own, batch): (usize, usize), first: usize) -> HeldOutClips {
    let mut recipe = recipe.clone();
    recipe.run.batch = own;
    // Other clips than those of the step.
    recipe.seed = recipe.seed.wrapping_add(1_000_003 + first as u64);
    let mut all = synthetic_batch::batch(&recipe);
    all.clips.iter_mut().for_each(|clip| *clip += first);
    let labels = all.clips.iter().map(|clip| (*clip, (clip % CLASSES).to_string())).collect();
    let parts = (0..own).step_by(batch).map(|row| HostBatch::Unlabeled(all.rows(row..row + batch)));
    HeldOutClips { batches: parts.collect(), labels }
}

impl OnlineCost {
    /// What share of a step the measurements add on average: the median over pairs that followed each other.
    pub fn share(&self) -> f64 {
        self.paired().ratio() / self.every as f64
    }

    /// The 95 % interval of [`share`](Self::share); nothing of fewer than six pairs.
    pub fn interval(&self) -> Option<(f64, f64)> {
        let every = self.every as f64;
        self.paired().interval().map(|(low, high)| (low / every, high / every))
    }

    /// Whether the interval is narrow enough to call the share measured.
    pub fn is_settled(&self) -> bool {
        self.interval().is_some_and(|(low, high)| high - low <= 2.0 * NARROW)
    }

    fn paired(&self) -> Paired {
        let seconds = |(measurement, step): (&Duration, &Duration)| {
            (measurement.as_secs_f64(), step.as_secs_f64())
        };
        Paired::of(self.measurements.iter().zip(&self.steps).map(seconds))
    }
}
