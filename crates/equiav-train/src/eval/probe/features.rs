//! Features of clips: the mean of the plain view's tokens, of each modality.

use std::collections::BTreeMap;
use std::sync::Arc;

use equiav_augment::Modality;
use equiav_data::{Dataset, Loader, PlainBatch};
use ndarray::{Array2, ArrayD, ArrayView2, Axis, concatenate};
use tch::{Device, Kind, Tensor};

use crate::clips;
use crate::engine::narrowed;
use crate::model::Network;
use crate::recipe::Settings;

/// The features of the readable clips of one list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Features {
    /// The position of each row's clip in the list, ascending.
    pub(crate) clips: Vec<usize>,
    /// Why each of the other clips could not be read.
    pub(crate) skipped: Vec<String>,
    /// `[clips, width]`.
    pub(crate) rows: BTreeMap<Modality, Array2<f32>>,
}

/// The features of every readable clip of `dataset`.
///
/// # Errors
///
/// If the data set's folder is gone.
pub(crate) fn features(
    dataset: Arc<Dataset>,
    network: &Network,
    recipe: &Settings,
) -> anyhow::Result<Features> {
    let options = clips::loader_options(&recipe.data);
    let mut batches = Loader::evaluation(dataset, recipe.evaluation.batch, options)?;
    let mut clips = Vec::new();
    let mut rows: BTreeMap<Modality, Vec<Array2<f32>>> = BTreeMap::new();
    for batch in batches.by_ref() {
        let batch: PlainBatch = batch?;
        for (modality, plain) in &batch.parts {
            let material = clips::plain_material(&batch, *modality, network.store.device());
            let plain = clips::tensor(plain, network.store.device());
            let pooled = || {
                let pooled = network.branches[modality].pooled(&plain, material.as_ref());
                pooled.to_kind(Kind::Float)
            };
            let pooled =
                tch::no_grad(|| narrowed(network.store.device(), recipe.compute.precision, pooled));
            rows.entry(*modality).or_default().push(array(&pooled)?);
        }
        clips.extend(batch.clips);
    }
    let stack = |(modality, blocks): (Modality, Vec<Array2<f32>>)| {
        let views: Vec<ArrayView2<'_, f32>> = blocks.iter().map(Array2::view).collect();
        Ok((modality, concatenate(Axis(0), &views)?))
    };
    let rows = rows.into_iter().map(stack).collect::<anyhow::Result<_>>()?;
    let skipped = batches.skipped().iter().map(ToString::to_string).collect();
    Ok(Features { clips, skipped, rows })
}

/// A matrix as an array.
pub(crate) fn array(tensor: &Tensor) -> anyhow::Result<Array2<f32>> {
    let tensor = tensor.to_kind(Kind::Float).to_device(Device::Cpu).contiguous();
    let array: ArrayD<f32> = (&tensor).try_into()?;
    Ok(array.into_dimensionality()?)
}
