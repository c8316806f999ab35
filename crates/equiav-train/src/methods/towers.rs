//! What methods have in common that embed each modality by itself: an encoder, a pool and a head each, and how these are
//! measured.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use equiav_augment::Modality;
use equiav_data::{Clips, Dataset};
use equiav_models::{Branch, Features};
use tch::{Device, Tensor, nn};

use crate::clips::{DeviceBatch, EvaluationLists, HeldOut, InputView};
use crate::engine::{Named, SPREAD, narrowed, spread};
use crate::eval::embeddings::Embedded;
use crate::eval::{online, retrieval};
use crate::metrics::{Metric, Metrics};
use crate::model::Network;
use crate::recipe::{MethodSettings, Settings};
use crate::run_dir::checkpoint::METHOD_ONLY;

/// The network of each modality, and the recipe by which they embed where they are opened for use.
#[derive(Debug)]
pub struct Towers {
    /// Encoders, pools, heads and readouts.
    pub network: Network,
    /// None over arrays, of which no list is measured here.
    recipe: Option<Settings>,
}

impl Towers {
    /// The towers of `recipe` with fresh weights on `device`.
    ///
    /// # Errors
    ///
    /// If the recipe has no section `[model]`, or libtorch fails.
    pub fn of<S>(recipe: &MethodSettings<S>, device: Device) -> anyhow::Result<Self> {
        let missing = "the method embeds, and the recipe has no networks (help: a section [model])";
        let recipe = recipe.embedding().context(missing)?;
        Ok(Self { network: Network::new(&recipe, device)?, recipe: Some(recipe) })
    }

    /// Towers that the caller has made, over arrays.
    pub fn over_arrays(network: Network) -> Self {
        Self { network, recipe: None }
    }

    /// The modalities, in order.
    pub fn modalities(&self) -> Vec<Modality> {
        self.network.branches.keys().copied().collect()
    }

    /// Where variables go that serve training alone, such as decoders: they are left behind where the towers are used.
    pub fn own_variables(&self) -> nn::Path<'_> {
        self.network.store.root() / METHOD_ONLY.trim_end_matches('.')
    }

    /// Starts the encoders from what the recipe names, before the first step of a run.
    ///
    /// # Errors
    ///
    /// If it cannot be read or does not fit.
    pub fn start(&self) -> anyhow::Result<()> {
        self.recipe.as_ref().map_or(Ok(()), |recipe| self.network.start(recipe))
    }

    /// The tokens of a plain view of `modality`.
    pub fn features(&self, modality: Modality, view: &InputView) -> Features {
        self.network.branches[&modality].features(&view.values, view.material.as_ref(), &[])
    }

    /// What the pools make of the plain views of `batch`, `[b, width]` each.
    pub fn pooled(&self, batch: &DeviceBatch) -> BTreeMap<Modality, Tensor> {
        let pooled = |(modality, branch): (&Modality, &Branch)| {
            let InputView { values, material } = &batch.inputs[modality].plain;
            (*modality, branch.pooled(values, material.as_ref()))
        };
        self.network.branches.iter().map(pooled).collect()
    }

    /// What the heads make of the plain views of `batch`, without readouts, `[b, out]` each.
    pub fn heads(&self, batch: &DeviceBatch) -> BTreeMap<Modality, Tensor> {
        let pooled = self.pooled(batch).into_iter();
        pooled
            .map(|(modality, point)| (modality, self.network.branches[&modality].head(&point)))
            .collect()
    }

    /// The embeddings of the plain views of `batch` as they are compared: heads with readouts, in rows `inter_MODALITY`.
    pub fn embed(&self, batch: &DeviceBatch) -> Named {
        let embed = |(modality, point): (Modality, Tensor)| {
            (format!("inter_{modality}"), self.network.branches[&modality].project(&point))
        };
        self.pooled(batch).into_iter().map(embed).collect()
    }

    /// How far the rows called `KIND_MODALITY` lie apart, so that a collapse is seen; see [`spread`].
    pub fn spreads(&self, own: &Named, kind: &str) -> Named {
        let rows = self.modalities().into_iter().filter_map(|modality| {
            let rows = own.get(&format!("{kind}_{modality}"))?;
            (rows.size()[0] > 1).then(|| (format!("{SPREAD}{modality}"), spread(&rows.detach())))
        });
        rows.collect()
    }

    /// Measures retrieval on every list, and what `beside` finds in the same embeddings.
    ///
    /// # Errors
    ///
    /// If no clip of a list can be read, or a rank does not take part.
    pub fn evaluate(
        &self,
        lists: &EvaluationLists<'_>,
        beside: impl Fn(&Embedded, &Clips) -> anyhow::Result<Vec<Metric>>,
    ) -> anyhow::Result<Metrics> {
        let Some(recipe) = &self.recipe else { return Ok(Metrics::default()) };
        let one = |(name, list): &(String, Arc<Dataset>)| {
            let (network, world) = (&self.network, lists.world);
            let beside = |embedded: &Embedded| beside(embedded, list.clips());
            retrieval::retrieve_sharded(name, list, (network, recipe), world, &beside)
        };
        Ok(Metrics { lists: lists.lists.iter().map(one).collect::<anyhow::Result<_>>()? })
    }

    /// The usual measures of a few held-out clips.
    ///
    /// # Errors
    ///
    /// If libtorch fails, or a rank does not take part.
    pub fn evaluate_online(&self, held_out: &HeldOut<'_>) -> anyhow::Result<Vec<Metric>> {
        let Some(recipe) = &self.recipe else { return Ok(Vec::new()) };
        let (device, precision) = (self.network.store.device(), recipe.compute.precision);
        let all = held_out
            .embed(device, |batch| Ok(narrowed(device, precision, || self.embed(batch))))?;
        online::measures(all, held_out, &[self.modalities()])
    }
}
