//! Nearest neighbors: the classes of the training clips whose features point the same way.

use tch::{Device, Kind, Tensor};

use super::features::array;
use super::{Part, Score};
use crate::feed;
use crate::settings::ClassLoss;

/// The numbers of neighbors that are tried.
pub(super) const SWEEP: [f64; 5] = [1.0, 3.0, 5.0, 10.0, 20.0];
/// How much closer neighbors count more.
const TEMPERATURE: f64 = 0.07;

/// Scores clips by the `k` clips of `train` with the largest cosine, after the mean of all was taken off.
///
/// ```text
/// score of a class = Σ over the k nearest clips of it of exp(cosine / 0.07) / the same sum over all k
/// ```
///
/// # Errors
///
/// If libtorch fails.
pub(super) fn fit(train: &Part, _: ClassLoss, k: f64) -> anyhow::Result<Score> {
    let rows = feed::tensor(&train.rows.as_standard_layout().to_owned(), Device::Cpu);
    let mean = rows.mean_dim([0i64].as_slice(), true, Kind::Float);
    let keys = unit(&(rows - &mean)).tr();
    let targets = feed::tensor(&train.targets, Device::Cpu);
    let k = (k as i64).min(targets.size()[0]);
    Ok(Box::new(move |part| {
        let rows = feed::tensor(&part.rows.as_standard_layout().to_owned(), Device::Cpu);
        let cosines = unit(&(rows - &mean)).matmul(&keys);
        let (values, places) = cosines.topk(k, -1, true, true);
        let weights = (values / TEMPERATURE).softmax(-1, Kind::Float); // [n, k]
        let votes = targets.index_select(0, &places.flatten(0, 1)); // [n · k, classes]
        let votes = votes.view([-1, k, targets.size()[1]]);
        array(&weights.unsqueeze(1).matmul(&votes).squeeze_dim(1))
    }))
}

/// The rows of `x`, divided by their lengths.
fn unit(x: &Tensor) -> Tensor {
    x / x.norm_scalaropt_dim(2, [1i64].as_slice(), true).clamp_min(1e-12)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn votes_equal_a_case_by_hand() {
        // Directions at 0, 90 and 180 degrees; their mean lies on the axis of the second.
        let train = Part {
            clips: vec![0, 1, 2],
            rows: array![[1.0, 0.0], [0.0, 3.0], [-1.0, 0.0]],
            targets: array![[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]],
        };
        let query = Part { clips: vec![0], rows: array![[4.0, 1.0]], targets: array![[0.0, 0.0]] };
        let one = fit(&train, ClassLoss::Ce, 1.0).expect("a fit")(&query).expect("scores");
        assert_eq!(one, array![[1.0, 0.0]]);
        // Less the mean (0, 1): the query points along (1, 0), the clips along (1, -1), (0, 1), (-1, -1).
        let all = fit(&train, ClassLoss::Ce, 9.0).expect("a fit")(&query).expect("scores");
        let weight = |cosine: f64| (cosine / TEMPERATURE).exp();
        let half = 0.5f64.sqrt();
        let sum = weight(half) + weight(0.0) + weight(-half);
        assert!((f64::from(all[(0, 0)]) - weight(half) / sum).abs() < 1e-5);
        assert!((all.sum() - 1.0).abs() < 1e-5);
    }
}
