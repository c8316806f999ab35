//! Zero-shot retrieval: embeds every clip of a list once and ranks each modality by the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, ensure};
use equiav_augment::{Modality, Purpose, stream};
use equiav_data::{Dataset, Loader, PlainBatch};
use equiav_eval::{Retrieval, retrieval_of_embeddings};
use equiav_models::Inter;
use ndarray::{Array2, ArrayD, ArrayView2, Axis, concatenate};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::feed;
use crate::network::Network;
use crate::settings::Settings;
use crate::setup;

/// The retrieval figures of one list.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Retrieved {
    /// The list's name in the recipe.
    pub list: String,
    /// Clips that could be read.
    pub found: usize,
    /// Clips listed.
    pub listed: usize,
    /// Why each of the other clips could not be read.
    pub left_out: Vec<String>,
    /// A hash of the list, so that figures of different lists are not compared.
    pub digest: String,
    /// Which sound fits a picture.
    pub visual_to_audio: Retrieval,
    /// Which picture fits a sound.
    pub audio_to_visual: Retrieval,
}

/// The embeddings of the readable clips of one list.
#[derive(Debug)]
pub struct Embedded {
    /// The position of each row's clip in the list.
    pub clips: Vec<usize>,
    /// Why each of the other clips could not be read.
    pub left_out: Vec<String>,
    /// The embeddings of each modality, `[clips, width]`, of any length.
    pub rows: BTreeMap<Modality, Array2<f32>>,
}

/// Embeds the clips of `dataset` and measures how well each modality finds the other.
///
/// # Errors
///
/// If no clip can be read, or a file that was read once cannot be read again.
pub fn retrieve(
    list: &str,
    dataset: Arc<Dataset>,
    network: &Network,
    recipe: &Settings,
) -> anyhow::Result<Retrieved> {
    let embedded = embed(dataset.clone(), network, recipe)?;
    ensure!(!embedded.clips.is_empty(), "no clip of `{list}` can be read");
    let (sound, picture) = answer_keys(&dataset, &embedded.clips, recipe)?;
    let correct = |row: usize, column: usize| {
        row == column || sound[row] == sound[column] || picture[row] == picture[column]
    };
    let (audio, visual) = (&embedded.rows[&Modality::Audio], &embedded.rows[&Modality::Visual]);
    let both = retrieval_of_embeddings(visual.view(), audio.view(), correct)
        .with_context(|| format!("measuring `{list}`"))?;
    Ok(Retrieved {
        list: list.to_owned(),
        found: embedded.clips.len(),
        listed: dataset.len(),
        left_out: embedded.left_out,
        digest: dataset.clips().digest(),
        visual_to_audio: both.rows_to_columns,
        audio_to_visual: both.columns_to_rows,
    })
}

/// Keys by which clips share a sound or a picture: of the bytes, or all different when duplicates do
/// not count as correct.
fn answer_keys(
    dataset: &Dataset,
    rows: &[usize],
    recipe: &Settings,
) -> anyhow::Result<(Vec<u64>, Vec<u64>)> {
    if !recipe.evaluation.duplicates_correct {
        let each: Vec<u64> = (0..rows.len() as u64).collect();
        return Ok((each.clone(), each));
    }
    let keys = |modality| {
        let key = |clip: &usize| Ok(dataset.content_key(*clip, modality)?);
        rows.iter().map(key).collect::<anyhow::Result<Vec<u64>>>()
    };
    Ok((keys(Modality::Audio)?, keys(Modality::Visual)?))
}

/// Embeds every readable clip of `dataset` for retrieval.
///
/// # Errors
///
/// If the data set's folder is gone.
pub fn embed(
    dataset: Arc<Dataset>,
    network: &Network,
    recipe: &Settings,
) -> anyhow::Result<Embedded> {
    let vectors = fixed_vectors(recipe, network.store.device());
    let batch = recipe.evaluation.batch;
    let mut loader = Loader::evaluation(dataset, batch, setup::loader_options(recipe))?;
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
    let left_out = loader.skipped().iter().map(ToString::to_string).collect();
    Ok(Embedded { clips, left_out, rows })
}

/// The embeddings of one batch, `[b, width]` per modality.
fn embed_batch(
    batch: &PlainBatch,
    network: &Network,
    vectors: &BTreeMap<Modality, Tensor>,
    recipe: &Settings,
) -> anyhow::Result<BTreeMap<Modality, Array2<f32>>> {
    let device = network.store.device();
    let embed = |(modality, plain)| {
        let plain = feed::tensor(plain, device);
        let embed = || network.branches[modality].embed(&plain, vectors.get(modality));
        let embedding = tch::no_grad(|| network.narrowed(recipe.compute.precision, embed));
        let embedding = embedding.to_kind(Kind::Float).to_device(Device::Cpu);
        let rows: ArrayD<f32> = (&embedding).try_into()?;
        Ok((*modality, rows.into_dimensionality()?))
    };
    batch.parts.iter().map(embed).collect()
}

/// The fixed set of parameter vectors that every clip is embedded with, `[S, P]` per modality; none
/// where the plain views themselves are compared.
fn fixed_vectors(recipe: &Settings, device: Device) -> BTreeMap<Modality, Tensor> {
    let count = match recipe.objective.inter {
        Inter::CleanPair | Inter::AugmentedPair => return BTreeMap::new(),
        Inter::SinglePrediction => 1,
        Inter::Centroid => recipe.objective.centroid,
    };
    let vectors = |modality| {
        let mut rng = stream(recipe.evaluation.seed, 0, 0, Purpose::Retrieval(modality));
        let vectors = match modality {
            Modality::Audio => {
                recipe.augment.audio.sample(recipe.front_end.spectrogram_size(), count, &mut rng)
            }
            Modality::Visual => {
                recipe.augment.visual.sample(recipe.front_end.image_size(), count, &mut rng)
            }
        };
        (modality, feed::tensor(&vectors, device))
    };
    Modality::ALL.into_iter().map(vectors).collect()
}
