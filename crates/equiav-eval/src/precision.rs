//! Average precision, ROC AUC and d' of one class or of many that are not exclusive.

use ndarray::{ArrayView1, ArrayView2, Axis};
use serde::Serialize;

use crate::{EvalError, check_values, normal};

/// How well one class is told from the rest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassMetrics {
    /// How many examples belong to the class.
    pub positives: usize,
    /// Average precision in [0, 1]; none without a positive.
    pub average_precision: Option<f64>,
    /// Area under the ROC curve in [0, 1]; none without a positive and a negative.
    pub roc_auc: Option<f64>,
}

/// How well every class is told from the rest.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Classification {
    /// Each class, in the order of the columns.
    pub classes: Vec<ClassMetrics>,
    /// Mean of the average precisions (mAP) over the classes that have one.
    pub mean_average_precision: Option<f64>,
    /// How many classes that mean counts: those with positives.
    pub with_positives: usize,
    /// Mean of the areas under the ROC curve over the classes that have one.
    pub mean_roc_auc: Option<f64>,
}

/// Measures every class of multi-label `scores`.
///
/// # Shapes
///
/// - `scores`, `targets`: `[examples, classes]`
///
/// # Errors
///
/// If the sizes differ, there is no score, or a score is not finite.
pub fn classification(
    scores: ArrayView2<'_, f32>,
    targets: ArrayView2<'_, bool>,
) -> Result<Classification, EvalError> {
    check_sizes(scores.shape(), targets.shape())?;
    check_values("scores", scores)?;
    let columns = scores.axis_iter(Axis(1)).zip(targets.axis_iter(Axis(1)));
    let classes: Vec<ClassMetrics> = columns.map(|(s, t)| Curve::new(s, t).metrics()).collect();
    Ok(Classification {
        mean_average_precision: mean(classes.iter().filter_map(|class| class.average_precision)),
        with_positives: classes.iter().filter(|class| class.positives > 0).count(),
        mean_roc_auc: mean(classes.iter().filter_map(|class| class.roc_auc)),
        classes,
    })
}

/// Average precision as scikit-learn defines it; none without a positive.
///
/// ```text
/// AP = Σₙ (Rₙ − Rₙ₋₁) Pₙ    over the distinct scores from the highest down,
/// ```
///
/// with recall `R` and precision `P` of calling everything positive that scores at least as much;
/// there is no interpolation, and equal scores enter together.
///
/// # Errors
///
/// If the sizes differ, there is no score, or a score is not finite.
pub fn average_precision(scores: &[f32], targets: &[bool]) -> Result<Option<f64>, EvalError> {
    Ok(one_class(scores, targets)?.average_precision)
}

/// Area under the ROC curve: the chance that a positive scores above a negative, equal scores
/// counting half; none without a positive and a negative.
///
/// # Errors
///
/// If the sizes differ, there is no score, or a score is not finite.
pub fn roc_auc(scores: &[f32], targets: &[bool]) -> Result<Option<f64>, EvalError> {
    Ok(one_class(scores, targets)?.roc_auc)
}

/// The distance d' of two unit normal distributions with that area under the ROC curve,
/// `sqrt(2) Φ⁻¹(auc)`; infinite at 0 and 1.
///
/// # Panics
///
/// If `auc` is outside [0, 1].
#[track_caller]
pub fn d_prime(auc: f64) -> f64 {
    assert!((0.0..=1.0).contains(&auc), "{auc} is no area under an ROC curve");
    std::f64::consts::SQRT_2 * normal::quantile(auc)
}

fn one_class(scores: &[f32], targets: &[bool]) -> Result<ClassMetrics, EvalError> {
    check_sizes(&[scores.len()], &[targets.len()])?;
    let scores = ArrayView1::from(scores);
    check_values("scores", scores.insert_axis(Axis(1)))?;
    Ok(Curve::new(scores, ArrayView1::from(targets)).metrics())
}

fn check_sizes(scores: &[usize], targets: &[usize]) -> Result<(), EvalError> {
    if scores == targets {
        return Ok(());
    }
    Err(EvalError::Sizes { scores: scores.to_vec(), targets: targets.to_vec() })
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Examples of one score.
#[derive(Clone, Copy, Default)]
struct Level {
    positives: usize,
    negatives: usize,
}

/// A class's examples by score, the highest first.
struct Curve {
    levels: Vec<Level>,
    total: Level,
}

impl Curve {
    fn new(scores: ArrayView1<'_, f32>, targets: ArrayView1<'_, bool>) -> Self {
        let mut examples: Vec<(f32, bool)> =
            scores.iter().copied().zip(targets.iter().copied()).collect();
        examples.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut levels, mut total) = (Vec::new(), Level::default());
        // `==` and not `total_cmp`: -0.0 and 0.0 are one score
        for equal in examples.chunk_by(|a, b| a.0 == b.0) {
            let positives = equal.iter().filter(|example| example.1).count();
            let level = Level { positives, negatives: equal.len() - positives };
            total.positives += level.positives;
            total.negatives += level.negatives;
            levels.push(level);
        }
        Self { levels, total }
    }

    fn metrics(&self) -> ClassMetrics {
        ClassMetrics {
            positives: self.total.positives,
            average_precision: self.average_precision(),
            roc_auc: self.roc_auc(),
        }
    }

    fn average_precision(&self) -> Option<f64> {
        let (mut positives, mut called, mut sum) = (0, 0, 0.0);
        for level in &self.levels {
            positives += level.positives;
            called += level.positives + level.negatives;
            sum += level.positives as f64 * (positives as f64 / called as f64);
        }
        (positives > 0).then(|| sum / positives as f64)
    }

    fn roc_auc(&self) -> Option<f64> {
        let pairs = self.total.positives as f64 * self.total.negatives as f64;
        let (mut above, mut won) = (0.0, 0.0);
        for level in &self.levels {
            won += level.negatives as f64 * (above + level.positives as f64 / 2.0);
            above += level.positives as f64;
        }
        (pairs > 0.0).then(|| won / pairs)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use proptest::prelude::*;

    use super::*;

    /// Recall and precision at every distinct score, straight from the definition.
    fn naive_average_precision(scores: &[f32], targets: &[bool]) -> Option<f64> {
        let positives = targets.iter().filter(|target| **target).count() as f64;
        let mut thresholds = scores.to_vec();
        thresholds.sort_by(f32::total_cmp);
        thresholds.dedup();
        let (mut sum, mut last_recall) = (0.0, 0.0);
        for threshold in thresholds.iter().rev() {
            let called = scores.iter().filter(|score| *score >= threshold).count() as f64;
            let both = scores.iter().zip(targets).filter(|(s, t)| *s >= threshold && **t);
            let both = both.count() as f64;
            sum += (both / positives - last_recall) * both / called;
            last_recall = both / positives;
        }
        (positives > 0.0).then_some(sum)
    }

    /// Every pair of a positive and a negative.
    fn naive_roc_auc(scores: &[f32], targets: &[bool]) -> Option<f64> {
        let of = |wanted: bool| {
            let pairs = scores.iter().zip(targets);
            pairs.filter(move |(_, target)| **target == wanted).map(|(score, _)| *score)
        };
        let (mut won, mut pairs) = (0.0, 0.0);
        for positive in of(true) {
            for negative in of(false) {
                pairs += 1.0;
                won += f64::from(u8::from(positive > negative));
                won += 0.5 * f64::from(u8::from(positive == negative));
            }
        }
        (pairs > 0.0).then(|| won / pairs)
    }

    fn close(ours: Option<f64>, naive: Option<f64>) -> bool {
        match (ours, naive) {
            (Some(ours), Some(naive)) => (ours - naive).abs() < 1e-12,
            (ours, naive) => ours == naive,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        // few distinct scores, so that ties are common
        #[test]
        fn equal_their_definitions(examples in proptest::collection::vec((-4i8..4, any::<bool>()), 1..40)) {
            let scores: Vec<f32> = examples.iter().map(|(score, _)| f32::from(*score) / 3.0).collect();
            let targets: Vec<bool> = examples.iter().map(|(_, target)| *target).collect();
            let ours = average_precision(&scores, &targets).expect("finite");
            prop_assert!(close(ours, naive_average_precision(&scores, &targets)));
            let ours = roc_auc(&scores, &targets).expect("finite");
            prop_assert!(close(ours, naive_roc_auc(&scores, &targets)));
        }
    }

    #[test]
    fn the_example_of_scikit_learn() {
        // sklearn.metrics.average_precision_score and roc_auc_score, their documented example
        let (scores, targets) = ([0.1, 0.4, 0.35, 0.8], [false, false, true, true]);
        let ap = average_precision(&scores, &targets).expect("finite").expect("positives");
        assert!((ap - 5.0 / 6.0).abs() < 1e-12);
        assert_eq!(roc_auc(&scores, &targets), Ok(Some(0.75)));
    }

    #[test]
    fn classes_without_positives_are_left_out_of_the_mean() {
        let scores = Array2::from_shape_fn((4, 3), |(row, column)| (row * (column + 1)) as f32);
        let targets = Array2::from_shape_fn((4, 3), |(row, column)| match column {
            0 => row == 3,
            1 => false,
            _ => true,
        });
        let ours = classification(scores.view(), targets.view()).expect("finite");
        assert_eq!((ours.mean_average_precision, ours.with_positives), (Some(1.0), 2));
        assert_eq!(ours.mean_roc_auc, Some(1.0));
        assert_eq!(ours.classes[1].average_precision, None);
        assert_eq!((ours.classes[1].roc_auc, ours.classes[2].roc_auc), (None, None));
    }

    #[test]
    fn broken_scores_are_errors() {
        let targets = [true, false];
        let not_finite = average_precision(&[0.5, f32::NAN], &targets).expect_err("not a number");
        assert_eq!(
            not_finite.to_string(),
            "row 1, column 0 of the scores is NaN, not a finite number"
        );
        assert!(matches!(roc_auc(&[], &[]), Err(EvalError::Empty { .. })));
        let sizes = roc_auc(&[1.0], &targets).expect_err("two targets");
        assert_eq!(sizes.to_string(), "[1] scores do not fit to [2] targets");
    }

    #[test]
    fn d_prime_of_half_is_nothing_and_of_one_is_infinite() {
        assert_eq!(d_prime(0.5), 0.0);
        assert_eq!(d_prime(1.0), f64::INFINITY);
        assert!((d_prime(0.760_249_938_906_523_3) - 1.0).abs() < 1e-12);
    }
}
