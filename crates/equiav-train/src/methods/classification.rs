//! Classification: pre-trained encoders learn classes from labeled clips.
//!
//! The epoch is chosen on a validation part of the training list. The test lists are measured once,
//! with the chosen weights, and the metrics kept in the run folder as `test.json`.

mod clips;
mod finetune;
mod labeler;
mod scores;
mod test;

pub use finetune::{FinetuneSummary, finetune};
pub(crate) use labeler::Labeler;

use anyhow::Context;
use equiav_augment::Modality;
use equiav_augment::random::unit;
use equiav_augment::{Purpose, stream};
use equiav_data::{Frames, Visit};
use equiav_loss::{binary_cross_entropy, cross_entropy};
use equiav_models::is_head;
use tch::{Kind, Tensor, nn};

use crate::callback::Callback;
use crate::clips::{DeviceBatch, EvaluationLists};
use crate::engine::{Gather, Gathered, Method, Named, Needs, ParamGroup, StepContext, Term};
use crate::metrics::Metrics;
use crate::recipe::{ClassLoss, Finetune};
use scores::{LabeledList, scores};

/// The rows of class scores.
const SCORES: &str = "scores";
/// The loss's name in the log.
const TERM: &str = "class";

/// A classifier over pre-trained encoders.
pub(crate) struct Classification {
    pub(crate) network: Labeler,
    pub(crate) recipe: Finetune,
    /// The clips that an epoch is chosen by.
    pub(crate) validation: Option<LabeledList>,
}

impl Method for Classification {
    fn needs(&self) -> Needs {
        Needs { modalities: self.recipe.model.mode.modalities(), augmented: false, labels: true }
    }

    fn variables(&self) -> &nn::VarStore {
        &self.network.store
    }

    fn rows_are_independent(&self) -> bool {
        true
    }

    fn gather(&self, _: &str) -> Gather {
        Gather::Own
    }

    fn start(&mut self, callback: &mut dyn Callback) -> anyhow::Result<()> {
        self.network.start(&self.recipe, callback)
    }

    fn groups(&self) -> Vec<ParamGroup> {
        // PUBLISHED: head-rate-overwritten, the published schedule sets all groups to the base rate;
        // here the head's factor acts.
        let lr_factor = self.recipe.objective.head_factor;
        vec![ParamGroup {
            matches: Box::new(is_head),
            lr_factor,
            weight_decay: None,
            frozen: false,
        }]
    }

    fn embed(&self, batch: &DeviceBatch) -> anyhow::Result<Named> {
        let scores = self.network.scores(&batch.inputs, None, |modality, view| {
            Some(drop_path(&batch.visits, modality, &self.recipe)?.to_device(view.device()))
        });
        Ok(Named::from([(SCORES.to_owned(), scores)]))
    }

    fn terms(
        &mut self,
        own: &Named,
        _: &Gathered,
        step: &StepContext<'_>,
    ) -> anyhow::Result<Vec<Term>> {
        let labels = step.batch.labels.as_ref().context("a classifier needs labels")?;
        let found = match self.recipe.objective.loss {
            ClassLoss::Bce => binary_cross_entropy(&own[SCORES], labels),
            ClassLoss::Ce => cross_entropy(&own[SCORES], labels),
        };
        let loss = found.loss.to_kind(Kind::Float);
        Ok(vec![Term { name: TERM.to_owned(), loss, accuracy: Some(found.top1) }])
    }

    fn evaluate(&self, lists: &EvaluationLists<'_>) -> anyhow::Result<Metrics> {
        let Some(list) = &self.validation else { return Ok(Metrics::default()) };
        // PUBLISHED: metrics-of-one-shard, the published code measures a process's shard of the test list.
        let scored = scores(&self.network, list, Frames::Middle, &self.recipe, lists.world)?;
        let measure = || scored.metrics(list.labeled.targets());
        let metrics = lists.world.rank0_then_broadcast("validation", measure)?;
        Ok(Metrics { lists: vec![(&metrics).into()] })
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
        let factors = drop_path(&visits, Modality::AUDIO, &recipe).expect("factors");
        assert_eq!(factors.size(), [6, 2, 400]);
        let zeros = factors.eq(0.0).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
        assert!((zeros - 0.25).abs() < 0.03, "{zeros}");
        assert!((factors.max().double_value(&[]) - 4.0 / 3.0).abs() < 1e-6);
        let one = drop_path(&visits[7..8], Modality::AUDIO, &recipe).expect("factors");
        assert!(one.equal(&factors.narrow(2, 7, 1)), "whatever else is in the batch");
        assert!((8..20).any(|clip| !one.equal(&factors.narrow(2, clip, 1))), "clips differ");
        let other = drop_path(&visits[7..8], Modality::VISUAL, &recipe).expect("factors");
        assert!(!other.equal(&one));
        let recipe = FinetuneRecipe::parse(text, &["model.drop_path=0".parse().unwrap()]).unwrap();
        assert!(drop_path(&visits, Modality::AUDIO, &recipe).is_none());
    }
}
