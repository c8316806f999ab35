//! The classes of training clips, for methods that use labels beside what unlabeled clips bring.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use equiav_data::Clips;
use tch::{Kind, Tensor};

use crate::clips::{DeviceBatch, RunClips};

/// Which classes each training clip is of.
#[derive(Clone, Debug)]
pub(crate) struct Classes {
    names: Vec<String>,
    of_clip: Vec<Vec<i64>>,
}

impl Classes {
    /// Those of the clips that `clips` trains on; none of arrays, whose labels come with each batch.
    ///
    /// # Errors
    ///
    /// If no clip of a list has a label.
    pub(crate) fn of(clips: &RunClips) -> anyhow::Result<Option<Self>> {
        clips.train.clips().map(Self::of_list).transpose()
    }

    fn of_list(clips: &Clips) -> anyhow::Result<Self> {
        let labels = |clip| clips.labels(clip).into_iter().map(str::to_owned);
        let names: std::collections::BTreeSet<String> = (0..clips.len()).flat_map(labels).collect();
        ensure!(
            !names.is_empty(),
            "the method learns from classes, and no training clip has a label (help: `labels` in the manifest)"
        );
        let place: BTreeMap<&str, i64> =
            names.iter().enumerate().map(|(place, name)| (name.as_str(), place as i64)).collect();
        let classes = |clip| clips.labels(clip).into_iter().map(|name| place[name]).collect();
        let of_clip = (0..clips.len()).map(classes).collect();
        Ok(Self { of_clip, names: names.into_iter().collect() })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.names.len()
    }

    /// The class of each of `clips` of `list`; none where one is of none, of several, or of one that is not learned.
    pub(crate) fn single(&self, list: &Clips, clips: &[usize]) -> Option<Vec<i64>> {
        let class = |clip: &usize| match list.labels(*clip)[..] {
            [label] => self.names.iter().position(|name| name == label).map(|place| place as i64),
            _ => None,
        };
        clips.iter().map(class).collect()
    }

    fn rows(&self, batch: &DeviceBatch) -> Tensor {
        let (rows, columns) = (batch.visits.len(), self.names.len());
        let mut shares = vec![0f32; rows * columns];
        for (row, visit) in batch.visits.iter().enumerate() {
            for class in &self.of_clip[visit.clip] {
                shares[row * columns + *class as usize] = 1.0;
            }
        }
        Tensor::from_slice(&shares).view([rows as i64, columns as i64])
    }
}

/// How much of each class is in each clip of `batch`, `[b, classes]`, by `classes` where there are any, else by its labels.
///
/// # Errors
///
/// If there are neither.
pub(crate) fn shares(batch: &DeviceBatch, classes: Option<&Classes>) -> anyhow::Result<Tensor> {
    match classes {
        Some(classes) => Ok(classes.rows(batch).to_device(batch.device())),
        None => {
            let labels = batch
                .labels
                .as_ref()
                .context("the method learns from classes, and there are no labels")?;
            Ok(labels.to_kind(Kind::Float))
        }
    }
}
