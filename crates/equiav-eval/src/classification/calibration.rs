//! Whether probabilities mean what they say: expected calibration error and Brier score.

use ndarray::{ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::bootstrap::{Bootstrap, ConfidenceInterval, intervals};
use crate::{EvalError, check_values};

/// How far a row of probabilities of exclusive classes may be from the sum 1.
const SUM_TOLERANCE: f64 = 1e-3;

/// How well probabilities fit to what happens.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Calibration {
    /// The expected calibration error: by how much confidence and accuracy differ in a bin, the mean weighted by
    /// the bins' decisions, in [0, 1].
    pub expected_error: f64,
    /// The Brier score: the mean square of what probabilities are off. In [0, 2] for exclusive classes, whose
    /// squares are summed over the classes, else in [0, 1].
    pub brier: f64,
    /// Bins of equal width from 0 to 1, for a reliability diagram.
    pub bins: Vec<CalibrationBin>,
}

/// The decisions whose confidence is in one bin: above its lower end or, in the first, equal to it.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct CalibrationBin {
    /// How many there are.
    pub decisions: u64,
    /// Their mean confidence; none without a decision.
    pub confidence: Option<f64>,
    /// The share of them that came true, a tie by its part; none without a decision.
    pub accuracy: Option<f64>,
}

/// The intervals of both figures over clips.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct CalibrationIntervals {
    /// Of the expected calibration error. It is a sum of sizes, so noise makes it larger: in resamples even
    /// more than in the clips themselves.
    pub expected_error: Option<ConfidenceInterval>,
    /// Of the Brier score.
    pub brier: Option<ConfidenceInterval>,
}

/// Decisions about clips, ready to be summed over any resample of these.
#[derive(Debug)]
pub struct Decisions {
    bins: usize,
    clips: Vec<Vec<Decision>>,
    /// The clip's share in the Brier score.
    squares: Vec<f64>,
}

#[derive(Clone, Copy, Debug)]
struct Decision {
    bin: usize,
    confidence: f64,
    /// How much of it came true: 0 or 1, or between for one of several classes that are equally probable.
    true_: f64,
}

impl Decisions {
    /// For exclusive classes: the decision for the most probable one of each clip; of equally probable ones for
    /// each by its part.
    ///
    /// # Shapes
    ///
    /// - `probabilities`: `[clips, classes]`, rows of sum 1
    /// - `labels`: one column of `probabilities` per clip
    ///
    /// # Errors
    ///
    /// If there is no clip or bin, the sizes differ, a label is no column, or a row is no distribution.
    pub fn exclusive(
        probabilities: ArrayView2<'_, f32>,
        labels: &[usize],
        bins: usize,
    ) -> Result<Self, EvalError> {
        check(probabilities, bins)?;
        let (n, classes) = probabilities.dim();
        if labels.len() != n {
            return Err(EvalError::Sizes { scores: vec![n, classes], targets: vec![labels.len()] });
        }
        let (mut clips, mut squares) = (Vec::new(), Vec::new());
        for (row, (each, &label)) in probabilities.axis_iter(Axis(0)).zip(labels).enumerate() {
            let sum: f64 = each.iter().map(|p| f64::from(*p)).sum();
            if (sum - 1.0).abs() > SUM_TOLERANCE {
                return Err(EvalError::NoDistribution { row, sum });
            }
            if label >= classes {
                return Err(EvalError::NoSuchClass { row, label, classes });
            }
            let most = each.iter().copied().fold(0.0, f32::max);
            let equal = each.iter().filter(|p| **p == most).count();
            let true_ = if each[label] == most { 1.0 / equal as f64 } else { 0.0 };
            clips.push(vec![Decision::new(most, true_, bins)]);
            let off =
                |(at, p): (usize, &f32)| (f64::from(*p) - f64::from(u8::from(at == label))).powi(2);
            squares.push(each.iter().enumerate().map(off).sum());
        }
        Ok(Self { bins, clips, squares })
    }

    /// For classes that are not exclusive: the decision for every class of each clip.
    ///
    /// # Shapes
    ///
    /// - `probabilities`, `targets`: `[clips, classes]`
    ///
    /// # Errors
    ///
    /// If there is no clip or bin, the sizes differ, or a probability is outside [0, 1].
    pub fn of_each_class(
        probabilities: ArrayView2<'_, f32>,
        targets: ArrayView2<'_, bool>,
        bins: usize,
    ) -> Result<Self, EvalError> {
        check(probabilities, bins)?;
        if probabilities.dim() != targets.dim() {
            let (scores, targets) = (probabilities.shape().to_vec(), targets.shape().to_vec());
            return Err(EvalError::Sizes { scores, targets });
        }
        let rows = probabilities.axis_iter(Axis(0)).zip(targets.axis_iter(Axis(0)));
        let decide = |(p, t): (&f32, &bool)| Decision::new(*p, f64::from(u8::from(*t)), bins);
        let clips: Vec<Vec<Decision>> =
            rows.map(|(p, t)| p.iter().zip(t).map(decide).collect()).collect();
        let square = |one: &Decision| (one.confidence - one.true_).powi(2);
        let mean = |clip: &Vec<Decision>| clip.iter().map(square).sum::<f64>() / clip.len() as f64;
        Ok(Self { bins, squares: clips.iter().map(mean).collect(), clips })
    }

    /// Sums them up.
    pub fn calibration(&self) -> Calibration {
        self.of_counts(&vec![1; self.clips.len()])
    }

    /// The intervals of the figures over clips.
    ///
    /// # Errors
    ///
    /// If `how` gives no interval.
    pub fn intervals(&self, how: &Bootstrap) -> Result<CalibrationIntervals, EvalError> {
        let figures = |counts: &[u32]| {
            let Calibration { expected_error, brier, .. } = self.of_counts(counts);
            vec![Some(expected_error), Some(brier)]
        };
        let found = intervals(self.clips.len(), how, figures)?;
        Ok(CalibrationIntervals { expected_error: found[0], brier: found[1] })
    }

    fn of_counts(&self, counts: &[u32]) -> Calibration {
        let mut sums = vec![(0_u64, 0.0, 0.0); self.bins];
        let (mut squares, mut clips) = (0.0, 0.0);
        for ((decisions, square), &count) in self.clips.iter().zip(&self.squares).zip(counts) {
            let weight = f64::from(count);
            (squares, clips) = (squares + weight * square, clips + weight);
            for decision in decisions {
                let (number, confidence, true_) = &mut sums[decision.bin];
                *number += u64::from(count);
                *confidence += weight * decision.confidence;
                *true_ += weight * decision.true_;
            }
        }
        let all: u64 = sums.iter().map(|(number, _, _)| number).sum();
        let off: f64 = sums.iter().map(|(_, confidence, true_)| (true_ - confidence).abs()).sum();
        let bin = |(decisions, confidence, true_): (u64, f64, f64)| {
            let mean = |sum: f64| (decisions > 0).then(|| sum / decisions as f64);
            CalibrationBin { decisions, confidence: mean(confidence), accuracy: mean(true_) }
        };
        Calibration {
            expected_error: off / all as f64,
            brier: squares / clips,
            bins: sums.into_iter().map(bin).collect(),
        }
    }
}

impl Decision {
    fn new(probability: f32, true_: f64, bins: usize) -> Self {
        let confidence = f64::from(probability);
        let bin = (confidence * bins as f64).ceil() as usize;
        Self { bin: bin.clamp(1, bins) - 1, confidence, true_ }
    }
}

fn check(probabilities: ArrayView2<'_, f32>, bins: usize) -> Result<(), EvalError> {
    check_values("probabilities", probabilities)?;
    if bins == 0 {
        return Err(EvalError::Empty { what: "bins", rows: 0, columns: 1 });
    }
    let outside = probabilities.indexed_iter().find(|(_, p)| !(0.0..=1.0).contains(*p));
    match outside {
        Some(((row, column), &value)) => Err(EvalError::NoProbability { row, column, value }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    #[test]
    fn certainty_that_is_right_is_calibrated_and_wrong_is_not() {
        let sure = array![[1.0, 0.0], [0.0, 1.0]];
        let of = |labels: &[usize]| {
            Decisions::exclusive(sure.view(), labels, 10).expect("probabilities").calibration()
        };
        let (right, wrong) = (of(&[0, 1]), of(&[1, 0]));
        assert_eq!((right.expected_error, right.brier), (0.0, 0.0));
        assert_eq!((wrong.expected_error, wrong.brier), (1.0, 2.0));
        let last = CalibrationBin { decisions: 2, confidence: Some(1.0), accuracy: Some(1.0) };
        assert_eq!((right.bins[9], right.bins[0]), (last, CalibrationBin::default()));
    }

    #[test]
    fn what_tells_nothing_is_right_as_often_as_guessing() {
        let equal = Array2::from_elem((3, 4), 0.25);
        for labels in [[0, 0, 0], [3, 3, 3]] {
            let all = Decisions::exclusive(equal.view(), &labels, 10).expect("probabilities");
            let all = all.calibration();
            assert_eq!((all.bins[2].accuracy, all.bins[2].confidence), (Some(0.25), Some(0.25)));
            assert_eq!(all.expected_error, 0.0);
        }
    }

    #[test]
    fn bins_are_closed_above() {
        let probabilities = array![[0.0, 0.5, 0.500_001, 1.0]];
        let targets = array![[false, true, true, true]];
        let all = Decisions::of_each_class(probabilities.view(), targets.view(), 2);
        let bins = all.expect("probabilities").calibration().bins;
        assert_eq!((bins[0].decisions, bins[1].decisions), (2, 2));
        assert_eq!((bins[0].accuracy, bins[0].confidence), (Some(0.5), Some(0.25)));
    }

    #[test]
    fn intervals_surround_the_brier_score() {
        let probabilities = Array2::from_shape_fn((200, 2), |(row, column)| {
            let p = (row % 10) as f32 / 10.0;
            if column == 0 { p } else { 1.0 - p }
        });
        let labels: Vec<usize> = (0..200).map(|row| usize::from(row * 7 % 10 > row % 10)).collect();
        let all = Decisions::exclusive(probabilities.view(), &labels, 10).expect("probabilities");
        let found = all.intervals(&Bootstrap::usual(2)).expect("intervals");
        let (brier, interval) = (all.calibration().brier, found.brier.expect("an interval"));
        assert!(interval.low < brier && brier < interval.high, "{brier} {interval:?}");
        assert!(found.expected_error.is_some());
    }

    #[test]
    fn what_is_no_probability_is_refused() {
        let message = |probabilities: Array2<f32>, labels: &[usize]| {
            let all = Decisions::exclusive(probabilities.view(), labels, 5);
            all.expect_err("should be refused").to_string()
        };
        assert_eq!(
            message(array![[1.5, -0.5]], &[0]),
            "row 0, column 0 is 1.5, not a probability from 0 to 1"
        );
        assert_eq!(
            message(array![[0.5, 0.25]], &[0]),
            "row 0 has the sum 0.75: probabilities of exclusive classes have the sum 1"
        );
        assert!(message(array![[0.5, f32::NAN]], &[0]).contains("not a finite number"));
        assert!(message(array![[0.5, 0.5]], &[2]).contains("only 2 classes"));
        assert!(message(array![[0.5, 0.5]], &[0, 1]).contains("do not fit"));
        assert!(Decisions::exclusive(array![[1.0]].view(), &[0], 0).is_err());
    }
}
