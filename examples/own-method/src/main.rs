//! A method of its own on equiav's engine: VICReg (arXiv 2105.04906) between sound and picture.
use equiav_augment::Modality;
use equiav_models::{Encoder, EncoderConfig, View};
use equiav_train::clips::{DeviceBatch, EvaluationLists};
use equiav_train::eval::retrieval::retrieve_lists;
use equiav_train::recipe::{Checked, Evaluation, MethodSettings, input_size};
use equiav_train::{Gathered, Method, Metrics, Named, Needs, NoOp, RunOptions, StepContext};
use equiav_train::{StopSignal, Term, World, engine::seeded, train};
use tch::{Kind, Reduction, Tensor, nn};

#[derive(Clone, serde::Deserialize, serde::Serialize)]
struct Section {
    encoder: EncoderConfig,
}
struct VicReg(nn::VarStore, Vec<(Modality, Encoder)>, Evaluation);

impl Method for VicReg {
    fn needs(&self) -> Needs {
        Needs { modalities: Modality::ALL.to_vec(), ..Needs::default() }
    }
    fn variables(&self) -> &nn::VarStore {
        &self.0
    }
    fn embed(&self, batch: &DeviceBatch) -> anyhow::Result<Named> {
        let embed = |(modality, encoder): &(Modality, Encoder)| {
            let tokens = encoder.forward(&batch.inputs[modality].plain.values, View::Plain);
            (modality.to_string(), tokens.mean_dim([1i64].as_slice(), false, None))
        };
        Ok(self.1.iter().map(embed).collect())
    }
    fn terms(&mut self, _: &Named, all: &Gathered, _: &StepContext<'_>) -> anyhow::Result<Vec<Term>> {
        let (a, v) = (all.rows("audio"), all.rows("visual"));
        let term = |name: &str, loss| Term { name: name.to_owned(), loss, accuracy: None };
        let spread = |z: &Tensor| (1.0 - (z.var_dim([0i64].as_slice(), true, false) + 1e-4).sqrt()).relu();
        let shared = |z: &Tensor| z.tr().cov(1, None::<&Tensor>, None::<&Tensor>).triu(1).square().sum(Kind::Float);
        Ok(vec![
            term("invariance", a.mse_loss(v, Reduction::Mean)),
            term("variance", spread(a).mean(Kind::Float) + spread(v).mean(Kind::Float)),
            term("covariance", (shared(a) + shared(v)) * 2.0 / a.size()[1]),
        ])
    }
    fn evaluate(&self, lists: &EvaluationLists<'_>) -> anyhow::Result<Metrics> {
        retrieve_lists(lists, &self.2, self.0.device(), |batch| self.embed(batch))
    }
}

fn main() -> anyhow::Result<()> {
    let [recipe, out] = [1, 2].map(|n| std::path::PathBuf::from(std::env::args().nth(n).unwrap_or_default()));
    let recipe = Checked::<MethodSettings<Section>>::load(&recipe, &[])?;
    let options = RunOptions { out: &out, world: &World::launched()?, stop: &StopSignal::on_signals()? };
    let run = train(&recipe, options, &mut NoOp, |device, callback| {
        let store = nn::VarStore::new(device);
        let build = |modality: Modality, root| (modality, recipe.method.encoder.build(root, modality.suffix(), input_size(&recipe.front_end, modality)));
        let encoders = seeded(recipe.seed, || Modality::ALL.map(|modality| build(modality, &store.root())));
        let clips = recipe.unlabeled().prepare(options.world, callback)?;
        Ok((VicReg(store, encoders.into(), recipe.evaluation.clone()), clips))
    })?;
    println!("{} steps, mean R@1 {:?}", run.progress.step, run.progress.metrics.score("r1"));
    Ok(())
}
