//! A linear probe: one linear map of standardized features, trained by AdamW from zero.

use std::f64::consts::PI;

use equiav_augment::random::below;
use equiav_augment::{Purpose, stream};
use equiav_loss::{binary_cross_entropy, cross_entropy};
use equiav_torch::{AdamW, AdamWConfig};
use tch::{Device, Kind, Tensor};

use super::features::array;
use super::{Part, Score};
use crate::clips;
use crate::recipe::ClassLoss;

/// The learning rates that are tried.
pub(super) const SWEEP: [f64; 6] = [3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1];
/// Updates of a fit.
const STEPS: u64 = 300;
/// Clips of an update; of fewer, all.
const BATCH: usize = 4096;
const CONFIG: AdamWConfig = AdamWConfig { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 1e-2 };

/// Learns from `train` at the learning rate `lr`, falling to 0 along half a cosine; returns what gives
/// other clips the probabilities of the classes.
///
/// # Errors
///
/// If libtorch fails.
pub(super) fn fit(train: &Part, loss: ClassLoss, lr: f64) -> anyhow::Result<Score> {
    let rows = clips::tensor(&train.rows.as_standard_layout().to_owned(), Device::Cpu);
    let targets = clips::tensor(&train.targets, Device::Cpu);
    let mean = rows.mean_dim([0i64].as_slice(), true, Kind::Float);
    let deviation = rows.std_dim([0i64].as_slice(), false, true).clamp_min(1e-6);
    let rows = (rows - &mean) / &deviation;
    let zeros =
        |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let classes = targets.size()[1];
    let (weight, bias) = (zeros(&[classes, rows.size()[1]]), zeros(&[classes]));
    let named = [("weight", &weight), ("bias", &bias)];
    let named = named.map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()));
    let mut optimizer = AdamW::new(named, CONFIG);
    for step in 0..STEPS {
        let (rows, targets) = batch(&rows, &targets, step);
        let scores = rows.linear(&weight, Some(&bias));
        let found = match loss {
            ClassLoss::Ce => cross_entropy(&scores, &targets),
            ClassLoss::Bce => binary_cross_entropy(&scores, &targets),
        };
        found.loss.backward();
        let progress = step as f64 / STEPS as f64;
        optimizer.step(lr * (1.0 + (PI * progress).cos()) / 2.0)?;
        optimizer.zero_grad();
    }
    let (weight, bias) = (weight.detach(), bias.detach());
    Ok(Box::new(move |part| {
        let rows = clips::tensor(&part.rows.as_standard_layout().to_owned(), Device::Cpu);
        let scores = ((rows - &mean) / &deviation).linear(&weight, Some(&bias));
        // Clips are ranked by a class's probability: bare scores of a softmax differ by a constant each.
        array(&match loss {
            ClassLoss::Ce => scores.softmax(-1, Kind::Float),
            ClassLoss::Bce => scores.sigmoid(),
        })
    }))
}

/// The clips of update `step`: all, or as many as a batch has, drawn with replacement.
fn batch(rows: &Tensor, targets: &Tensor, step: u64) -> (Tensor, Tensor) {
    let count = rows.size()[0] as usize;
    if count <= BATCH {
        return (rows.shallow_clone(), targets.shallow_clone());
    }
    let mut rng = stream(0, step, 0, Purpose::Order);
    let chosen: Vec<i64> = (0..BATCH).map(|_| below(count, &mut rng) as i64).collect();
    let chosen = Tensor::from_slice(&chosen);
    (rows.index_select(0, &chosen), targets.index_select(0, &chosen))
}

#[cfg(test)]
mod tests {
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
}
