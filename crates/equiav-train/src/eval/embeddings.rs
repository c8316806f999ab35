//! The inter-modal embeddings of plain clips: the same bytes have the same embedding.

use std::collections::BTreeMap;
use std::sync::Arc;

use equiav_augment::{Modality, Purpose, stream};
use equiav_data::{Dataset, EvaluationLoader, PlainBatch};
use equiav_models::Inter;
use ndarray::{Array2, Array4, ArrayD, ArrayView2, Axis, concatenate};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::clips;
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
    embed_clips(variant, dataset, all, network, recipe)
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
    let rows = own.rows.into_iter().map(|(modality, rows)| (modality.to_string(), rows));
    let own = ShardedRows { clips: own.clips, skipped: own.skipped, rows: rows.collect() };
    let mut all = own.gather(world)?;
    let rows = network
        .branches
        .keys()
        .filter_map(|modality| Some((*modality, all.rows.remove(&modality.to_string())?)));
    let rows = rows.collect();
    Ok(Embedded { clips: all.clips, skipped: all.skipped, rows })
}

/// Embeds the readable ones of `clips`.
fn embed_clips(
    variant: Variant,
    dataset: Arc<Dataset>,
    clips: Vec<usize>,
    network: &Network,
    recipe: &Settings,
) -> anyhow::Result<Embedded> {
    let vectors = fixed_vectors(variant, recipe, network.store.device());
    let batch = recipe.evaluation.batch;
    let mut loader =
        EvaluationLoader::new(dataset, clips, batch, clips::loader_options(&recipe.data))?;
    let mut clips = Vec::new();
    let mut rows: BTreeMap<Modality, Vec<Array2<f32>>> = BTreeMap::new();
    for batch in loader.by_ref() {
        let batch: PlainBatch = batch?;
        for (modality, embedding) in embed_batch(&batch, network, &vectors, recipe)? {
            rows.entry(modality).or_default().push(embedding);
        }
        clips.extend(batch.clips);
    }
    let stack = |(modality, blocks): (Modality, Vec<Array2<f32>>)| {
        let views: Vec<ArrayView2<'_, f32>> = blocks.iter().map(Array2::view).collect();
        Ok((modality, concatenate(Axis(0), &views)?))
    };
    let rows = rows.into_iter().map(stack).collect::<anyhow::Result<_>>()?;
    let skipped = loader.skipped().iter().map(|error| (error.clip, error.to_string())).collect();
    Ok(Embedded { clips, skipped, rows })
}

/// The embeddings of one batch, `[b, width]` per modality.
fn embed_batch(
    batch: &PlainBatch,
    network: &Network,
    vectors: &BTreeMap<Modality, Tensor>,
    recipe: &Settings,
) -> anyhow::Result<BTreeMap<Modality, Array2<f32>>> {
    let device = network.store.device();
    let embed = |(modality, plain): (&Modality, &Array4<f32>)| {
        let material = clips::plain_material(batch, *modality, device);
        let plain = clips::tensor(plain, device);
        let embed =
            || network.branches[modality].embed(&plain, vectors.get(modality), material.as_ref());
        let embedding =
            tch::no_grad(|| narrowed(network.store.device(), recipe.compute.precision, embed));
        let embedding = embedding.to_kind(Kind::Float).to_device(Device::Cpu);
        let rows: ArrayD<f32> = (&embedding).try_into()?;
        Ok((*modality, rows.into_dimensionality()?))
    };
    batch.parts.iter().map(embed).collect()
}

/// The fixed set of parameter vectors that every clip is embedded with, `[S, P]` per modality; none
/// for the plain views' own embeddings.
pub fn fixed_vectors(
    variant: Variant,
    recipe: &Settings,
    device: Device,
) -> BTreeMap<Modality, Tensor> {
    let Variant::Centroid { vectors: count, seed } = variant else { return BTreeMap::new() };
    let vectors = |modality| {
        let mut rng = stream(seed, 0, 0, Purpose::Retrieval(modality));
        let vectors = match modality {
            Modality::Audio => {
                recipe.augment.audio.sample(recipe.front_end.spectrogram_size(), count, &mut rng)
            }
            Modality::Visual => {
                recipe.augment.visual.sample(recipe.front_end.image_size(), count, &mut rng)
            }
        };
        (modality, clips::tensor(&vectors, device))
    };
    Modality::ALL.into_iter().map(vectors).collect()
}
