//! Nearest neighbors: the classes of the training clips whose features point the same way.

use equiav_eval::{UnitRows, multilabel_knn_votes};
use ndarray::Axis;

use super::{Part, Score};
use crate::eval::ranking;
use crate::recipe::ClassLoss;

/// The numbers of neighbors that are tried.
pub(super) const SWEEP: [f64; 5] = [1.0, 3.0, 5.0, 10.0, 20.0];
/// How much closer neighbors count more.
const TEMPERATURE: f64 = 0.07;

/// Scores clips by the `k` clips of `train` with the largest cosine, after the mean of all was taken off; of equally
/// near ones the first in the list.
///
/// ```text
/// score of a class = Σ over the k nearest clips of it of exp(cosine / 0.07) / the same sum over all k
/// ```
///
/// # Errors
///
/// If there is no clip, a feature is not finite, or libtorch fails.
pub(super) fn fit(train: &Part, _: ClassLoss, k: f64) -> anyhow::Result<Score> {
    let sum = train.rows.mapv(f64::from).sum_axis(Axis(0));
    let mean = (sum / train.rows.nrows() as f64).mapv(|value| value as f32);
    let gallery = UnitRows::new("training features", (&train.rows - &mean).view())?;
    let targets = train.targets.clone();
    Ok(Box::new(move |part| {
        let queries = UnitRows::new("features", (&part.rows - &mean).view())?;
        let nearest = ranking::top_k(&queries, &gallery, k as usize)?;
        Ok(multilabel_knn_votes(&nearest, targets.view(), TEMPERATURE)?)
    }))
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
