//! Masked autoencoding of each modality by itself (He et al., arXiv 2111.06377; of spectrograms: Huang et al.,
//! arXiv 2207.06405): start weights for encoders of any size, from the user's own unlabeled clips.
//!
//! `model.start` of another recipe takes the run folder; the decoders stay behind.

mod settings;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use equiav_augment::random::below;
use equiav_augment::{Modality, Purpose, stream};
use equiav_frontend::InputKind;
use equiav_models::{MaskedAutoencoder, ModelConfig, Weights, export, import_encoders, model_card};
use tch::{Device, Kind, Tensor, nn};

use super::named::MethodSection;
use crate::clips::{DeviceBatch, EvaluationLists, HeldOut, RunClips};
use crate::engine::{Gather, Gathered, Method, Named, Needs, StepContext, Term, narrowed, seeded};
use crate::eval::online;
use crate::metrics::{ListMetrics, Metric, Metrics};
use crate::model;
use crate::recipe::{MethodSettings, input_size, inputs, suffix};
use crate::run_dir::checkpoint;
use crate::run_dir::lock::CHECKPOINTS;
pub use settings::MaeSettings;

/// An autoencoder for each modality.
#[derive(Debug)]
pub struct Mae {
    store: nn::VarStore,
    autoencoders: BTreeMap<Modality, MaskedAutoencoder>,
    recipe: MethodSettings<MaeSettings>,
}

impl Mae {
    /// The method of `recipe` with fresh networks on `device`.
    ///
    /// # Errors
    ///
    /// If sizes do not fit together.
    pub fn fresh(recipe: &MethodSettings<MaeSettings>, device: Device) -> anyhow::Result<Self> {
        let store = nn::VarStore::new(device);
        let MaeSettings { encoder, decoder, normalize_patches, .. } = &recipe.method;
        let one = |(modality, kind): (Modality, InputKind)| {
            let (channels, ..) = kind.shape(&recipe.front_end);
            let input = (input_size(&recipe.front_end, kind), channels as i64);
            let own = recipe.modality.get(&modality).and_then(|table| table.encoder.as_ref());
            let sizes = (own.unwrap_or(encoder), decoder);
            let root = store.root();
            let made = MaskedAutoencoder::new(
                &root,
                suffix(&recipe.modality, modality),
                input,
                sizes,
                *normalize_patches,
            );
            Ok((modality, made?))
        };
        let inputs = inputs(&recipe.modality);
        let autoencoders =
            seeded(recipe.seed, || inputs.into_iter().map(one).collect::<anyhow::Result<_>>())?;
        Ok(Self { store, autoencoders, recipe: recipe.clone() })
    }

    /// Writes the encoders that the run in `folder` has trained, without the decoders, as a folder with
    /// `model.safetensors`, `config.json` and a card; `model.start` takes it.
    ///
    /// # Errors
    ///
    /// If the run has no whole checkpoint, or the folder cannot be written.
    fn export(
        recipe: &MethodSettings<MaeSettings>,
        folder: &Path,
        out: &Path,
    ) -> anyhow::Result<u64> {
        let trained = Self::fresh(recipe, Device::Cpu)?;
        let newest = checkpoint::latest(&folder.join(CHECKPOINTS), &mut |_| {})?;
        let missing = || format!("{} has no checkpoint yet", folder.display());
        let (newest, state) = newest.with_context(missing)?;
        checkpoint::load_for_use(&newest, &trained.store)?;
        let encoders = nn::VarStore::new(Device::Cpu);
        let MaeSettings { encoder, .. } = &recipe.method;
        model::encoders(
            &recipe.modality,
            encoder,
            &recipe.front_end,
            recipe.seed,
            &encoders.root(),
        );
        let weights = Weights::new(trained.store.variables().into_iter().collect());
        import_encoders(&encoders, &weights)?;
        let mut config = ModelConfig::new(BTreeMap::new());
        config.extra.insert("method".to_owned(), serde_json::to_value(&recipe.method)?);
        let epochs = state.epoch;
        let body = format!(
            "Encoders of a masked autoencoder, from the recipe `{}`, {epochs} epochs, seed {}: start weights.",
            recipe.name, recipe.seed
        );
        export(out, &encoders, &config, &model_card(&config, &body))?;
        Ok(epochs)
    }

    /// The patches of each clip that are seen, `[b, k]`: a draw of each visit by itself.
    fn visible(&self, batch: &DeviceBatch, seed: u64, modality: Modality) -> Tensor {
        let patches = self.autoencoders[&modality].patches() as usize;
        let kept = self.recipe.method.visible(patches);
        let mut all = Vec::with_capacity(batch.visits.len() * kept);
        for visit in &batch.visits {
            let mut rng = stream(seed, visit.epoch, visit.clip as u64, Purpose::Mask(modality));
            let mut order: Vec<i64> = (0..patches as i64).collect();
            for place in 0..kept {
                order.swap(place, place + below(patches - place, &mut rng));
            }
            all.extend_from_slice(&order[..kept]);
        }
        let visible = Tensor::from_slice(&all).view([batch.len(), kept as i64]);
        visible.to_device(self.store.device())
    }
}

impl MethodSection for MaeSettings {
    const NAME: &'static str = "mae";
    type Method = Mae;

    fn check(recipe: &MethodSettings<Self>) -> anyhow::Result<()> {
        recipe.method.check()
    }

    fn build(recipe: &MethodSettings<Self>, device: Device, _: &RunClips) -> anyhow::Result<Mae> {
        Mae::fresh(recipe, device)
    }

    fn export_start(
        recipe: &MethodSettings<Self>,
        run: &Path,
        out: &Path,
    ) -> anyhow::Result<Option<u64>> {
        Mae::export(recipe, run, out).map(Some)
    }
}

impl Method for Mae {
    fn needs(&self) -> Needs {
        Needs { modalities: self.autoencoders.keys().copied().collect(), ..Needs::default() }
    }

    fn variables(&self) -> &nn::VarStore {
        &self.store
    }

    fn rows_are_independent(&self) -> bool {
        true
    }

    fn gather(&self, _: &str) -> Gather {
        Gather::Own
    }

    /// The error of every clip, `[b]`.
    fn embed(&self, batch: &DeviceBatch) -> anyhow::Result<Named> {
        let one = |(modality, autoencoder): (&Modality, &MaskedAutoencoder)| {
            let visible = self.visible(batch, self.recipe.seed, *modality);
            let made = autoencoder.reconstruct(&batch.inputs[modality].plain.values, &visible);
            (term(*modality), made.loss)
        };
        Ok(self.autoencoders.iter().map(one).collect())
    }

    fn terms(
        &mut self,
        own: &Named,
        _: &Gathered,
        _: &StepContext<'_>,
    ) -> anyhow::Result<Vec<Term>> {
        let term = |(name, errors): (&String, &Tensor)| Term {
            name: name.clone(),
            loss: errors.mean(Kind::Float),
            accuracy: None,
        };
        Ok(own.iter().map(term).collect())
    }

    /// The error on held-out clips, under masks that stay the same, beside that of the best constant patch, and the
    /// share of variance that is explained: `explained = 1 - reconstruction / constant`.
    fn evaluate(&self, lists: &EvaluationLists<'_>) -> anyhow::Result<Metrics> {
        let seed = self.recipe.evaluation.seed;
        let embed = |batch: &DeviceBatch| {
            let mut rows = Named::new();
            for (modality, autoencoder) in &self.autoencoders {
                let visible = self.visible(batch, seed, *modality);
                let made = autoencoder.reconstruct(&batch.inputs[modality].plain.values, &visible);
                let [mean, square] = made.target;
                rows.insert(format!("loss_{modality}"), made.loss.unsqueeze(-1));
                rows.insert(format!("mean_{modality}"), mean);
                rows.insert(format!("square_{modality}"), square);
            }
            Ok(rows)
        };
        let one = |(name, dataset): &(String, _)| {
            let all = lists.embed(dataset, self.store.device(), embed)?;
            let mean = |name: String| {
                all.rows[&name].map(|value| f64::from(*value)).mean_axis(ndarray::Axis(0))
            };
            let mut values = Vec::new();
            for modality in self.autoencoders.keys() {
                let numbers = |kind: &str| mean(format!("{kind}_{modality}")).unwrap_or_default();
                let (loss, square) = (numbers("loss")[0], numbers("square")[0]);
                let constant =
                    square - numbers("mean").map(|mean| mean * mean).mean().unwrap_or(0.0);
                values.push(Metric::new(format!("{modality}/reconstruction"), loss));
                values.push(Metric::new(format!("{modality}/constant"), constant));
                values.push(Metric::new(format!("{modality}/explained"), 1.0 - loss / constant));
            }
            Ok(ListMetrics {
                list: name.clone(),
                found: all.clips.len(),
                listed: dataset.len(),
                digest: dataset.clips().digest(),
                overlap: None,
                skipped: all.skipped.into_values().collect(),
                collapsed: None,
                values,
            })
        };
        Ok(Metrics { lists: lists.lists.iter().map(one).collect::<anyhow::Result<_>>()? })
    }

    /// All patches of a clip go forward, of which a step sees some; decoders stand aside.
    fn online_cost(&self) -> Option<f64> {
        Some(0.5 / (1.0 - self.recipe.method.mask_ratio))
    }

    fn evaluate_online(&self, held_out: &HeldOut<'_>) -> anyhow::Result<Vec<Metric>> {
        let (device, precision) = (self.store.device(), self.recipe.compute.precision);
        let all = held_out.embed(device, |batch| {
            let one = |(modality, autoencoder): (&Modality, &MaskedAutoencoder)| {
                let plain = &batch.inputs[modality].plain.values;
                let rows = narrowed(device, precision, || autoencoder.embed(plain));
                (format!("inter_{modality}"), rows)
            };
            Ok(self.autoencoders.iter().map(one).collect())
        })?;
        let spaces: Vec<_> = self.autoencoders.keys().map(|modality| vec![*modality]).collect();
        online::measures(all, held_out, &spaces)
    }
}

fn term(modality: Modality) -> String {
    format!("reconstruction_{modality}")
}
