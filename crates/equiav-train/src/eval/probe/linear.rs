//! A linear probe: one linear map of standardized features, trained by AdamW from zero, as a method on the engine's step.
//!
//! It is no run: a fit takes seconds, is made for every learning rate of a sweep, and leaves nothing behind.

use std::f64::consts::PI;
use std::time::Duration;

use anyhow::Context;
use equiav_augment::random::below;
use equiav_augment::{Modality, Purpose, stream};
use equiav_loss::{binary_cross_entropy, cross_entropy};
use equiav_torch::MatmulPrecision;
use tch::{Device, Kind, Tensor, nn};

use super::features::array;
use super::{Part, Score};
use crate::clips::{ArrayClips, DeviceBatch, EvaluationLists, HostBatch, Values, tensor};
use crate::distributed::World;
use crate::engine::{
    Gather, Gathered, Method, Named, Needs, Position, StepContext, Term, TrainState, step,
};
use crate::metrics::Metrics;
use crate::recipe::{
    ClassLoss, Compute, DeviceName, OnlineSchedule, Optimizer, Precision, RunConfig, Shared,
};

/// The learning rates that are tried.
pub(super) const SWEEP: [f64; 6] = [3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1];
/// Updates of a fit.
const STEPS: u64 = 300;
/// Clips of an update; of fewer, all.
const BATCH: usize = 4096;
/// The rows of class scores, and the name of their loss.
const SCORES: &str = "scores";

/// One linear map, from zero.
struct Linear {
    store: nn::VarStore,
    weight: Tensor,
    bias: Tensor,
    loss: ClassLoss,
}

impl Linear {
    /// The map from `width` features to scores of `classes`.
    fn new(width: i64, classes: i64, loss: ClassLoss) -> Self {
        let store = nn::VarStore::new(Device::Cpu);
        let zeros = |name: &str, shape: &[i64]| store.root().zeros(name, shape);
        let (weight, bias) = (zeros("weight", &[classes, width]), zeros("bias", &[classes]));
        Self { store, weight, bias, loss }
    }

    /// `[n, width]` to `[n, classes]`.
    fn scores(&self, rows: &Tensor) -> Tensor {
        rows.linear(&self.weight, Some(&self.bias))
    }
}

impl Method for Linear {
    fn needs(&self) -> Needs {
        Needs { modalities: vec![features()], augmented: false, labels: true }
    }

    fn variables(&self) -> &nn::VarStore {
        &self.store
    }

    fn rows_are_independent(&self) -> bool {
        true
    }

    fn leaves_variables_unused(&self) -> bool {
        false
    }

    fn gather(&self, _: &str) -> Gather {
        Gather::Own
    }

    fn embed(&self, batch: &DeviceBatch) -> anyhow::Result<Named> {
        let scores = self.scores(&batch.inputs[&features()].plain.values);
        Ok(Named::from([(SCORES.to_owned(), scores)]))
    }

    fn terms(
        &mut self,
        own: &Named,
        _: &Gathered,
        step: &StepContext<'_>,
    ) -> anyhow::Result<Vec<Term>> {
        let labels = step.batch.labels.as_ref().context("a probe needs labels")?;
        let found = match self.loss {
            ClassLoss::Ce => cross_entropy(&own[SCORES], labels),
            ClassLoss::Bce => binary_cross_entropy(&own[SCORES], labels),
        };
        Ok(vec![Term::contrast(SCORES, found)])
    }

    /// The lists are measured by who fits, on features that are made once for all fits.
    fn evaluate(&self, _: &EvaluationLists<'_>) -> anyhow::Result<Metrics> {
        Ok(Metrics::default())
    }
}

/// The only modality of the clips.
fn features() -> Modality {
    Modality::new("features").expect("a name")
}

/// Learns from `train` at the learning rate `lr`, falling to 0 along half a cosine; returns what gives
/// other clips the probabilities of the classes.
///
/// # Errors
///
/// If libtorch fails.
pub(super) fn fit(train: &Part, loss: ClassLoss, lr: f64) -> anyhow::Result<Score> {
    let rows = tensor(&train.rows.as_standard_layout().to_owned(), Device::Cpu);
    let mean = rows.mean_dim([0i64].as_slice(), true, Kind::Float);
    let deviation = rows.std_dim([0i64].as_slice(), false, true).clamp_min(1e-6);
    let standard = Values::from(array(&((rows - &mean) / &deviation))?);
    let clips = ArrayClips::new([(features(), standard)].into())?;
    let clips = clips.with_labels(train.targets.clone())?;
    let linear = Linear::new(train.rows.ncols() as i64, train.targets.ncols() as i64, loss);
    let linear = trained(linear, &clips, lr)?;
    Ok(Box::new(move |part| {
        let rows = tensor(&part.rows.as_standard_layout().to_owned(), Device::Cpu);
        let scores = tch::no_grad(|| linear.scores(&((rows - &mean) / &deviation)));
        // Clips are ranked by a class's probability: bare scores of a softmax differ by a constant each.
        array(&match loss {
            ClassLoss::Ce => scores.softmax(-1, Kind::Float),
            ClassLoss::Bce => scores.sigmoid(),
        })
    }))
}

/// `linear` after all updates.
fn trained(linear: Linear, clips: &ArrayClips, lr: f64) -> anyhow::Result<Linear> {
    let (compute, optimizer, run) = sections(lr);
    let shared = Shared {
        seed: 0,
        compute: &compute,
        optimizer: &optimizer,
        run: &run,
        weights: None,
        pairwise: false,
        evaluate_every: 1,
        online: OnlineSchedule::OFF,
        best: "",
    };
    let mut state = TrainState::new(linear, shared, &World::alone())?;
    let all: Vec<usize> = (0..clips.len()).collect();
    let whole = HostBatch::Arrays(clips.rows(&all));
    for number in 0..STEPS {
        let progress = number as f64 / STEPS as f64;
        let lr = lr * (1.0 + (PI * progress).cos()) / 2.0;
        let position = Position { epoch: 0, step: number, lr, data_time: Duration::ZERO };
        if clips.len() <= BATCH {
            step(&mut state, &whole, position, shared)?;
        } else {
            let batch = HostBatch::Arrays(clips.rows(&drawn(clips.len(), number)));
            step(&mut state, &batch, position, shared)?;
        }
    }
    Ok(state.method)
}

/// The clips of update `step`, as many as a batch has, drawn of `count` with replacement.
fn drawn(count: usize, step: u64) -> Vec<usize> {
    let mut rng = stream(0, step, 0, Purpose::Order);
    (0..BATCH).map(|_| below(count, &mut rng)).collect()
}

/// What the engine is told: fp32 on the processor, AdamW without clipping or EMA, batches in one piece. The rate of each
/// update is given with it.
fn sections(lr: f64) -> (Compute, Optimizer, RunConfig) {
    let compute = Compute {
        device: DeviceName::Cpu,
        threads: 0,
        matmul_precision: MatmulPrecision::Highest,
        precision: Precision::Fp32,
        recompute_blocks: false,
    };
    let optimizer = Optimizer {
        lr,
        predictor_lr_factor: None,
        start_lr: lr,
        final_lr: 0.0,
        warmup_epochs: 0.0,
        betas: (0.9, 0.999),
        eps: 1e-8,
        weight_decay: 1e-2,
        clip_norm: None,
        average: None,
    };
    let run = RunConfig {
        epochs: STEPS,
        batch: BATCH,
        micro_batch: None,
        keep_checkpoints: 1,
        save_every: None,
        max_skipped: 0,
        gradient_norms_every: None,
        gradient_cosines_every: None,
        stop_collapsed: false,
    };
    (compute, optimizer, run)
}

#[cfg(test)]
mod tests {
    use equiav_torch::{AdamW, AdamWConfig};
    use ndarray::Array2;

    use super::*;

    /// Clips whose class is the sign pattern of two of three features, of unequal scale.
    fn part(count: usize) -> Part {
        let rows = Array2::from_shape_fn((count, 3), |(row, column)| {
            let value = ((row * 7 + column * 13) as f32 * 0.37).sin();
            value * [1.0, 100.0, 0.01][column] + 5.0
        });
        let class =
            |row: usize| usize::from(rows[(row, 0)] > 5.0) + 2 * usize::from(rows[(row, 1)] > 5.0);
        let targets = Array2::from_shape_fn((count, 4), |(row, column)| {
            f32::from(u8::from(class(row) == column))
        });
        Part { clips: (0..count).collect(), rows, targets }
    }

    #[test]
    fn what_is_linearly_separable_is_separated() {
        equiav_torch::set_threads(std::num::NonZeroUsize::MIN);
        let (train, other) = (part(200), part(300));
        for loss in [ClassLoss::Ce, ClassLoss::Bce] {
            let scores = fit(&train, loss, 1e-1).expect("a fit")(&other).expect("scores");
            let right = scores.rows().into_iter().zip(other.targets.rows()).filter(|(s, t)| {
                let best = |row: &ndarray::ArrayView1<f32>| {
                    (0..4).max_by(|a, b| row[*a].total_cmp(&row[*b])).expect("four")
                };
                best(s) == best(t)
            });
            let share = right.count() as f64 / 300.0;
            assert!(share > 0.93, "{loss:?}: {share}");
            let sums = scores.sum_axis(ndarray::Axis(1));
            let exclusive = sums.iter().all(|sum| (sum - 1.0).abs() < 1e-4);
            assert!(scores.iter().all(|share| (0.0..=1.0).contains(share)), "probabilities");
            assert_eq!(exclusive, loss == ClassLoss::Ce, "of exclusive classes they sum up to 1");
        }
    }

    /// The scores of `other` after the updates of a plain loop over `train`, without the engine.
    fn plain_loop(train: &Part, other: &Part, loss: ClassLoss, lr: f64) -> Array2<f32> {
        let rows = tensor(&train.rows, Device::Cpu);
        let targets = tensor(&train.targets, Device::Cpu);
        let mean = rows.mean_dim([0i64].as_slice(), true, Kind::Float);
        let deviation = rows.std_dim([0i64].as_slice(), false, true).clamp_min(1e-6);
        let rows = (rows - &mean) / &deviation;
        let linear = Linear::new(rows.size()[1], targets.size()[1], loss);
        let config = AdamWConfig { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 1e-2 };
        let mut optimizer = AdamW::of_store(&linear.store, config);
        for number in 0..STEPS {
            let (rows, targets) = match rows.size()[0] as usize {
                count if count > BATCH => {
                    let chosen = drawn(count, number).into_iter().map(|clip| clip as i64);
                    let chosen = Tensor::from_slice(&chosen.collect::<Vec<i64>>());
                    (rows.index_select(0, &chosen), targets.index_select(0, &chosen))
                }
                _ => (rows.shallow_clone(), targets.shallow_clone()),
            };
            let found = match loss {
                ClassLoss::Ce => cross_entropy(&linear.scores(&rows), &targets),
                ClassLoss::Bce => binary_cross_entropy(&linear.scores(&rows), &targets),
            };
            found.loss.backward();
            let progress = number as f64 / STEPS as f64;
            optimizer.step(lr * (1.0 + (PI * progress).cos()) / 2.0).expect("an update");
            optimizer.zero_grad();
        }
        let rows = (tensor(&other.rows, Device::Cpu) - &mean) / &deviation;
        let scores = tch::no_grad(|| linear.scores(&rows));
        array(&match loss {
            ClassLoss::Ce => scores.softmax(-1, Kind::Float),
            ClassLoss::Bce => scores.sigmoid(),
        })
        .expect("scores")
    }

    #[test]
    fn the_engine_learns_what_a_plain_loop_does_to_the_bit() {
        equiav_torch::set_threads(std::num::NonZeroUsize::MIN);
        let other = part(50);
        for (count, loss) in
            [(200, ClassLoss::Ce), (200, ClassLoss::Bce), (BATCH + 9, ClassLoss::Ce)]
        {
            let train = part(count);
            let scores = fit(&train, loss, 3e-2).expect("a fit")(&other).expect("scores");
            let expected = plain_loop(&train, &other, loss, 3e-2);
            assert!(scores == expected, "{loss:?} of {count} clips");
        }
    }
}
