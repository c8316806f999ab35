//! Which clips' predictors are told what was done to a view; no part of the paper, in which all are.

use equiav_augment::random::unit;
use equiav_augment::{Modality, Purpose, stream};
use tch::Tensor;

use crate::clips::DeviceBatch;
use crate::recipe::Settings;

/// 1 for each clip of `batch` whose vector of `modality` the predictor sees, else 0, `[b, 1]`; none where it sees all.
///
/// It is decided by the clip and its epoch alone: parts of a batch and ranks have the rows that the whole batch has.
pub(super) fn told(recipe: &Settings, modality: Modality, batch: &DeviceBatch) -> Option<Tensor> {
    let dropout = recipe.objective.vector_dropout;
    let draw =
        |epoch, clip| unit(&mut stream(recipe.seed, epoch, clip, Purpose::VectorDropout(modality)));
    (dropout > 0.0).then(|| {
        let visits = batch.visits.iter();
        let told = visits.map(|visit| f32::from(draw(visit.epoch, visit.clip as u64) >= dropout));
        let told: Vec<f32> = told.collect();
        Tensor::from_slice(&told)
            .unsqueeze(1)
            .to_device(batch.inputs[&modality].plain.values.device())
    })
}
