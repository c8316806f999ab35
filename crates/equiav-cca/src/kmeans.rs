//! K-means with k-means++ starts, on whole tensors, the same for the same stream of random numbers.

use equiav_augment::random::{below, unit};
use rand::Rng;
use tch::{Kind, Tensor, no_grad};

use crate::sizes;

/// Rows that are compared with all centroids at a time, for memory's sake.
const BLOCK: i64 = 8192;
/// The shortest length a row is divided by; a row of zeros stays one.
const SHORTEST_ROW: f64 = 1e-12;

/// How far a row is from a centroid.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClusterDistance {
    /// The squared length of the difference; a centroid is the mean of its rows.
    Euclidean,
    /// One minus the cosine; a centroid is the direction of the mean of its rows' directions.
    Cosine,
}

/// Where the centroids start.
#[derive(Clone, Copy, Debug)]
pub enum ClusterStart<'c> {
    /// At so many rows, each drawn with a chance in proportion to its distance from those before it (k-means++,
    /// Arthur and Vassilvitskii 2007).
    PlusPlus(usize),
    /// At those of a former fit, `[k, d]`.
    Warm(&'c Tensor),
}

/// Rows in clusters.
#[derive(Debug)]
pub struct KMeansFit {
    /// `[k, d]`, 64 bits; of unit length for [`ClusterDistance::Cosine`].
    pub centroids: Tensor,
    /// The cluster of each row, `[n]`, 64-bit whole numbers.
    pub labels: Tensor,
    /// The sum of the rows' distances from their centroids after every step, which never rises.
    pub inertia: Vec<f64>,
}

/// Lloyd's algorithm: rows go to their nearest centroid, centroids to the middle of their rows, until no row moves or
/// `max_steps` are over.
///
/// A cluster that no row is nearest to takes the row that is farthest from its own centroid, among clusters of several
/// rows. Nothing but `rows`, the start and `rng` decides the result; on a GPU neither, since nothing is added up
/// atomically.
///
/// # Shapes
///
/// - `rows`: `[n, d]`
///
/// # Panics
///
/// If there are fewer rows than clusters, no cluster, a start of another width, or a number that is not finite.
#[track_caller]
pub fn k_means(
    rows: &Tensor,
    distance: ClusterDistance,
    start: ClusterStart<'_>,
    max_steps: usize,
    rng: &mut impl Rng,
) -> KMeansFit {
    let (n, d) = sizes("k_means", rows);
    let clusters = match start {
        ClusterStart::PlusPlus(clusters) => clusters as i64,
        ClusterStart::Warm(centroids) => {
            let (clusters, width) = sizes("k_means: centroids", centroids);
            assert_eq!(width, d, "k_means: centroids and rows differ in width");
            clusters
        }
    };
    assert!(0 < clusters && clusters <= n, "k_means: {n} rows cannot have {clusters} clusters");
    no_grad(|| {
        let rows = distance.prepare(rows);
        assert!(rows.isfinite().all().int64_value(&[]) == 1, "k_means: a number is not finite");
        let mut centroids = match start {
            ClusterStart::PlusPlus(_) => plus_plus(&rows, clusters, rng),
            ClusterStart::Warm(centroids) => distance.prepare(&centroids.to_device(rows.device())),
        };
        let mut at = Assigned::to_all(&rows, &centroids);
        let mut inertia = vec![at.inertia(distance)];
        for _ in 0..max_steps {
            centroids = distance.prepare(&means(&rows, &at.labels, clusters));
            let next = Assigned::to_all(&rows, &centroids);
            inertia.push(next.inertia(distance));
            let rests = next.labels.equal(&at.labels);
            at = next;
            if rests {
                break;
            }
        }
        KMeansFit { centroids, labels: at.labels, inertia }
    })
}

/// The nearest centroid of each row.
///
/// # Shapes
///
/// - `rows`: `[n, d]`, `centroids`: `[k, d]`
/// - returns: `[n]`, 64-bit whole numbers
///
/// # Panics
///
/// If the widths differ.
#[track_caller]
pub fn nearest_centroids(rows: &Tensor, centroids: &Tensor, distance: ClusterDistance) -> Tensor {
    let widths = (sizes("nearest_centroids", rows).1, sizes("nearest_centroids", centroids).1);
    assert_eq!(widths.0, widths.1, "nearest_centroids: the widths differ");
    no_grad(|| Assigned::nearest(&distance.prepare(rows), &distance.prepare(centroids)).labels)
}

impl ClusterDistance {
    /// Rows among which the squared Euclidean distance decides: for the cosine, those of unit length, whose squared
    /// distance is `2 - 2 cos`.
    fn prepare(self, rows: &Tensor) -> Tensor {
        let rows = rows.to_kind(Kind::Double);
        match self {
            Self::Euclidean => rows,
            Self::Cosine => {
                let length = rows.norm_scalaropt_dim(2, [1i64].as_slice(), true);
                rows / length.clamp_min(SHORTEST_ROW)
            }
        }
    }
}

/// Rows drawn as k-means++ does, `[k, d]`.
fn plus_plus(rows: &Tensor, clusters: i64, rng: &mut impl Rng) -> Tensor {
    let n = rows.size()[0] as usize;
    let row = |index: usize| rows.narrow(0, index as i64, 1);
    let mut chosen = vec![row(below(n, rng))];
    let mut nearest = squared_distances(rows, &chosen[0]).squeeze_dim(1);
    while (chosen.len() as i64) < clusters {
        let weights = Vec::<f64>::try_from(&nearest).expect("64-bit numbers");
        let all: f64 = weights.iter().sum();
        let mut left = unit(rng) * all;
        let drawn = weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        // Where all rows are among those chosen, any will do; where rounding ran past the end, the last that counts.
        let last = || weights.iter().rposition(|weight| *weight > 0.0);
        let index = drawn.or_else(last).unwrap_or_else(|| below(n, rng));
        chosen.push(row(index));
        nearest = nearest.minimum(&squared_distances(rows, &row(index)).squeeze_dim(1));
    }
    Tensor::cat(&chosen, 0)
}

/// The clusters of rows.
struct Assigned {
    labels: Tensor,
    /// Squared, `[n]`.
    distances: Tensor,
}

impl Assigned {
    /// Nearest ones, without an empty cluster.
    fn to_all(rows: &Tensor, centroids: &Tensor) -> Self {
        let mut assigned = Self::nearest(rows, centroids);
        assigned.reseed(centroids.size()[0]);
        assigned
    }

    fn nearest(rows: &Tensor, centroids: &Tensor) -> Self {
        let blocks = rows.split(BLOCK, 0).into_iter();
        let (distances, labels): (Vec<_>, Vec<_>) =
            blocks.map(|block| squared_distances(&block, centroids).min_dim(1, false)).unzip();
        Self { labels: Tensor::cat(&labels, 0), distances: Tensor::cat(&distances, 0) }
    }

    fn inertia(&self, distance: ClusterDistance) -> f64 {
        let sum = self.distances.sum(Kind::Double).double_value(&[]);
        match distance {
            ClusterDistance::Euclidean => sum,
            ClusterDistance::Cosine => sum / 2.0,
        }
    }

    /// Gives every empty cluster the farthest row of a cluster of several.
    fn reseed(&mut self, clusters: i64) {
        let counts = self.labels.bincount(None::<&Tensor>, clusters);
        let mut counts = Vec::<i64>::try_from(counts).expect("whole numbers");
        if counts.iter().all(|count| *count > 0) {
            return;
        }
        let device = self.labels.device();
        let mut labels = Vec::<i64>::try_from(&self.labels).expect("whole numbers");
        let mut distances = Vec::<f64>::try_from(&self.distances).expect("64-bit numbers");
        for empty in 0..clusters {
            if counts[empty as usize] > 0 {
                continue;
            }
            let movable = (0..labels.len()).filter(|row| counts[labels[*row] as usize] > 1);
            // Of equally far ones the first.
            let farthest = movable.rev().max_by(|a, b| distances[*a].total_cmp(&distances[*b]));
            let row = farthest.expect("as many rows as clusters");
            counts[labels[row] as usize] -= 1;
            counts[empty as usize] = 1;
            (labels[row], distances[row]) = (empty, 0.0);
        }
        self.labels = Tensor::from_slice(&labels).to_device(device);
        self.distances = Tensor::from_slice(&distances).to_device(device);
    }
}

/// `[n, k]` of `[n, d]` and `[k, d]`.
fn squared_distances(rows: &Tensor, centroids: &Tensor) -> Tensor {
    let square = |x: &Tensor| x.square().sum_dim_intlist([1i64].as_slice(), true, Kind::Double);
    let products = rows.matmul(&centroids.tr());
    (square(rows) + square(centroids).tr() - products * 2.0).clamp_min(0.0)
}

/// The mean of the rows of each cluster, by products with indicators: adding by index would add up in any order on
/// a GPU.
fn means(rows: &Tensor, labels: &Tensor, clusters: i64) -> Tensor {
    let mut sums = Tensor::zeros([clusters, rows.size()[1]], (Kind::Double, rows.device()));
    for (rows, labels) in rows.split(BLOCK, 0).iter().zip(labels.split(BLOCK, 0)) {
        sums += labels.one_hot(clusters).to_kind(Kind::Double).tr().matmul(rows);
    }
    let counts = labels.bincount(None::<&Tensor>, clusters).to_kind(Kind::Double);
    sums / counts.unsqueeze(1)
}
