//! Average precision, ROC AUC and d' of one class or of many that are not exclusive.

use ndarray::{ArrayView1, ArrayView2, Axis};
use serde::Serialize;

use super::normal;
use crate::bootstrap::{Bootstrap, ConfidenceInterval, intervals};
use crate::{EvalError, check_values};

/// How well one class is told from the rest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassMetrics {
    /// How many examples belong to the class.
    pub positives: usize,
    /// Average precision in [0, 1]; none without a positive.
    pub average_precision: Option<f64>,
    /// Area under the ROC curve in [0, 1]; none without a positive and a negative.
    pub roc_auc: Option<f64>,
    /// [`d_prime`] of that area, which may be infinite.
    pub d_prime: Option<f64>,
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
    /// [`d_prime`] of that mean, as it is usually given for AudioSet.
    pub d_prime: Option<f64>,
}

/// The intervals of a [`Classification`] over clips.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassificationIntervals {
    /// Of the mean of the average precisions, over the classes that a resample has positives of.
    pub mean_average_precision: Option<ConfidenceInterval>,
    /// Of the mean of the areas under the ROC curve.
    pub mean_roc_auc: Option<ConfidenceInterval>,
    /// Of the d' of that mean.
    pub d_prime: Option<ConfidenceInterval>,
    /// Of each class's figures, in the order of the columns.
    pub classes: Vec<ClassIntervals>,
}

/// The intervals of a [`ClassMetrics`] over clips.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassIntervals {
    /// Of the average precision.
    pub average_precision: Option<ConfidenceInterval>,
    /// Of the area under the ROC curve.
    pub roc_auc: Option<ConfidenceInterval>,
    /// Of its d'.
    pub d_prime: Option<ConfidenceInterval>,
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
    let curves = Curves::new(scores, targets)?;
    Ok(curves.classification(&vec![1; scores.nrows()]))
}

/// The intervals of [`classification`] over clips.
///
/// # Errors
///
/// As there, or if `how` gives no interval.
pub fn classification_intervals(
    scores: ArrayView2<'_, f32>,
    targets: ArrayView2<'_, bool>,
    how: &Bootstrap,
) -> Result<ClassificationIntervals, EvalError> {
    let curves = Curves::new(scores, targets)?;
    let found = intervals(scores.nrows(), how, |counts| {
        let all = curves.classification(counts);
        let means = [all.mean_average_precision, all.mean_roc_auc, all.d_prime];
        let each = all.classes.iter().flat_map(|c| [c.average_precision, c.roc_auc, c.d_prime]);
        means.into_iter().chain(each).collect()
    })?;
    let class = |found: &[Option<ConfidenceInterval>]| ClassIntervals {
        average_precision: found[0],
        roc_auc: found[1],
        d_prime: found[2],
    };
    Ok(ClassificationIntervals {
        mean_average_precision: found[0],
        mean_roc_auc: found[1],
        d_prime: found[2],
        classes: found[3..].chunks(3).map(class).collect(),
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
    let counts = vec![1; targets.len()];
    Ok(Curve::new(scores, ArrayView1::from(targets)).metrics(&counts))
}

fn check_sizes(scores: &[usize], targets: &[usize]) -> Result<(), EvalError> {
    if scores == targets {
        return Ok(());
    }
    Err(EvalError::Sizes { scores: scores.to_vec(), targets: targets.to_vec() })
}

pub(crate) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Every class's examples.
struct Curves(Vec<Curve>);

impl Curves {
    fn new(scores: ArrayView2<'_, f32>, targets: ArrayView2<'_, bool>) -> Result<Self, EvalError> {
        check_sizes(scores.shape(), targets.shape())?;
        check_values("scores", scores)?;
        let columns = scores.axis_iter(Axis(1)).zip(targets.axis_iter(Axis(1)));
        Ok(Self(columns.map(|(scores, targets)| Curve::new(scores, targets)).collect()))
    }

    fn classification(&self, counts: &[u32]) -> Classification {
        let classes: Vec<ClassMetrics> = self.0.iter().map(|class| class.metrics(counts)).collect();
        let mean_roc_auc = mean(classes.iter().filter_map(|class| class.roc_auc));
        Classification {
            mean_average_precision: mean(
                classes.iter().filter_map(|class| class.average_precision),
            ),
            with_positives: classes.iter().filter(|class| class.positives > 0).count(),
            mean_roc_auc,
            d_prime: mean_roc_auc.map(d_prime_of_mean),
            classes,
        }
    }
}

/// The d' of a mean, which rounding may carry beyond 1.
fn d_prime_of_mean(auc: f64) -> f64 {
    d_prime(auc.clamp(0.0, 1.0))
}

/// Examples of one score.
#[derive(Clone, Copy, Default)]
struct Level {
    positives: u64,
    negatives: u64,
}

/// A class's examples by score, the highest first.
pub(crate) struct Curve(Vec<Example>);

struct Example {
    position: u32,
    positive: bool,
    /// Whether the next one scores less.
    last_of_level: bool,
}

impl Curve {
    pub(crate) fn new(scores: ArrayView1<'_, f32>, targets: ArrayView1<'_, bool>) -> Self {
        let mut order: Vec<u32> = (0..scores.len() as u32).collect();
        let score = |position: u32| scores[position as usize];
        order.sort_by(|a, b| score(*b).total_cmp(&score(*a)));
        let example = |(place, position): (usize, &u32)| Example {
            position: *position,
            positive: targets[*position as usize],
            // `==` and not `total_cmp`: -0.0 and 0.0 are one score
            last_of_level: order.get(place + 1).is_none_or(|next| score(*next) != score(*position)),
        };
        Self(order.iter().enumerate().map(example).collect())
    }

    /// The figures where each example counts as often as `counts` says.
    pub(crate) fn metrics(&self, counts: &[u32]) -> ClassMetrics {
        let (mut above, mut level) = (Level::default(), Level::default());
        let (mut precisions, mut won) = (0.0, 0.0);
        for example in &self.0 {
            let count = u64::from(counts[example.position as usize]);
            if example.positive {
                level.positives += count
            } else {
                level.negatives += count
            }
            if !example.last_of_level {
                continue;
            }
            let Level { positives, negatives } = level;
            won += negatives as f64 * (above.positives as f64 + positives as f64 / 2.0);
            above.positives += positives;
            above.negatives += negatives;
            if positives > 0 {
                let called = above.positives + above.negatives;
                precisions += positives as f64 * (above.positives as f64 / called as f64);
            }
            level = Level::default();
        }
        let (positives, pairs) =
            (above.positives as f64, above.positives as f64 * above.negatives as f64);
        let roc_auc = (pairs > 0.0).then(|| won / pairs);
        ClassMetrics {
            positives: above.positives as usize,
            average_precision: (above.positives > 0).then(|| precisions / positives),
            roc_auc,
            d_prime: roc_auc.map(d_prime_of_mean),
        }
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

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn counted_examples_equal_repeated_ones(examples in proptest::collection::vec((-4i8..4, any::<bool>(), 0u32..4), 1..40)) {
            let scores: Vec<f32> = examples.iter().map(|(score, ..)| f32::from(*score) / 3.0).collect();
            let targets: Vec<bool> = examples.iter().map(|(_, target, _)| *target).collect();
            let counts: Vec<u32> = examples.iter().map(|(.., count)| *count).collect();
            let curve = Curve::new(ArrayView1::from(&scores), ArrayView1::from(&targets));
            let repeat = |at: usize| std::iter::repeat_n(at, counts[at] as usize);
            let drawn: Vec<usize> = (0..counts.len()).flat_map(repeat).collect();
            let scores: Vec<f32> = drawn.iter().map(|at| scores[*at]).collect();
            let targets: Vec<bool> = drawn.iter().map(|at| targets[*at]).collect();
            let ours = curve.metrics(&counts);
            prop_assert!(close(ours.average_precision, naive_average_precision(&scores, &targets)));
            prop_assert!(close(ours.roc_auc, naive_roc_auc(&scores, &targets)));
            prop_assert_eq!(ours.positives, targets.iter().filter(|target| **target).count());
        }
    }

    #[test]
    fn intervals_surround_the_figures() {
        let scores =
            Array2::from_shape_fn((300, 3), |(row, column)| ((row * 37 + column) % 101) as f32);
        let targets = Array2::from_shape_fn((300, 3), |(row, column)| match column {
            2 => false,
            _ => (row * 37 + column) % 101 + row % 60 > 90,
        });
        let all = classification(scores.view(), targets.view()).expect("finite");
        let how = Bootstrap { resamples: 300, seed: 1, level: 0.9 };
        let found = classification_intervals(scores.view(), targets.view(), &how).expect("finite");
        let surrounds = |figure: Option<f64>, interval: Option<ConfidenceInterval>| {
            let (figure, interval) = (figure.expect("a figure"), interval.expect("an interval"));
            assert!(interval.low < figure && figure < interval.high, "{figure} {interval:?}");
        };
        surrounds(all.mean_average_precision, found.mean_average_precision);
        surrounds(all.mean_roc_auc, found.mean_roc_auc);
        surrounds(all.d_prime, found.d_prime);
        surrounds(all.classes[0].average_precision, found.classes[0].average_precision);
        assert_eq!((found.classes.len(), found.classes[2].average_precision), (3, None));
        let again = classification_intervals(scores.view(), targets.view(), &how);
        assert_eq!(again.expect("finite"), found);
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
