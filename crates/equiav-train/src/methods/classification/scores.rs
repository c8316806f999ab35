//! The probabilities that a classifier gives the clips of a list.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, ensure};
use equiav_augment::Modality;
use equiav_data::{FramedBatch, Frames, Labeled, LabeledEvaluation};
use ndarray::{Array2, Array4, ArrayD, ArrayView2, Axis, concatenate};
use tch::{Device, Kind, Tensor};

use super::SCORES;
use super::labeler::Labeler;
use crate::clips::{Input, InputView, labeled_loader_options, tensor, valid_frames};
use crate::distributed::{ShardedRows, World, own_positions};
use crate::engine::narrowed;
use crate::eval::classification::ClassScores;
use crate::recipe::{ClassLoss, Finetune};

/// Clips to be measured.
#[derive(Clone, Debug)]
pub(crate) struct LabeledList {
    /// What they are called.
    pub(crate) name: String,
    /// Their data set.
    pub(crate) labeled: Arc<Labeled>,
    /// Their positions in it.
    pub(crate) clips: Vec<usize>,
    /// A hash of the list.
    pub(crate) digest: String,
}

/// The probabilities of every readable clip of `list`, of which each of `processes` computes its share.
///
/// Of several frames the mean of their probabilities counts: of sigmoids with `bce`, of softmaxes with
/// `ce`.
///
/// # Errors
///
/// If no clip can be read, the data set's folder is gone, or a process does not take part within the
/// limit.
pub(crate) fn scores(
    network: &Labeler,
    list: &LabeledList,
    frames: Frames,
    recipe: &Finetune,
    world: &World,
) -> anyhow::Result<ClassScores> {
    let options = labeled_loader_options(&recipe.data);
    let batch = recipe.evaluation.batch;
    let mine = own_positions(list.clips.len(), batch, world);
    let mine = mine.into_iter().map(|position| list.clips[position]).collect();
    let labeled = list.labeled.clone();
    let mut batches = LabeledEvaluation::new(labeled, mine, frames, batch, options)?;
    let (mut clips, mut rows) = (Vec::new(), Vec::new());
    for batch in batches.by_ref() {
        let batch = batch?;
        rows.push(tch::no_grad(|| probabilities(network, &batch, recipe))?);
        clips.extend(batch.clips);
    }
    let skipped = batches.skipped().iter().map(|error| (error.clip, error.to_string())).collect();
    let views: Vec<ArrayView2<'_, f32>> = rows.iter().map(Array2::view).collect();
    let rows = match views[..] {
        [] => BTreeMap::new(),
        _ => BTreeMap::from([(SCORES.to_owned(), concatenate(Axis(0), &views)?)]),
    };
    let all = ShardedRows { clips, skipped, rows }.gather(world)?;
    ensure!(!all.clips.is_empty(), "no clip of `{}` can be read", list.name);
    let scores = all.rows.into_values().next().context("a readable clip has scores")?;
    Ok(ClassScores {
        list: list.name.clone(),
        listed: list.clips.len(),
        digest: list.digest.clone(),
        skipped: all.skipped.into_values().collect(),
        clips: all.clips,
        scores,
    })
}

/// The probabilities of one batch, `[b, classes]`.
fn probabilities(
    network: &Labeler,
    batch: &FramedBatch,
    recipe: &Finetune,
) -> anyhow::Result<Array2<f32>> {
    let device = network.store.device();
    let input = |(modality, values): (&Modality, &Array4<f32>)| {
        let (.., width) = values.dim();
        let valid = batch.valid.get(modality);
        let material = valid.and_then(|valid| valid_frames(valid, width, device));
        let plain = InputView { values: tensor(values, device), material };
        (*modality, Input { plain, augmented: None, vectors: None, centroid: None })
    };
    let inputs = batch.parts.iter().map(input).collect();
    let forward = || network.scores(&inputs, Some(&batch.frames[..]), |_, _| None);
    let scores = narrowed(device, recipe.compute.precision, forward);
    let scores = scores.to_kind(Kind::Float).to_device(Device::Cpu);
    let each = match recipe.objective.loss {
        ClassLoss::Bce => scores.sigmoid(),
        ClassLoss::Ce => scores.softmax(-1, Kind::Float),
    };
    let sizes: Vec<i64> = batch.frames.iter().map(|count| *count as i64).collect();
    let means = each.split_with_sizes(&sizes, 0);
    let means: Vec<Tensor> =
        means.iter().map(|frames| frames.mean_dim([0i64].as_slice(), true, None)).collect();
    let array: ArrayD<f32> = (&Tensor::cat(&means, 0)).try_into()?;
    Ok(array.into_dimensionality()?)
}
