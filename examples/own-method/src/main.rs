//! A method of its own on equiav's engine: VICReg (arXiv 2105.04906) between sound and picture.
use std::{collections::BTreeMap, env::args, path::Path};

use equiav_augment::Modality;
use equiav_models::{Encoder, EncoderConfig, ViewKind};
use equiav_train::clips::{DeviceBatch, EvaluationLists};
use equiav_train::recipe::{Checked, Evaluation, MethodSettings};
use equiav_train::{Gathered, Method, Metrics, Named, Needs, NoOp, RunOptions, StepContext};
use equiav_train::{StopSignal, Term, World, eval::retrieval::retrieve_lists, model, train};
use tch::{Kind::Float, Reduction, Tensor, nn};

struct VicReg(nn::VarStore, BTreeMap<Modality, Encoder>, Evaluation);

impl Method for VicReg {
    fn needs(&self) -> Needs {
        Needs { modalities: Modality::AUDIO_VISUAL.to_vec(), ..Needs::default() }
    }
    fn variables(&self) -> &nn::VarStore {
        &self.0
    }
    fn embed(&self, batch: &DeviceBatch) -> anyhow::Result<Named> {
        let embed = |(modality, encoder): (&Modality, &Encoder)| {
            let tokens = encoder.forward(&batch.inputs[modality].plain.values, ViewKind::Plain);
            (modality.to_string(), tokens.mean_dim([1i64].as_slice(), false, None))
        };
        Ok(self.1.iter().map(embed).collect())
    }
    fn terms(&mut self, _: &Named, all: &Gathered, _: &StepContext) -> anyhow::Result<Vec<Term>> {
        let (a, v) = (all.rows("audio"), all.rows("visual"));
        let term = |name: &str, loss| Term { name: name.to_owned(), loss, accuracy: None };
        let spread =
            |z: &Tensor| 1.0f64 - (z.var_dim([0i64].as_slice(), true, false) + 1e-4).sqrt();
        let covariance = |z: &Tensor| z.tr().cov(1, None::<&Tensor>, None::<&Tensor>);
        let shared = |z: &Tensor| covariance(z).triu(1).square().sum(Float) * 2 / z.size()[1];
        Ok(vec![
            term("invariance", a.mse_loss(v, Reduction::Mean)),
            term("variance", (spread(a).relu() + spread(v).relu()).mean(Float)),
            term("covariance", shared(a) + shared(v)),
        ])
    }
    fn evaluate(&self, lists: &EvaluationLists) -> anyhow::Result<Metrics> {
        retrieve_lists(lists, &self.2, self.0.device(), |batch| self.embed(batch))
    }
}

fn main() -> anyhow::Result<()> {
    let [recipe, out] = [1, 2].map(|place| args().nth(place).unwrap_or_default());
    let recipe = Checked::<MethodSettings<EncoderConfig>>::load(Path::new(&recipe), &[])?;
    let (world, stop) = (World::launched()?, StopSignal::on_signals()?);
    let options = RunOptions { out: Path::new(&out), world: &world, stop: &stop };
    let run = train(&recipe, options, &mut NoOp, |device, callback| {
        let (store, clips) = (nn::VarStore::new(device), recipe.unlabeled());
        let (front, seed) = (&recipe.front_end, recipe.seed);
        let encoders =
            model::encoders(&recipe.modality, &recipe.method, front, seed, &store.root());
        Ok((VicReg(store, encoders, recipe.evaluation.clone()), clips.prepare(&world, callback)?))
    })?;
    println!("{} steps, R@1 {:?}", run.progress.step, run.progress.metrics.score("r1"));
    Ok(())
}
