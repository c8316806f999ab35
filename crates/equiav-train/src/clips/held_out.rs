//! A few clips that are not trained on, in memory, each with one augmentation that stays the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use equiav_data::{Dataset, Loader, LoaderOptions, Sampler};
use ndarray::{Array2, ArrayD};
use tch::{Device, Kind, Tensor};

use super::device_batch::{DeviceBatch, HostBatch};
use crate::distributed::{ShardedRows, World};

/// The epoch whose augmentations these clips have: no training reaches it, and draws are keyed by it.
const EPOCH: u64 = (1 << 32) + 1;

/// Held-out clips as a method gets them, plain and augmented views with their vectors: this rank's share.
#[derive(Clone, Copy, Debug)]
pub struct HeldOut<'a> {
    /// Who shares the work.
    pub world: &'a World,
    clips: &'a HeldOutClips,
}

/// What is kept of them between two measurements.
#[derive(Clone, Debug)]
pub(crate) struct HeldOutClips {
    /// Of this rank, clips of one forward pass each.
    pub(crate) batches: Vec<HostBatch>,
    /// The label of each clip of all ranks that has a single one, by its position in the list.
    pub(crate) labels: BTreeMap<usize, String>,
}

/// How many clips of each rank, and how many of them go forward at a time; none where they are too few for a pair.
pub(crate) fn share(clips: usize, batch: usize, world: &World) -> Option<(usize, usize)> {
    let own = world.share(clips);
    if own * world.size() < 2 {
        return None;
    }
    let batches = own.div_ceil(batch);
    Some((own / batches * batches, own / batches))
}

impl HeldOutClips {
    /// Reads `own` clips of `dataset` for each rank, `batch` at a time, chosen by the data set's seed; another clip
    /// takes the place of one that cannot be read.
    ///
    /// # Errors
    ///
    /// If no clip can be read, or the system gives no thread.
    pub(crate) fn read(
        dataset: &Arc<Dataset>,
        (own, batch): (usize, usize),
        options: LoaderOptions,
        world: &World,
    ) -> anyhow::Result<Self> {
        let all = Sampler::new(dataset.seed(), dataset.len(), 1).order(EPOCH);
        let (rank, chosen) = (world.group.rank(), own * world.size());
        let mine = all[rank * own..(rank + 1) * own].to_vec();
        // They are measured, not learned from: a list of which much is unreadable ends no run.
        let options = LoaderOptions { max_unreadable: 1.0, ..options };
        let loader = Loader::new(dataset.clone(), EPOCH, mine, batch, options)
            .context("reading held-out clips")?;
        let batches = loader.map(|batch| anyhow::Ok(HostBatch::Unlabeled(batch?)));
        let label = |clip: &usize| match dataset.clips().labels(*clip)[..] {
            [label] => Some((*clip, label.to_owned())),
            _ => None,
        };
        Ok(Self {
            batches: batches.collect::<anyhow::Result<_>>().context("reading held-out clips")?,
            labels: all[..chosen].iter().filter_map(label).collect(),
        })
    }
}

impl<'a> HeldOut<'a> {
    pub(crate) fn new(clips: &'a HeldOutClips, world: &'a World) -> Self {
        Self { world, clips }
    }

    /// The label of the clip at that position of the list, where it has a single one.
    pub fn label(&self, clip: usize) -> Option<&'a str> {
        self.clips.labels.get(&clip).map(String::as_str)
    }

    /// What `embed` makes of all clips, those of the other ranks included, without a gradient; what is no `[b, width]`
    /// is left out.
    ///
    /// # Errors
    ///
    /// If `embed` fails, or a rank does not take part.
    pub fn embed(
        &self,
        device: Device,
        embed: impl Fn(&DeviceBatch) -> anyhow::Result<BTreeMap<String, Tensor>>,
    ) -> anyhow::Result<ShardedRows> {
        let (mut clips, mut blocks) = (Vec::new(), BTreeMap::<String, Vec<Tensor>>::new());
        for host in &self.clips.batches {
            let batch = host.to_device(EPOCH, device);
            for (name, rows) in tch::no_grad(|| embed(&batch))? {
                if rows.dim() == 2 {
                    let rows = rows.to_kind(Kind::Float).to_device(Device::Cpu);
                    blocks.entry(name).or_default().push(rows);
                }
            }
            clips.extend(batch.clips());
        }
        let stack = |(name, blocks): (String, Vec<Tensor>)| {
            let rows: ArrayD<f32> = (&Tensor::cat(&blocks, 0)).try_into()?;
            let rows: Array2<f32> = rows.into_dimensionality()?;
            anyhow::Ok((name, rows))
        };
        let rows = blocks.into_iter().map(stack).collect::<anyhow::Result<_>>()?;
        ShardedRows { clips, skipped: BTreeMap::new(), rows }.gather(self.world)
    }
}
