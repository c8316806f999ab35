//! Top-k accuracy of exclusive classes, and each class by itself.

use ndarray::{Array1, ArrayView2, Axis};
use serde::Serialize;

use super::precision::{Curve, mean};
use crate::bootstrap::{Bootstrap, ConfidenceInterval, intervals};
use crate::retrieval::rank::Rank;
use crate::{EvalError, check_values};

/// How often the right class is among the best `k`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TopKAccuracy {
    /// How many classes an example may name.
    pub k: usize,
    /// The share of the examples whose class is among them, in [0, 1]; of classes with equal scores the mean over
    /// all of their orders counts, see [`Rank`].
    pub share: f64,
    /// How many examples score a wrong class exactly as high as the right one.
    pub ties: usize,
    /// How many examples were measured.
    pub examples: usize,
}

/// How often fewer than `k` classes stand before the right one.
///
/// # Shapes
///
/// - `scores`: `[examples, classes]`
/// - `labels`: one column of `scores` per example
///
/// # Errors
///
/// If the sizes differ, a label is no column, there is no score, or a score is not finite.
pub fn top_k_accuracy(
    scores: ArrayView2<'_, f32>,
    labels: &[usize],
    k: usize,
) -> Result<TopKAccuracy, EvalError> {
    Ok(Places::new(scores, labels)?.top_k(k, &vec![1; labels.len()]))
}

/// How well exclusive classes are told apart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Exclusive {
    /// How often the right class is the best one.
    pub top1: TopKAccuracy,
    /// How often it is among the best five: always, where there are no more.
    pub top5: TopKAccuracy,
    /// Mean of the accuracies over the classes that have examples.
    pub mean_class_accuracy: Option<f64>,
    /// Mean of the average precisions over the classes that have one.
    pub mean_average_precision: Option<f64>,
    /// How many classes have examples.
    pub with_examples: usize,
    /// Each class, in the order of the columns.
    pub classes: Vec<ExclusiveClass>,
}

/// How well one of exclusive classes is told from the others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ExclusiveClass {
    /// How many examples belong to it.
    pub support: usize,
    /// The share of them whose best class it is, in [0, 1], a tie by its part; none without an example.
    pub accuracy: Option<f64>,
    /// Average precision of its scores in [0, 1]; none without an example.
    pub average_precision: Option<f64>,
    /// Area under the ROC curve of its scores in [0, 1]; none without examples of it and of others.
    pub roc_auc: Option<f64>,
    /// [`d_prime`](crate::d_prime) of that area, which may be infinite.
    pub d_prime: Option<f64>,
}

/// The intervals of an [`Exclusive`] over clips.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExclusiveIntervals {
    /// Of the share of `top1`.
    pub top1: Option<ConfidenceInterval>,
    /// Of the share of `top5`.
    pub top5: Option<ConfidenceInterval>,
    /// Of the mean accuracy of the classes that a resample has.
    pub mean_class_accuracy: Option<ConfidenceInterval>,
    /// Of the mean average precision of the classes that a resample has.
    pub mean_average_precision: Option<ConfidenceInterval>,
    /// Of each class's accuracy, in the order of the columns.
    pub class_accuracies: Vec<Option<ConfidenceInterval>>,
}

/// Measures all classes, and each by itself.
///
/// # Shapes
///
/// - `scores`: `[examples, classes]`
/// - `labels`: one column of `scores` per example
///
/// # Errors
///
/// As [`top_k_accuracy`].
pub fn exclusive(scores: ArrayView2<'_, f32>, labels: &[usize]) -> Result<Exclusive, EvalError> {
    let places = Places::new(scores, labels)?;
    Ok(places.exclusive(&places.curves(scores), &vec![1; labels.len()]))
}

/// The intervals of [`exclusive`] over clips.
///
/// # Errors
///
/// As there, or if `how` gives no interval.
pub fn exclusive_intervals(
    scores: ArrayView2<'_, f32>,
    labels: &[usize],
    how: &Bootstrap,
) -> Result<ExclusiveIntervals, EvalError> {
    let places = Places::new(scores, labels)?;
    let curves = places.curves(scores);
    let found = intervals(labels.len(), how, |counts| {
        let all = places.exclusive(&curves, counts);
        let shares = [Some(all.top1.share), Some(all.top5.share)];
        let means = [all.mean_class_accuracy, all.mean_average_precision];
        let classes = all.classes.iter().map(|class| class.accuracy);
        shares.into_iter().chain(means).chain(classes).collect()
    })?;
    Ok(ExclusiveIntervals {
        top1: found[0],
        top5: found[1],
        mean_class_accuracy: found[2],
        mean_average_precision: found[3],
        class_accuracies: found[4..].to_vec(),
    })
}

/// Where each example's right class stands.
struct Places<'l> {
    labels: &'l [usize],
    classes: usize,
    places: Vec<Rank>,
}

impl<'l> Places<'l> {
    fn new(scores: ArrayView2<'_, f32>, labels: &'l [usize]) -> Result<Self, EvalError> {
        check_values("scores", scores)?;
        let (examples, classes) = scores.dim();
        if labels.len() != examples {
            let (scores, targets) = (scores.shape().to_vec(), vec![labels.len()]);
            return Err(EvalError::Sizes { scores, targets });
        }
        let mut places = Vec::with_capacity(examples);
        for (row, (scores, &label)) in scores.axis_iter(Axis(0)).zip(labels).enumerate() {
            let place = Rank::of(scores, |class| class == label);
            places.push(place.ok_or(EvalError::NoSuchClass { row, label, classes })?);
        }
        Ok(Self { labels, classes, places })
    }

    fn top_k(&self, k: usize, counts: &[u32]) -> TopKAccuracy {
        let (mut found, mut ties, mut examples) = (0.0, 0, 0);
        for (place, count) in self.places.iter().zip(counts) {
            found += place.within(k) * f64::from(*count);
            ties += if place.tied > 0 { *count as usize } else { 0 };
            examples += *count as usize;
        }
        TopKAccuracy { k, share: found / examples as f64, ties, examples }
    }

    fn curves(&self, scores: ArrayView2<'_, f32>) -> Vec<Curve> {
        let curve = |(class, scores)| {
            let targets: Array1<bool> = self.labels.iter().map(|label| *label == class).collect();
            Curve::new(scores, targets.view())
        };
        scores.axis_iter(Axis(1)).enumerate().map(curve).collect()
    }

    fn exclusive(&self, curves: &[Curve], counts: &[u32]) -> Exclusive {
        let (mut support, mut right) = (vec![0_usize; self.classes], vec![0.0; self.classes]);
        for ((label, place), count) in self.labels.iter().zip(&self.places).zip(counts) {
            support[*label] += *count as usize;
            right[*label] += place.within(1) * f64::from(*count);
        }
        let class = |(class, curve): (usize, &Curve)| {
            let metrics = curve.metrics(counts);
            let support = support[class];
            ExclusiveClass {
                support,
                accuracy: (support > 0).then(|| right[class] / support as f64),
                average_precision: metrics.average_precision,
                roc_auc: metrics.roc_auc,
                d_prime: metrics.d_prime,
            }
        };
        let classes: Vec<ExclusiveClass> = curves.iter().enumerate().map(class).collect();
        Exclusive {
            top1: self.top_k(1, counts),
            top5: self.top_k(5, counts),
            mean_class_accuracy: mean(classes.iter().filter_map(|class| class.accuracy)),
            mean_average_precision: mean(classes.iter().filter_map(|one| one.average_precision)),
            with_examples: classes.iter().filter(|class| class.support > 0).count(),
            classes,
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn equals_its_definition_without_ties(order in Just((0..6).collect::<Vec<u8>>()).prop_shuffle(), label in 0usize..6, k in 1usize..7) {
            let scores = Array2::from_shape_fn((1, 6), |(_, class)| f32::from(order[class]));
            let mut best: Vec<usize> = (0..6).collect();
            best.sort_by_key(|class| std::cmp::Reverse(order[*class]));
            let ours = top_k_accuracy(scores.view(), &[label], k).expect("finite");
            prop_assert_eq!(ours.share, f64::from(u8::from(best[..k].contains(&label))));
            prop_assert_eq!(ours.ties, 0);
        }
    }

    #[test]
    fn ties_count_by_their_part_and_are_told() {
        let scores = array![[1.0, 1.0, 0.0], [0.0, 2.0, 3.0]];
        let ours = top_k_accuracy(scores.view(), &[1, 1], 1).expect("finite");
        assert_eq!(ours, TopKAccuracy { k: 1, share: 0.25, ties: 1, examples: 2 });
        let ours = exclusive(scores.view(), &[1, 1]).expect("finite");
        assert_eq!((ours.top1.share, ours.top5.share), (0.25, 1.0));
        assert_eq!(ours.classes[1].accuracy, Some(0.25));
    }

    #[test]
    fn classes_without_a_vote_are_guessed_at() {
        // One neighbor votes for one of 24 classes; the other 23 tie at 0.
        let labels: Vec<usize> = (0..240).map(|row| row % 24).collect();
        let votes = Array2::from_shape_fn((240, 24), |(row, class)| {
            let voted = if row < 60 { labels[row] } else { (labels[row] + 1) % 24 };
            f32::from(u8::from(class == voted))
        });
        let ours = exclusive(votes.view(), &labels).expect("finite");
        assert_eq!((ours.top1.share, ours.top5.ties), (0.25, 180));
        // Behind the one that was voted for, 4 of 23 places are among the first five.
        assert!((ours.top5.share - (0.25 + 0.75 * 4.0 / 23.0)).abs() < 1e-12, "{:?}", ours.top5);
        let found = exclusive_intervals(votes.view(), &labels, &Bootstrap::usual(1));
        let top5 = found.expect("intervals").top5.expect("an interval");
        assert!(top5.low < ours.top5.share && ours.top5.share < top5.high && top5.high < 0.5);
    }

    #[test]
    fn each_class_is_measured_by_itself() {
        let scores = array![[3.0, 1.0, 0.0], [2.0, 1.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.5, 0.0]];
        let ours = exclusive(scores.view(), &[0, 0, 1, 1]).expect("finite");
        assert_eq!((ours.top1.share, ours.top5.share, ours.with_examples), (0.75, 1.0, 2));
        assert_eq!(ours.mean_class_accuracy, Some(0.75));
        let [first, second, third] = ours.classes[..] else { panic!("three classes") };
        assert_eq!((first.accuracy, first.average_precision), (Some(1.0), Some(1.0)));
        assert_eq!((second.accuracy, second.support), (Some(0.5), 2));
        assert_eq!((third.accuracy, third.average_precision, third.support), (None, None, 0));
        let found = exclusive_intervals(scores.view(), &[0, 0, 1, 1], &Bootstrap::usual(1));
        let found = found.expect("intervals");
        let top1 = found.top1.expect("an interval");
        assert!(top1.low <= 0.5 && top1.high == 1.0, "{top1:?}");
        assert_eq!(found.class_accuracies[2], None);
        assert_eq!(found.class_accuracies[0].map(|interval| interval.low), Some(1.0));
    }

    #[test]
    fn a_single_class_is_always_right() {
        let ours = exclusive(array![[0.5], [0.1]].view(), &[0, 0]).expect("finite");
        assert_eq!((ours.top1.share, ours.classes[0].roc_auc), (1.0, None));
        assert_eq!(ours.classes[0].average_precision, Some(1.0));
    }

    #[test]
    fn a_label_beyond_the_classes_is_an_error() {
        let scores = array![[1.0, 0.0]];
        let failure = top_k_accuracy(scores.view(), &[2], 1).expect_err("two classes");
        assert_eq!(failure.to_string(), "row 0 has label 2, but there are only 2 classes");
        assert!(matches!(top_k_accuracy(scores.view(), &[0, 0], 1), Err(EvalError::Sizes { .. })));
    }
}
