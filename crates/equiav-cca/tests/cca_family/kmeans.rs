//! K-means: against plain loops, with centroids that nobody is near, from a seed.

use equiav_augment::{Purpose, stream};
use equiav_cca::{ClusterDistance, ClusterStart, KMeansFit, k_means, nearest_centroids};
use tch::{Kind, Tensor};

use crate::{largest_difference, normal, numbers};

fn fit(rows: &Tensor, distance: ClusterDistance, clusters: usize, seed: u64) -> KMeansFit {
    let mut rng = stream(seed, 0, 0, Purpose::Clusters);
    k_means(rows, distance, ClusterStart::PlusPlus(clusters), 100, &mut rng)
}

fn labels(fit: &KMeansFit) -> Vec<i64> {
    Vec::try_from(&fit.labels).expect("labels")
}

/// Four clouds of 50 rows.
fn clouds() -> Tensor {
    let centers = normal(4, 6, 1) * 10.0;
    centers.repeat_interleave_self_int(50, 0, 200) + normal(200, 6, 2)
}

#[test]
fn clouds_are_found_and_inertia_never_rises() {
    for distance in [ClusterDistance::Euclidean, ClusterDistance::Cosine] {
        let found = fit(&clouds(), distance, 4, 5);
        let labels = labels(&found);
        for cloud in labels.chunks(50) {
            assert!(cloud.iter().all(|label| *label == cloud[0]), "{distance:?}");
        }
        let found = fit(&normal(20_000, 5, 3), distance, 30, 5);
        assert!(found.inertia.len() > 5);
        let rises = found.inertia.windows(2).filter(|pair| pair[1] > pair[0] * (1.0 + 1e-12));
        assert_eq!(rises.count(), 0, "{distance:?}: {:?}", found.inertia);
    }
}

#[test]
fn steps_equal_plain_loops() {
    let (rows, start) = (normal(60, 3, 7), normal(5, 3, 8));
    let mut rng = stream(0, 0, 0, Purpose::Clusters);
    let euclidean = ClusterDistance::Euclidean;
    let found = k_means(&rows, euclidean, ClusterStart::Warm(&start), 3, &mut rng);
    let (rows, mut centers) = (numbers(&rows), numbers(&start));
    let nearest = |centers: &[f64]| -> Vec<usize> {
        let far = |row: &[f64], center: &[f64]| -> f64 {
            row.iter().zip(center).map(|(x, y)| (x - y) * (x - y)).sum()
        };
        let nearest = |row: &[f64]| {
            let each = centers.chunks(3).map(|center| far(row, center)).enumerate();
            each.min_by(|a, b| a.1.total_cmp(&b.1)).expect("a center").0
        };
        rows.chunks(3).map(nearest).collect()
    };
    for _ in 0..3 {
        let labels = nearest(&centers);
        for cluster in 0..5 {
            let own = rows.chunks(3).zip(&labels).filter(|(_, label)| **label == cluster);
            let own: Vec<&[f64]> = own.map(|(row, _)| row).collect();
            for column in 0..3 {
                let sum: f64 = own.iter().map(|row| row[column]).sum();
                centers[3 * cluster + column] = sum / own.len() as f64;
            }
        }
    }
    let centers_found = numbers(&found.centroids);
    assert!(centers_found.iter().zip(&centers).all(|(x, y)| (x - y).abs() < 1e-12));
    let expected: Vec<i64> = nearest(&centers).into_iter().map(|label| label as i64).collect();
    assert_eq!(labels(&found), expected);
}

#[test]
fn a_cluster_without_rows_takes_the_farthest_row() {
    let rows = Tensor::from_slice(&[0.0, 1.0, 2.0, 30.0]).view([4, 1]);
    let start = Tensor::from_slice(&[1.0, -1000.0]).view([2, 1]);
    let mut rng = stream(0, 0, 0, Purpose::Clusters);
    let euclidean = ClusterDistance::Euclidean;
    let found = k_means(&rows, euclidean, ClusterStart::Warm(&start), 10, &mut rng);
    assert_eq!(labels(&found), [0, 0, 0, 1]);
    assert_eq!(numbers(&found.centroids), [1.0, 30.0]);
    // As many clusters as rows, all alike: no cluster stays empty, nothing is divided by 0.
    let same = Tensor::ones([3, 2], (Kind::Double, rows.device()));
    let found = fit(&same, euclidean, 3, 1);
    let mut all = labels(&found);
    all.sort_unstable();
    assert_eq!((all, found.inertia[0]), (vec![0, 1, 2], 0.0));
    assert!(largest_difference(&found.centroids, &same) == 0.0);
}

#[test]
fn the_seed_decides_and_a_warm_start_never_loses() {
    let rows = normal(500, 8, 4);
    for distance in [ClusterDistance::Euclidean, ClusterDistance::Cosine] {
        let first = fit(&rows, distance, 12, 1);
        let again = fit(&rows, distance, 12, 1);
        assert_eq!(labels(&first), labels(&again));
        assert_eq!(numbers(&first.centroids), numbers(&again.centroids));
        assert_ne!(labels(&first), labels(&fit(&rows, distance, 12, 2)));
        let mut rng = stream(9, 0, 0, Purpose::Clusters);
        let warm = ClusterStart::Warm(&first.centroids);
        let warm = k_means(&rows, distance, warm, 10, &mut rng);
        let last = first.inertia.last().expect("a step");
        assert!(warm.inertia.iter().all(|inertia| *inertia <= last * (1.0 + 1e-12)));
    }
}

#[test]
fn with_cosines_the_largest_product_decides() {
    let rows = normal(300, 8, 4) * 3.0;
    let found = fit(&rows, ClusterDistance::Cosine, 6, 1);
    let lengths = found.centroids.norm_scalaropt_dim(2, [1i64].as_slice(), false);
    assert!(largest_difference(&lengths, &lengths.ones_like()) < 1e-12);
    let expected = rows.matmul(&found.centroids.tr()).argmax(1, false);
    assert!(found.labels.equal(&expected));
    assert!(nearest_centroids(&rows, &found.centroids, ClusterDistance::Cosine).equal(&expected));
}
