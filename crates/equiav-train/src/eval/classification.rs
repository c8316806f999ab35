//! How well a classifier tells the classes of one list.

use std::collections::BTreeMap;

use anyhow::Context;
use equiav_data::{Targets, TrainOverlap};
use equiav_eval::{
    Bootstrap, ConfidenceInterval, classification, classification_intervals, d_prime,
    exclusive_intervals, top_k_accuracy,
};
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::metrics::{ListMetrics, Metric};

/// The figures of one list.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ClassificationMetrics {
    /// The list's name.
    pub list: String,
    /// Clips that could be read.
    pub found: usize,
    /// Clips listed.
    pub listed: usize,
    /// Why each of the other clips could not be read.
    #[serde(rename = "left_out")]
    pub skipped: Vec<String>,
    /// A hash of the list, so that figures of different lists are not compared.
    pub digest: String,
    /// What the list has in common with the one that was trained on; none where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<TrainOverlap>,
    /// Number of classes.
    pub classes: usize,
    /// Classes with a clip among those found; the means below are over these.
    pub with_positives: usize,
    /// Mean average precision, in [0, 1].
    pub map: f64,
    /// Mean area under the ROC curve, in [0, 1]; none where no class has a clip that is not of it.
    pub roc_auc: Option<f64>,
    /// The share of clips whose best class is theirs, in [0, 1]; of classes with equal scores the mean over all of
    /// their orders counts. None where a clip has several classes.
    pub top1: Option<f64>,
    /// The share of clips whose class is among the best five, in [0, 1]; none as above.
    pub top5: Option<f64>,
    /// The share of clips that score a wrong class exactly as high as the right one, in [0, 1]; none where a clip has
    /// several classes, and in figures of earlier versions, which counted such ties as won.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tied_share: Option<f64>,
    /// In what the scores have collapsed, so that they tell clips apart no more; none where they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collapsed: Option<String>,
    /// Limits that hold 95 % of the bootstrap's figures, by the figure's name; where they were drawn.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub intervals: BTreeMap<String, (f64, f64)>,
}

impl From<&ClassificationMetrics> for ListMetrics {
    fn from(metrics: &ClassificationMetrics) -> Self {
        let metric = |(name, value): (&str, f64)| Metric {
            name: name.to_owned(),
            value,
            interval: metrics.intervals.get(name).copied(),
        };
        Self {
            list: metrics.list.clone(),
            found: metrics.found,
            listed: metrics.listed,
            digest: metrics.digest.clone(),
            overlap: metrics.overlap.clone(),
            skipped: metrics.skipped.clone(),
            collapsed: metrics.collapsed.clone(),
            values: metrics.named().into_iter().map(metric).collect(),
        }
    }
}

/// Scores of the readable clips of one list.
#[derive(Clone, Debug)]
pub struct ClassScores {
    /// The list's name.
    pub list: String,
    /// Clips listed.
    pub listed: usize,
    /// A hash of the list.
    pub digest: String,
    /// Why each of the clips without scores could not be read.
    pub skipped: Vec<String>,
    /// The position of each row's clip in its data set.
    pub clips: Vec<usize>,
    /// The probability of each class, `[clips, classes]`.
    pub scores: Array2<f32>,
}

impl ClassScores {
    /// The figures of the scores against `targets`, those of the data set.
    ///
    /// # Errors
    ///
    /// If there is no clip, or a score is not finite.
    pub fn metrics(&self, targets: &Targets) -> anyhow::Result<ClassificationMetrics> {
        let context = || format!("measuring `{}`", self.list);
        let figures = Figures::of(self.scores.view(), &self.labels(targets));
        let figures = figures.with_context(context)?;
        Ok(ClassificationMetrics {
            list: self.list.clone(),
            found: self.clips.len(),
            listed: self.listed,
            skipped: self.skipped.clone(),
            digest: self.digest.clone(),
            overlap: None,
            classes: targets.count(),
            with_positives: figures.with_positives,
            map: figures.map,
            roc_auc: figures.roc_auc,
            top1: figures.top1,
            top5: figures.top5,
            tied_share: figures.tied_share,
            collapsed: collapse(self.scores.view()),
            intervals: BTreeMap::new(),
        })
    }

    /// As [`metrics`](Self::metrics), with the intervals of a bootstrap over clips.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn metrics_with_intervals(
        &self,
        targets: &Targets,
    ) -> anyhow::Result<ClassificationMetrics> {
        let mut figures = self.metrics(targets)?;
        let labels = self.labels(targets);
        let how = Bootstrap::usual(BOOTSTRAP_SEED);
        let truth = truth(self.scores.view(), &labels);
        let found = classification_intervals(self.scores.view(), truth.view(), &how)?;
        let mut all = vec![
            ("map", found.mean_average_precision),
            ("auc", found.mean_roc_auc),
            ("d_prime", found.d_prime),
        ];
        if let Some(labels) = exclusive(&labels) {
            let found = exclusive_intervals(self.scores.view(), &labels, &how)?;
            all.extend([("top1", found.top1), ("top5", found.top5)]);
        }
        let finite = |(name, interval): (&str, Option<ConfidenceInterval>)| {
            let ConfidenceInterval { low, high, .. } = interval?;
            let finite = low.is_finite() && high.is_finite();
            finite.then(|| (name.to_owned(), (low, high)))
        };
        figures.intervals = all.into_iter().filter_map(finite).collect();
        Ok(figures)
    }

    fn labels<'t>(&self, targets: &'t Targets) -> Vec<&'t [usize]> {
        self.clips.iter().map(|clip| targets.classes(*clip)).collect()
    }
}

/// What resamples are drawn with: the same for all figures that are compared.
const BOOTSTRAP_SEED: u64 = 0;

impl ClassificationMetrics {
    /// The sensitivity d' that belongs to the mean area under the ROC curve.
    pub fn d_prime(&self) -> Option<f64> {
        self.roc_auc.map(d_prime)
    }

    /// Every figure by its name: `map`, `auc`, `d_prime`, `top1`, `top5`; those that there are and that
    /// are finite.
    pub fn named(&self) -> Vec<(&'static str, f64)> {
        let all = [
            ("map", Some(self.map)),
            ("auc", self.roc_auc),
            ("d_prime", self.d_prime()),
            ("top1", self.top1),
            ("top5", self.top5),
        ];
        let finite = |(name, value): (&'static str, Option<f64>)| {
            Some((name, value.filter(|value| value.is_finite())?))
        };
        all.into_iter().filter_map(finite).collect()
    }
}

/// What scores come to.
struct Figures {
    with_positives: usize,
    map: f64,
    roc_auc: Option<f64>,
    top1: Option<f64>,
    top5: Option<f64>,
    tied_share: Option<f64>,
}

impl Figures {
    /// Of `scores`, `[clips, classes]`, with the classes of each clip.
    fn of(scores: ArrayView2<'_, f32>, labels: &[&[usize]]) -> anyhow::Result<Self> {
        let truth = truth(scores, labels);
        let all = classification(scores, truth.view())?;
        let exclusive = exclusive(labels);
        let labels = exclusive.as_deref();
        let top = |k| labels.map(|labels| top_k_accuracy(scores, labels, k)).transpose();
        let (top1, top5) = (top(1)?, top(5)?);
        Ok(Self {
            with_positives: all.with_positives,
            map: all.mean_average_precision.context("no class has a clip")?,
            roc_auc: all.mean_roc_auc,
            top1: top1.map(|top| top.share),
            top5: top5.map(|top| top.share),
            tied_share: top1.map(|top| top.ties as f64 / top.examples as f64),
        })
    }
}

/// In what scores, `[clips, classes]`, have collapsed: every clip has the same. A single clip cannot.
fn collapse(scores: ArrayView2<'_, f32>) -> Option<String> {
    let mut rows = scores.rows().into_iter();
    let first = rows.next().filter(|_| scores.nrows() > 1)?;
    rows.all(|row| row == first).then(|| "every clip has the same scores".to_owned())
}

/// Which clip is of which class, `[clips, classes]`.
fn truth(scores: ArrayView2<'_, f32>, labels: &[&[usize]]) -> Array2<bool> {
    Array2::from_shape_fn(scores.dim(), |(row, class)| labels[row].contains(&class))
}

/// The one class of every clip; none where a clip has several.
fn exclusive(labels: &[&[usize]]) -> Option<Vec<usize>> {
    let single = |classes: &&[usize]| match classes {
        [class] => Some(*class),
        _ => None,
    };
    labels.iter().map(single).collect()
}

#[cfg(test)]
mod tests {
    use equiav_data::{Clip, Label, Labels, Manifest, Pictures};
    use ndarray::array;

    use super::*;

    #[test]
    fn figures_equal_a_case_by_hand() {
        let scores = array![[0.9, 0.1, 0.5], [0.8, 0.7, 0.1], [0.1, 0.2, 0.3]];
        let single = Figures::of(scores.view(), &[&[0], &[1], &[2]]).expect("figures");
        assert_eq!(
            (single.top1, single.top5, single.with_positives),
            (Some(2.0 / 3.0), Some(1.0), 3)
        );
        // The third class's clip ranks second of three: its precision is a half.
        assert!((single.map - (1.0 + 1.0 + 0.5) / 3.0).abs() < 1e-12);
        let multiple = Figures::of(scores.view(), &[&[0, 2], &[1], &[2]]).expect("figures");
        assert_eq!((multiple.top1, multiple.top5), (None, None));
        assert_eq!(multiple.map, 1.0);
    }

    #[test]
    fn equal_scores_are_neither_right_nor_wrong_and_have_collapsed() {
        let equal = Array2::from_elem((3, 4), 0.25);
        let figures = Figures::of(equal.view(), &[&[0], &[1], &[2]]).expect("figures");
        assert_eq!(
            (figures.top1, figures.top5, figures.tied_share),
            (Some(0.25), Some(1.0), Some(1.0))
        );
        assert_eq!(collapse(equal.view()).as_deref(), Some("every clip has the same scores"));
        assert_eq!(collapse(array![[0.1, 0.2], [0.1, 0.3]].view()), None);
        assert_eq!(collapse(array![[0.1, 0.2]].view()), None);
    }

    #[test]
    fn intervals_hold_their_figures() {
        let count = 60;
        let scores = Array2::from_shape_fn((count, 3), |(row, class)| {
            let own = f32::from(u8::from(row % 3 == class));
            own + 1.5 * ((row * row * 7 + class * 5) as f32 * 0.9).sin()
        });
        let scored = ClassScores {
            list: "l".to_owned(),
            listed: count,
            digest: "d".to_owned(),
            skipped: Vec::new(),
            clips: (0..count).collect(),
            scores,
        };
        let label = |mid: usize| Label { mid: mid.to_string(), name: String::new() };
        let labels = Labels::new((0..3).map(label).collect());
        let clip = |number: usize| Clip {
            id: number.to_string(),
            sound: "s".into(),
            pictures: Pictures::Still("p".into()),
            labels: vec![(number % 3).to_string()],
            factors: Default::default(),
        };
        let clips = Manifest { clips: (0..count).map(clip).collect() };
        let targets = Targets::of(&clips.into(), &labels).expect("targets");
        let figures = scored.metrics_with_intervals(&targets).expect("figures");
        assert_eq!(figures, scored.metrics_with_intervals(&targets).expect("the same"), "seeded");
        assert_eq!(figures.intervals.len(), 5, "{:?}", figures.intervals);
        for (name, value) in figures.named() {
            let (low, high) = figures.intervals[name];
            assert!(low <= value && value <= high, "{name}: {low} {value} {high}");
            assert!(high > low || name == "top5", "{name}: {low} to {high}");
        }
    }
}
