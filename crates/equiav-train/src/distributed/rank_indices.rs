//! A list shared out over ranks to be measured, and its rows put together again.

use std::collections::BTreeMap;

use equiav_torch::GroupError;
use ndarray::{Array2, ArrayD, Axis};
use tch::{Device, Kind, Tensor};

use super::world::World;

/// The rows of some clips of a list.
#[derive(Debug)]
pub struct ShardedRows {
    /// The position of each row's clip in the list.
    pub clips: Vec<usize>,
    /// Why each of the other clips could not be read, by its position.
    pub skipped: BTreeMap<usize, String>,
    /// The rows, of one length for each name.
    pub rows: BTreeMap<String, Array2<f32>>,
}

/// The positions below `count` that this process measures: every so many batches of `batch`.
///
/// The batches are those of one process, so that the same rows meet in every product.
pub(crate) fn own_positions(count: usize, batch: usize, world: &World) -> Vec<usize> {
    let (rank, world) = (world.group.rank(), world.size());
    (0..count).filter(|clip| clip / batch % world == rank).collect()
}

impl ShardedRows {
    /// The rows of all ranks, in the order of the list.
    pub(crate) fn gather(self, world: &World) -> anyhow::Result<Self> {
        if world.size() == 1 {
            return Ok(self);
        }
        // Not all have the same number of batches, and one batch may take long.
        world.group.await_all("clips measured")?;
        // A rank without a row learns names and lengths from the others.
        let own = self.rows.iter().map(|(name, rows)| (name, rows.ncols()));
        let own: BTreeMap<&String, usize> = own.collect();
        let bring = serde_json::to_string(&(&self.clips, &self.skipped, own))?;
        let (mut clips, mut skipped, mut widths) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for theirs in world.group.gather_text(&bring, "clips measured")? {
            let (positions, reasons, names): (
                Vec<usize>,
                BTreeMap<usize, String>,
                BTreeMap<String, usize>,
            ) = serde_json::from_str(&theirs)?;
            clips.extend(positions);
            skipped.extend(reasons);
            widths.extend(names);
        }
        let mut order: Vec<usize> = (0..clips.len()).collect();
        order.sort_by_key(|row| clips[*row]);
        let mut rows = BTreeMap::new();
        for (name, width) in widths {
            let own = match self.rows.get(&name) {
                Some(rows) => Tensor::try_from(rows)?,
                None => Tensor::zeros([0, width as i64], (Kind::Float, Device::Cpu)),
            };
            let all = gather(world, &own, &format!("rows, {name}"))?;
            let all: ArrayD<f32> = (&all).try_into()?;
            rows.insert(name, all.into_dimensionality()?.select(Axis(0), &order));
        }
        let clips = order.into_iter().map(|row| clips[row]).collect();
        Ok(Self { clips, skipped, rows })
    }
}

fn gather(world: &World, own: &Tensor, purpose: &str) -> Result<Tensor, GroupError> {
    Ok(Tensor::cat(&world.group.gather_rows(own, purpose)?, 0))
}
