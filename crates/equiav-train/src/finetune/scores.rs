//! The probabilities that a classifier gives the clips of a list.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::ensure;
use equiav_augment::Modality;
use equiav_data::{FramedBatch, Frames, Labeled, LabeledEvaluation};
use ndarray::{Array2, Array4, ArrayD, ArrayView2, Axis, concatenate};
use tch::{Device, Kind, Tensor};

use super::network::Labeler;
use crate::classified::Scored;
use crate::feed;
use crate::network::narrowed;
use crate::settings::{ClassLoss, Finetune};
use crate::setup::labeled_loader_options;

/// Clips to be measured.
#[derive(Clone, Debug)]
pub(crate) struct List {
    /// What they are called.
    pub(crate) name: String,
    /// Their data set.
    pub(crate) labeled: Arc<Labeled>,
    /// Their positions in it.
    pub(crate) clips: Vec<usize>,
    /// A hash of the list.
    pub(crate) digest: String,
}

/// The probabilities of every readable clip of `list`.
///
/// Of several frames the mean of their probabilities counts: of sigmoids with `bce`, of softmaxes with
/// `ce`.
///
/// # Errors
///
/// If no clip can be read, or the data set's folder is gone.
pub(crate) fn scores(
    network: &Labeler,
    list: &List,
    frames: Frames,
    recipe: &Finetune,
) -> anyhow::Result<Scored> {
    let options = labeled_loader_options(&recipe.data);
    let (labeled, clips) = (list.labeled.clone(), list.clips.clone());
    let batch = recipe.evaluation.batch;
    let mut batches = LabeledEvaluation::new(labeled, clips, frames, batch, options)?;
    let (mut clips, mut rows) = (Vec::new(), Vec::new());
    for batch in batches.by_ref() {
        let batch = batch?;
        rows.push(tch::no_grad(|| probabilities(network, &batch, recipe))?);
        clips.extend(batch.clips);
    }
    ensure!(!clips.is_empty(), "no clip of `{}` can be read", list.name);
    let views: Vec<ArrayView2<'_, f32>> = rows.iter().map(Array2::view).collect();
    Ok(Scored {
        list: list.name.clone(),
        listed: list.clips.len(),
        digest: list.digest.clone(),
        left_out: batches.skipped().iter().map(ToString::to_string).collect(),
        clips,
        scores: concatenate(Axis(0), &views)?,
    })
}

/// The probabilities of one batch, `[b, classes]`.
fn probabilities(
    network: &Labeler,
    batch: &FramedBatch,
    recipe: &Finetune,
) -> anyhow::Result<Array2<f32>> {
    let device = network.store.device();
    let view =
        |(modality, view): (&Modality, &Array4<f32>)| (*modality, feed::tensor(view, device));
    let views: BTreeMap<Modality, Tensor> = batch.parts.iter().map(view).collect();
    let forward = || network.scores(&views, &BTreeMap::new(), Some(&batch.frames));
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
