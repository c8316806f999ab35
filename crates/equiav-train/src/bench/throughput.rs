//! How fast the training step is, and where its time goes: real steps on one fixed batch, without data.

use std::time::{Duration, Instant};

use equiav_data::profiler::Recording;
use equiav_models::Inter;
use equiav_torch::peak_on;

use super::paired::{Paired, first_goes_first, until_settled};
use super::synthetic_batch;
use crate::callback::{NoOp, StepReport};
use crate::clips::HostBatch;
use crate::distributed::{World, device};
use crate::engine::profiler::{Phase, PhaseTimes};
use crate::engine::{Method, Position, TrainState, advice, schedule_within, step, within};
use crate::methods::equiav::EquiAv;
use crate::recipe::{Sections, Settings};

/// What a number of steps on one batch needs, before the first.
#[derive(Debug)]
pub struct Start {
    /// The network of the recipe, as it is before its first update.
    pub state: TrainState<EquiAv>,
    /// The batch of every step.
    pub batch: HostBatch,
    /// The learning rate of each step.
    pub learning_rates: Vec<f64>,
}

/// One step, in figures.
#[derive(Clone, Debug)]
pub struct StepTiming {
    /// What the step says of itself.
    pub report: StepReport,
    /// How long it took.
    pub time: Duration,
    /// How long its phases took.
    pub phases: PhaseTimes,
}

/// Steps on one batch.
#[derive(Clone, Debug)]
pub struct StepRate {
    /// Clips of a step.
    pub batch: usize,
    /// Learned numbers.
    pub parameters: usize,
    /// Every step, in order.
    pub steps: Vec<StepTiming>,
    /// The most memory of the process so far, on the GPU where one is used, in bytes; nothing where
    /// the system does not tell.
    pub peak: Option<u64>,
}

/// The same step with two embeddings for the inter-modal loss, pair by pair.
#[derive(Clone, Debug)]
pub struct CentroidCost {
    /// Steps whose embedding is the mean of S predictions.
    pub centroid: Vec<Duration>,
    /// Steps whose embedding is the plain view's own, in turn with the others.
    pub clean_pair: Vec<Duration>,
}

/// What `steps` steps under `recipe` start from, on its device, for one rank of `world`, which has its part of the
/// batch; equal recipes give equal starts.
///
/// Inputs are hashed from the recipe's seed as `fixtures/README.md` describes. The learning rate goes
/// through the whole of the recipe's schedule within these steps.
///
/// # Errors
///
/// If the device is absent, start weights cannot be read, or the batch cannot be dealt out evenly.
pub fn start(recipe: &Settings, steps: u64, world: &World) -> anyhow::Result<Start> {
    let batch = recipe.run.batch;
    world.ensure_even(batch)?;
    let device = device(&recipe.compute, world)?;
    let mut method = EquiAv::fresh(recipe, device)?;
    method.start(&mut NoOp)?;
    let state = TrainState::new(method, recipe.shared(), world)?;
    let schedule = schedule_within(&recipe.optimizer, recipe.run.epochs, steps);
    let learning_rates = (0..steps).map(|step| schedule.lr(step)).collect();
    let (rank, own) = (world.group.rank(), world.share(batch));
    let batch = synthetic_batch::batch(recipe).rows(rank * own..(rank + 1) * own);
    let batch = HostBatch::Unlabeled(batch);
    Ok(Start { state, batch, learning_rates })
}

/// Makes the steps of `start` under its `recipe`.
///
/// # Errors
///
/// If memory runs out or libtorch fails.
pub fn step_rate(start: &mut Start, recipe: &Settings) -> anyhow::Result<StepRate> {
    let rates = start.learning_rates.clone();
    let timed = |(number, lr): (usize, &f64)| {
        let position =
            Position { epoch: 0, step: number as u64, lr: *lr, data_time: Duration::ZERO };
        one(start, position, recipe)
    };
    let steps = rates.iter().enumerate().map(timed).collect::<anyhow::Result<_>>()?;
    let peak = peak_on(start.state.device());
    let parameters = start.state.parameters();
    Ok(StepRate { batch: recipe.run.batch, parameters, steps, peak })
}

/// Makes steps with the clean pair and with the centroid in turn, each pair beginning with the other of the two,
/// until the 95 % interval of the ratio of their times is at most a point to either side: after as many pairs
/// as `start` has learning rates at the latest, before which a pair that sets things up does not count.
///
/// # Errors
///
/// If memory runs out or libtorch fails.
pub fn centroid_cost(start: &mut Start, recipe: &Settings) -> anyhow::Result<CentroidCost> {
    let recipes = [Inter::CleanPair, Inter::Centroid].map(|inter| {
        let mut recipe = recipe.clone();
        recipe.objective.inter = inter;
        recipe
    });
    let (rates, world) = (start.learning_rates.clone(), start.state.world.clone());
    let mut pair = |number: usize| {
        let lr = rates.get(number).copied().unwrap_or_default();
        let position = Position { epoch: 0, step: number as u64, lr, data_time: Duration::ZERO };
        let mut times = [Duration::ZERO; 2];
        for which in if first_goes_first(number) { [0, 1] } else { [1, 0] } {
            times[which] = one(start, position, &recipes[which])?.time;
        }
        anyhow::Ok(times)
    };
    pair(0)?;
    let mut cost = CentroidCost { centroid: Vec::new(), clean_pair: Vec::new() };
    until_settled(rates.len(), |number| {
        let [clean, centroid] = pair(number)?;
        cost.clean_pair.push(clean);
        cost.centroid.push(centroid);
        // Each process has its own clock, and all have to make the same number of steps.
        let open = world.largest(i64::from(!cost.is_settled()), "pairs")?;
        anyhow::Ok(open == 0)
    })?;
    Ok(cost)
}

impl StepRate {
    /// The median time of a step; the first one, which sets things up, counts only where it is alone.
    pub fn time(&self) -> Duration {
        let times: Vec<Duration> = self.settled().iter().map(|step| step.time).collect();
        median(&times)
    }

    /// Clips a second, by the median step.
    pub fn per_second(&self) -> f64 {
        self.batch as f64 / self.time().as_secs_f64()
    }

    /// The median time of `phase`, over the steps that count for [`time`](Self::time).
    pub fn phase(&self, phase: Phase) -> Duration {
        let times: Vec<Duration> =
            self.settled().iter().map(|step| step.phases.of(phase)).collect();
        median(&times)
    }

    fn settled(&self) -> &[StepTiming] {
        if self.steps.len() > 1 { &self.steps[1..] } else { &self.steps }
    }
}

impl CentroidCost {
    /// What share of a step with the clean pair the centroid adds: the median over pairs of steps that
    /// followed each other.
    pub fn share(&self) -> f64 {
        self.paired().ratio() - 1.0
    }

    /// The 95 % interval of [`share`](Self::share); nothing of fewer than six pairs.
    pub fn interval(&self) -> Option<(f64, f64)> {
        self.paired().interval().map(|(low, high)| (low - 1.0, high - 1.0))
    }

    /// Whether the interval is narrow enough to call the share measured.
    pub fn is_settled(&self) -> bool {
        self.paired().is_settled()
    }

    fn paired(&self) -> Paired {
        let seconds = |(centroid, clean): (&Duration, &Duration)| {
            (centroid.as_secs_f64(), clean.as_secs_f64())
        };
        Paired::of(self.centroid.iter().zip(&self.clean_pair).map(seconds))
    }
}

/// One step of `start` under `recipe`, timed.
pub(super) fn one(
    start: &mut Start,
    position: Position,
    recipe: &Settings,
) -> anyhow::Result<StepTiming> {
    let Start { state, batch, .. } = start;
    state.method.recipe.clone_from(recipe);
    let started = Instant::now();
    let recording = Recording::start();
    let report =
        within(|| advice(recipe.shared()), || step(state, batch, position, recipe.shared()));
    let phases = recording.finish();
    Ok(StepTiming { report: report?, time: started.elapsed(), phases })
}

fn median(times: &[Duration]) -> Duration {
    let seconds: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
    Duration::from_secs_f64(median_of(&seconds))
}

/// The middle value; the mean of both where two are in the middle, 0 of none.
fn median_of(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len() / 2, sorted.len() % 2) {
        (0, 0) => 0.0,
        (middle, 0) => 0.5 * (sorted[middle - 1] + sorted[middle]),
        (middle, _) => sorted[middle],
    }
}
