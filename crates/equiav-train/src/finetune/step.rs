//! One step of fine-tuning: views to scores, loss, backward, the shared end of every step.

use std::collections::BTreeMap;
use std::time::Instant;

use equiav_augment::random::unit;
use equiav_augment::{Modality, Purpose, stream};
use equiav_data::{LabeledBatch, Visit};
use equiav_loss::{Contrast, binary_cross_entropy, cross_entropy};
use equiav_torch::GroupError;
use ndarray::Array4;
use tch::{Device, Kind, Tensor};

use super::network::Labeler;
use crate::feed;
use crate::learner::Learner;
use crate::network::narrowed;
use crate::objective::Terms;
use crate::pass::scaled;
use crate::phase::{self, Phase};
use crate::settings::{ClassLoss, Finetune};
use crate::step::{Made, Position, conclude};
use crate::watch::StepReport;

type Each<T> = BTreeMap<Modality, T>;

/// The loss's name in the log.
const TERM: &str = "class";

/// Updates `learner` by one batch.
///
/// # Errors
///
/// If libtorch fails.
///
/// # Panics
///
/// If memory runs out, in libtorch's words.
pub(crate) fn step(
    learner: &mut Learner<Labeler>,
    batch: &LabeledBatch,
    position: Position,
    recipe: &Finetune,
) -> anyhow::Result<StepReport> {
    let started = Instant::now();
    let device = learner.network.store.device();
    let fed = phase::at(Phase::Feed, device, || Fed::new(batch, recipe, device));
    let terms = pass(learner, &fed, recipe)?;
    let made = Made { terms, clips: batch.clips(), position, started };
    conclude(learner, made, &recipe.optimizer, &recipe.run)
}

/// A batch on the device.
struct Fed {
    views: Each<Tensor>,
    /// Which columns of the sounds hold material, `[b, frames]`; none where all do.
    material: Option<Tensor>,
    /// What each clip's branches are multiplied by, `[depth, 2, b]`; empty without drop path.
    factors: Each<Tensor>,
    targets: Tensor,
}

impl Fed {
    fn new(batch: &LabeledBatch, recipe: &Finetune, device: Device) -> Self {
        let view =
            |(modality, view): (&Modality, &Array4<f32>)| (*modality, feed::tensor(view, device));
        let factors = |modality: &Modality| {
            Some((*modality, drop_path(&batch.visits, *modality, recipe)?.to_device(device)))
        };
        Self {
            views: batch.parts.iter().map(view).collect(),
            material: feed::material(&batch.material, device),
            factors: batch.parts.keys().filter_map(factors).collect(),
            targets: feed::tensor(&batch.targets, device),
        }
    }

    /// The `rows` clips from `first` on.
    fn part(&self, first: i64, rows: i64) -> Self {
        let cut = |tensors: &Each<Tensor>, axis| -> Each<Tensor> {
            let part = |(modality, tensor): (&Modality, &Tensor)| {
                (*modality, tensor.narrow(axis, first, rows))
            };
            tensors.iter().map(part).collect()
        };
        Self {
            views: cut(&self.views, 0),
            material: self.material.as_ref().map(|all| all.narrow(0, first, rows)),
            factors: cut(&self.factors, 2),
            targets: self.targets.narrow(0, first, rows),
        }
    }
}

/// The factors of the branches of `visits`, `[depth, 2, b]`: 0 where one is skipped, else such that
/// their mean is 1; none where nothing is skipped.
///
/// Drawn from streams of the clips, so that neither the batch nor a restart changes them.
fn drop_path(visits: &[Visit], modality: Modality, recipe: &Finetune) -> Option<Tensor> {
    let chance = recipe.model.drop_path.get();
    if chance == 0.0 {
        return None;
    }
    let branches = 2 * recipe.model.encoder.depth;
    let rows = visits.iter().flat_map(|visit| {
        let purpose = Purpose::DropPath(modality);
        let mut rng = stream(recipe.seed, visit.key(), visit.clip as u64, purpose);
        (0..branches).map(move |_| match unit(&mut rng) < chance {
            true => 0.0f32,
            false => (1.0 / (1.0 - chance)) as f32,
        })
    });
    let factors = Tensor::from_slice(&rows.collect::<Vec<f32>>());
    let factors = factors.view([visits.len() as i64, recipe.model.encoder.depth, 2]);
    Some(factors.permute([1, 2, 0]).contiguous())
}

/// Computes the loss of a batch, in parts where the recipe asks for it, and adds its gradient, averaged
/// over all processes.
fn pass(learner: &mut Learner<Labeler>, fed: &Fed, recipe: &Finetune) -> Result<Terms, GroupError> {
    let clips = fed.targets.size()[0];
    let size = recipe.run.micro_batch.map_or(clips, |size| size as i64);
    let mut sums: Option<(Tensor, Tensor)> = None;
    for first in (0..clips).step_by(size as usize) {
        let rows = size.min(clips - first);
        let share = rows as f64 / clips as f64;
        let part = part(learner, &fed.part(first, rows), recipe, share)?;
        sums = Some(match sums {
            None => part,
            Some((loss, top1)) => (loss + part.0, top1 + part.1),
        });
    }
    phase::at(Phase::Backward, learner.network.store.device(), || learner.gradients.average())?;
    let (loss, top1) = sums.expect("a batch has a clip");
    let total = loss.shallow_clone();
    let named = BTreeMap::from([(TERM.to_owned(), Contrast { loss, top1 })]);
    Ok(Terms { total, named, measures: BTreeMap::new() })
}

/// Loss and solved share of some clips of a batch, times their `share` of it, without graph; adds
/// their gradient.
fn part(
    learner: &mut Learner<Labeler>,
    fed: &Fed,
    recipe: &Finetune,
    share: f64,
) -> Result<(Tensor, Tensor), GroupError> {
    let network = &learner.network;
    let device = network.store.device();
    let forward = || network.scores(&fed.views, fed.material.as_ref(), &fed.factors, None);
    let scores =
        phase::at(Phase::Forward, device, || narrowed(device, recipe.compute.precision, forward));
    // PUBLISHED: losses-in-autocast, the published loss is computed within the region that narrows products.
    let found = phase::at(Phase::Losses, device, || match recipe.objective.loss {
        ClassLoss::Bce => binary_cross_entropy(&scores, &fed.targets),
        ClassLoss::Ce => cross_entropy(&scores, &fed.targets),
    });
    let loss = found.loss.to_kind(Kind::Float) * share;
    let scaled = scaled(&loss, learner.scaler.as_ref());
    phase::at(Phase::Backward, device, || learner.gradients.accumulate(&scaled))?;
    Ok((loss.detach(), found.top1 * share))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::FinetuneRecipe;

    #[test]
    fn skipped_branches_are_as_many_as_asked_for_and_belong_to_the_clip() {
        let text = include_str!("../../../../recipes/finetune-quick.toml");
        let changes = ["model.drop_path=0.25", "model.encoder.depth=6"];
        let changes = changes.map(|change| change.parse().expect("KEY=VALUE"));
        let recipe = FinetuneRecipe::parse(text, &changes).expect("a recipe");
        let visits: Vec<Visit> =
            (0..400).map(|clip| Visit { epoch: 3, repetition: 0, clip }).collect();
        let factors = drop_path(&visits, Modality::Audio, &recipe).expect("factors");
        assert_eq!(factors.size(), [6, 2, 400]);
        let zeros = factors.eq(0.0).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
        assert!((zeros - 0.25).abs() < 0.03, "{zeros}");
        assert!((factors.max().double_value(&[]) - 4.0 / 3.0).abs() < 1e-6);
        let one = drop_path(&visits[7..8], Modality::Audio, &recipe).expect("factors");
        assert!(one.equal(&factors.narrow(2, 7, 1)), "whatever else is in the batch");
        assert!((8..20).any(|clip| !one.equal(&factors.narrow(2, clip, 1))), "clips differ");
        let other = drop_path(&visits[7..8], Modality::Visual, &recipe).expect("factors");
        assert!(!other.equal(&one));
        let recipe = FinetuneRecipe::parse(text, &["model.drop_path=0".parse().unwrap()]).unwrap();
        assert!(drop_path(&visits, Modality::Audio, &recipe).is_none());
    }
}
