//! The lists of clips that are measured while training, and the ranks that share the work.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{bail, ensure};
use equiav_augment::Modality;
use equiav_data::{Dataset, EvaluationLoader, LoaderOptions, PlainBatch, Visit};
use ndarray::{Array2, Array4, ArrayD, ArrayView2, Axis, concatenate};
use tch::{Device, Kind, Tensor};

use super::device_batch::{DeviceBatch, Input, InputView, plain_material, tensor};
use super::train_clips::TrainClips;
use crate::distributed::{ShardedRows, World, own_positions};
use crate::recipe::Precision;

/// The lists of clips that are measured while training.
#[derive(Clone, Copy, Debug)]
pub struct EvaluationLists<'a> {
    /// The lists, by name, in the order of reporting.
    pub lists: &'a [(String, Arc<Dataset>)],
    /// The clips that are trained on.
    pub train: &'a TrainClips,
    /// Who shares the work.
    pub world: &'a World,
    /// Clips per forward pass.
    pub batch: usize,
    /// How clips are fed.
    pub options: LoaderOptions,
    /// What the recipe has networks compute in.
    pub precision: Precision,
}

impl EvaluationLists<'_> {
    /// What `embed` makes of the plain views of every readable clip of `dataset`, by name: each rank embeds its
    /// share of the batches, all get the whole, in the order of the list.
    ///
    /// # Errors
    ///
    /// If no clip can be read, `embed` fails, its rows are no `[b, width]`, or a rank does not take part.
    pub fn embed(
        &self,
        dataset: &Arc<Dataset>,
        device: Device,
        embed: impl Fn(&DeviceBatch) -> anyhow::Result<BTreeMap<String, Tensor>>,
    ) -> anyhow::Result<ShardedRows> {
        let mine = own_positions(dataset.len(), self.batch, self.world);
        let batches = EvaluationLoader::new(dataset.clone(), mine, self.batch, self.options)?;
        let all = embed_batches(batches, device, embed)?.gather(self.world)?;
        ensure!(!all.clips.is_empty(), "no clip can be read");
        Ok(all)
    }
}

impl EvaluationLists<'_> {
    /// What `embed` makes of the plain views of the clips that are trained on, or of `most` of them spread over the list; as
    /// [`embed`](Self::embed), with positions in the training list.
    ///
    /// # Errors
    ///
    /// As [`embed`](Self::embed).
    pub fn embed_train(
        &self,
        most: Option<usize>,
        device: Device,
        embed: impl Fn(&DeviceBatch) -> anyhow::Result<BTreeMap<String, Tensor>>,
    ) -> anyhow::Result<ShardedRows> {
        let count = self.train.len();
        let taken = most.unwrap_or(count).clamp(1, count);
        let place = |number: usize| number * count / taken;
        let mine = own_positions(taken, self.batch, self.world).into_iter().map(place).collect();
        let own = match self.train {
            TrainClips::Unlabeled { dataset, .. } => embed_batches(
                EvaluationLoader::new(dataset.clone(), mine, self.batch, self.options)?,
                device,
                embed,
            )?,
            TrainClips::Labeled { .. } => bail!("labeled clips are not embedded for training"),
            TrainClips::Arrays(clips) => {
                let batches = mine.chunks(self.batch.max(1)).map(|rows| clips.rows(rows));
                embed_each(batches.map(|rows| Ok(rows.to_device(device))), embed)?
            }
        };
        let all = own.gather(self.world)?;
        ensure!(!all.clips.is_empty(), "no clip can be read");
        Ok(all)
    }
}

/// What `embed` makes of the plain views of every readable clip of `batches`, by name, in their order.
///
/// # Errors
///
/// If the data set's folder is gone, `embed` fails, or its rows are no `[b, width]`.
pub(crate) fn embed_batches(
    mut batches: EvaluationLoader,
    device: Device,
    embed: impl Fn(&DeviceBatch) -> anyhow::Result<BTreeMap<String, Tensor>>,
) -> anyhow::Result<ShardedRows> {
    let plain_views = batches.by_ref().map(|batch| Ok(plain(&batch?, device)));
    let all = embed_each(plain_views, embed)?;
    let skipped = batches.skipped().iter().map(|error| (error.clip, error.to_string())).collect();
    Ok(ShardedRows { skipped, ..all })
}

/// What `embed` makes of every batch, by name, in their order.
fn embed_each(
    batches: impl Iterator<Item = anyhow::Result<DeviceBatch>>,
    embed: impl Fn(&DeviceBatch) -> anyhow::Result<BTreeMap<String, Tensor>>,
) -> anyhow::Result<ShardedRows> {
    let mut clips = Vec::new();
    let mut blocks: BTreeMap<String, Vec<Array2<f32>>> = BTreeMap::new();
    for batch in batches {
        let batch = batch?;
        for (name, rows) in tch::no_grad(|| embed(&batch))? {
            let rows: ArrayD<f32> =
                (&rows.to_kind(Kind::Float).to_device(Device::Cpu)).try_into()?;
            blocks.entry(name).or_default().push(rows.into_dimensionality()?);
        }
        clips.extend(batch.clips());
    }
    let stack = |(name, blocks): (String, Vec<Array2<f32>>)| {
        let views: Vec<ArrayView2<'_, f32>> = blocks.iter().map(Array2::view).collect();
        Ok((name, concatenate(Axis(0), &views)?))
    };
    let rows = blocks.into_iter().map(stack).collect::<anyhow::Result<_>>()?;
    Ok(ShardedRows { clips, skipped: BTreeMap::new(), rows })
}

/// The plain views of `batch` on `device`.
fn plain(batch: &PlainBatch, device: Device) -> DeviceBatch {
    let input = |(modality, values): (&Modality, &Array4<f32>)| {
        let material = plain_material(batch, *modality, device);
        let plain = InputView { values: tensor(values, device), material };
        (*modality, Input { plain, augmented: None, vectors: None, centroid: None })
    };
    let visit = |clip: &usize| Visit { epoch: 0, repetition: 0, clip: *clip };
    DeviceBatch {
        inputs: batch.parts.iter().map(input).collect(),
        labels: None,
        visits: batch.clips.iter().map(visit).collect(),
    }
}
