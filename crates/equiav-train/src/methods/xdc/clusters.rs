//! The clusters that training clips are in: fitted at an epoch's start, kept until the next clustering, saved with the run.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use equiav_augment::{Purpose, stream};
use equiav_cca::{ClusterDistance, ClusterStart, k_means, nearest_centroids};
use ndarray::Array2;
use tch::{Device, Kind, Tensor};

use crate::distributed::{ShardedRows, World};
use crate::engine::Named;

/// Steps of k-means at most; it mostly rests before.
const MOST_STEPS: usize = 100;

/// The clusters of each space, which is a modality or all of them side by side.
#[derive(Debug, Default)]
pub(super) struct Clusters {
    /// Each training clip's, and -1 where it could not be read, `[n]`.
    labels: Named,
    /// `[k, d]`.
    centroids: Named,
}

/// How rows are put into clusters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clustering {
    pub(super) clusters: usize,
    pub(super) distance: ClusterDistance,
    pub(super) seed: u64,
    /// The epoch, counted from 0, which keys the start.
    pub(super) epoch: u64,
}

impl Clusters {
    /// Puts the rows of `all` into clusters, space by space, of a list of `clips`; rank 0 does it for all ranks.
    ///
    /// # Errors
    ///
    /// If there are fewer rows than clusters, or a rank does not take part.
    pub(super) fn fit(
        all: &ShardedRows,
        clips: usize,
        how: Clustering,
        world: &World,
    ) -> anyhow::Result<Self> {
        let mut found = Self::default();
        for (place, (space, rows)) in all.rows.iter().enumerate() {
            let k = how.clusters;
            let fit = || {
                let count = rows.nrows();
                ensure!(count >= k, "method.clusters = {k}: there are {count} training clips");
                let mut rng = stream(how.seed, how.epoch, place as u64, Purpose::Clusters);
                let start = ClusterStart::PlusPlus(k);
                let fit = k_means(&tensor(rows), how.distance, start, MOST_STEPS, &mut rng);
                let labels: Vec<i64> = Vec::try_from(&fit.labels)?;
                let centroids: Vec<f64> = Vec::try_from(fit.centroids.flatten(0, -1))?;
                Ok((labels, centroids))
            };
            let (of_rows, centroids) = world.rank0_then_broadcast("clusters", fit)?;
            let mut labels = vec![-1i64; clips];
            all.clips.iter().zip(of_rows).for_each(|(clip, label)| labels[*clip] = label);
            found.labels.insert(space.clone(), Tensor::from_slice(&labels));
            let centroids = Tensor::from_slice(&centroids).view([k as i64, -1]);
            found.centroids.insert(space.clone(), centroids);
        }
        Ok(found)
    }

    /// The cluster of `clip` in `space`; none of one that could not be read.
    ///
    /// # Errors
    ///
    /// If nothing has been put into clusters there.
    pub(super) fn label(&self, space: &str, clip: usize) -> anyhow::Result<Option<usize>> {
        let labels = self.labels.get(space);
        let labels = labels.context("there are no clusters before the first epoch's start")?;
        Ok(usize::try_from(labels.int64_value(&[clip as i64])).ok())
    }

    /// The nearest centroid of each row, `[n]`; none where the space has none of that width.
    pub(super) fn nearest(
        &self,
        space: &str,
        rows: &Tensor,
        distance: ClusterDistance,
    ) -> Option<Tensor> {
        let centroids = self.centroids.get(space)?;
        let fits = centroids.size()[1] == rows.size()[1];
        fits.then(|| nearest_centroids(rows, centroids, distance))
    }

    /// What a checkpoint holds of it.
    pub(super) fn state(&self) -> Named {
        let mut state = Named::new();
        for (kind, all) in [("labels", &self.labels), ("centroids", &self.centroids)] {
            let named =
                all.iter().map(|(space, rows)| (format!("{kind}.{space}"), rows.shallow_clone()));
            state.extend(named);
        }
        state
    }

    /// That of a checkpoint.
    ///
    /// # Errors
    ///
    /// If it is of another method.
    pub(super) fn load(state: Named) -> anyhow::Result<Self> {
        let mut loaded = Self::default();
        for (name, rows) in state {
            let into = match name.split_once('.') {
                Some(("labels", space)) => loaded.labels.entry(space.to_owned()),
                Some(("centroids", space)) => loaded.centroids.entry(space.to_owned()),
                _ => bail!("`{name}` is of another method"),
            };
            into.or_insert(rows.to_device(Device::Cpu));
        }
        Ok(loaded)
    }
}

/// Rows by name as one tensor each, in 32 bits.
pub(super) fn tensor(rows: &Array2<f32>) -> Tensor {
    Tensor::try_from(rows).expect("rows in standard order").to_kind(Kind::Float)
}

/// The shares of clusters of clips with those labels, `[b, clusters]`; zeros of a clip without one.
pub(super) fn one_hot(labels: &[Option<usize>], clusters: usize) -> Tensor {
    let mut shares = vec![0f32; labels.len() * clusters];
    for (row, label) in labels.iter().enumerate() {
        label.iter().for_each(|label| shares[row * clusters + label] = 1.0);
    }
    Tensor::from_slice(&shares).view([labels.len() as i64, clusters as i64])
}

/// The normalized mutual information of the one label of each clip and its cluster; none where a clip has no label or several.
pub(super) fn information(
    labels: impl Iterator<Item = Option<String>>,
    clusters: &Tensor,
) -> anyhow::Result<Option<f64>> {
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let mut classes = Vec::new();
    for label in labels {
        let Some(label) = label else { return Ok(None) };
        let next = numbers.len();
        classes.push(*numbers.entry(label).or_insert(next));
    }
    let clusters: Vec<i64> = Vec::try_from(clusters)?;
    let clusters: Vec<usize> = clusters.into_iter().map(|cluster| cluster as usize).collect();
    Ok(Some(equiav_eval::normalized_mutual_information(&classes, &clusters)?))
}
