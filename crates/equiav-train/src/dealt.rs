//! A list dealt out over processes to be measured, and its rows put together again.

use std::collections::BTreeMap;

use equiav_torch::GroupError;
use ndarray::{Array2, ArrayD, Axis};
use tch::{Device, Kind, Tensor};

use crate::processes::Processes;

/// The rows of some clips of a list.
#[derive(Debug)]
pub(crate) struct Dealt<K> {
    /// The position of each row's clip in the list.
    pub(crate) clips: Vec<usize>,
    /// Why each of the other clips could not be read, by its position.
    pub(crate) left_out: BTreeMap<usize, String>,
    /// The rows, of one length for each key.
    pub(crate) rows: BTreeMap<K, Array2<f32>>,
}

/// The positions below `count` that this process measures: every so many batches of `batch`.
///
/// The batches are those of one process, so that the same rows meet in every product.
pub(crate) fn share(count: usize, batch: usize, processes: &Processes) -> Vec<usize> {
    let (rank, world) = (processes.group.rank(), processes.world());
    (0..count).filter(|clip| clip / batch % world == rank).collect()
}

impl<K: Copy + Ord + ToString> Dealt<K> {
    /// The rows of all processes, in the order of the list; `widths` are their lengths, for processes
    /// that have none.
    pub(crate) fn gather(
        self,
        processes: &Processes,
        widths: &BTreeMap<K, usize>,
    ) -> anyhow::Result<Self> {
        if processes.world() == 1 {
            return Ok(self);
        }
        // Not all have the same number of batches, and one batch may take long.
        processes.group.await_all("clips measured")?;
        let bring = serde_json::to_string(&(&self.clips, &self.left_out))?;
        let (mut clips, mut left_out) = (Vec::new(), BTreeMap::new());
        for theirs in processes.group.gather_text(&bring, "clips measured")? {
            let (positions, reasons): (Vec<usize>, BTreeMap<usize, String>) =
                serde_json::from_str(&theirs)?;
            clips.extend(positions);
            left_out.extend(reasons);
        }
        let mut order: Vec<usize> = (0..clips.len()).collect();
        order.sort_by_key(|row| clips[*row]);
        let mut rows = BTreeMap::new();
        for (key, width) in widths {
            let own = match self.rows.get(key) {
                Some(rows) => Tensor::try_from(rows)?,
                None => Tensor::zeros([0, *width as i64], (Kind::Float, Device::Cpu)),
            };
            let all = gather(processes, &own, &format!("rows, {}", key.to_string()))?;
            let all: ArrayD<f32> = (&all).try_into()?;
            rows.insert(*key, all.into_dimensionality()?.select(Axis(0), &order));
        }
        let clips = order.into_iter().map(|row| clips[row]).collect();
        Ok(Self { clips, left_out, rows })
    }
}

fn gather(processes: &Processes, own: &Tensor, purpose: &str) -> Result<Tensor, GroupError> {
    Ok(Tensor::cat(&processes.group.gather_rows(own, purpose)?, 0))
}
