//! The inter-modal embeddings of plain clips: the same bytes have the same embedding.

use std::collections::BTreeMap;
use std::sync::Arc;

use equiav_augment::{Modality, Purpose, stream};
use equiav_data::{Dataset, EvaluationLoader};
use equiav_frontend::InputAugment;
use equiav_models::Inter;
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use crate::clips::{self, Input, InputView};
use crate::distributed::World;
use crate::distributed::{ShardedRows, own_positions};
use crate::engine::narrowed;
use crate::model::Network;
use crate::recipe::Settings;

/// Which embedding of a clip is taken.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Variant {
    /// The plain view's own: the inter head on the mean of its tokens.
    Clean,
    /// The inter head on the mean of the predictions from one set of vectors, the same for every clip.
    Centroid {
        /// How many vectors; at least 1.
        vectors: usize,
        /// What they are drawn with.
        seed: u64,
    },
}

impl Variant {
    /// The one whose likes the recipe's loss between the modalities compares.
    pub fn of(recipe: &Settings) -> Self {
        let vectors = match recipe.objective.inter {
            Inter::CleanPair | Inter::AugmentedPair => return Self::Clean,
            Inter::SinglePrediction => 1,
            Inter::Centroid => recipe.objective.centroid_samples,
        };
        Self::Centroid { vectors, seed: recipe.evaluation.seed }
    }
}

/// The embeddings of the readable clips of one list.
#[derive(Debug)]
pub struct Embedded {
    /// The position of each row's clip in the list.
    pub clips: Vec<usize>,
    /// Why each of the other clips could not be read, by its position.
    pub skipped: BTreeMap<usize, String>,
    /// The embeddings of each modality, `[clips, width]`, of any length.
    pub rows: BTreeMap<Modality, Array2<f32>>,
}

/// Embeds every readable clip of `dataset`, as the recipe's own variant has it.
///
/// # Errors
///
/// If the data set's folder is gone.
pub fn embed(
    dataset: Arc<Dataset>,
    network: &Network,
    recipe: &Settings,
) -> anyhow::Result<Embedded> {
    embed_as(Variant::of(recipe), dataset, network, recipe)
}

/// Embeds every readable clip of `dataset` as `variant` has it.
///
/// # Errors
///
/// As [`embed`].
pub fn embed_as(
    variant: Variant,
    dataset: Arc<Dataset>,
    network: &Network,
    recipe: &Settings,
) -> anyhow::Result<Embedded> {
    let all = (0..dataset.len()).collect();
    Ok(embed_clips(variant, dataset, all, network, recipe)?.into())
}

/// As [`embed`], each of `processes` embedding every so many batches of the list; all get the whole.
///
/// # Errors
///
/// As [`embed`], or if a process does not take part within the limit.
pub(crate) fn embed_sharded(
    dataset: Arc<Dataset>,
    network: &Network,
    recipe: &Settings,
    world: &World,
) -> anyhow::Result<Embedded> {
    let mine = own_positions(dataset.len(), recipe.evaluation.batch, world);
    let own = embed_clips(Variant::of(recipe), dataset, mine, network, recipe)?;
    Ok(own.gather(world)?.into())
}

impl From<ShardedRows> for Embedded {
    fn from(all: ShardedRows) -> Self {
        let named = |(name, rows): (String, Array2<f32>)| Some((Modality::new(&name).ok()?, rows));
        let rows = all.rows.into_iter().filter_map(named).collect();
        Self { clips: all.clips, skipped: all.skipped, rows }
    }
}

/// Embeds the readable ones of `clips`.
fn embed_clips(
    variant: Variant,
    dataset: Arc<Dataset>,
    clips: Vec<usize>,
    network: &Network,
    recipe: &Settings,
) -> anyhow::Result<ShardedRows> {
    let device = network.store.device();
    let vectors = fixed_vectors(variant, recipe, device);
    let (batch, options) = (recipe.evaluation.batch, clips::loader_options(&recipe.data));
    clips::embed_batches(EvaluationLoader::new(dataset, clips, batch, options)?, device, |batch| {
        let embed = |(modality, input): (&Modality, &Input)| {
            let InputView { values, material } = &input.plain;
            let vectors = vectors.get(modality);
            let embed = || network.branches[modality].embed(values, vectors, material.as_ref());
            (modality.to_string(), narrowed(device, recipe.compute.precision, embed))
        };
        Ok(batch.inputs.iter().map(embed).collect())
    })
}

/// The fixed set of parameter vectors that every clip is embedded with, `[S, P]` per modality; none
/// for the plain views' own embeddings.
pub fn fixed_vectors(
    variant: Variant,
    recipe: &Settings,
    device: Device,
) -> BTreeMap<Modality, Tensor> {
    let Variant::Centroid { vectors: count, seed } = variant else { return BTreeMap::new() };
    let vectors = |(modality, augment): (Modality, InputAugment)| {
        let mut rng = stream(seed, 0, 0, Purpose::Retrieval(modality));
        let vectors = augment.sample(&recipe.front_end, count, &mut rng);
        (modality, clips::tensor(&vectors, device))
    };
    recipe.augment.views().into_iter().map(vectors).collect()
}
