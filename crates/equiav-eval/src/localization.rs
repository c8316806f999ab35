//! How well a map over a picture finds what is there: overlaps under stated rules, baselines, intervals.
//!
//! A map holds one number a pixel, higher where the thing is thought to be. A [`Rule`] makes a region of
//! it; the overlap of that region with the [`Truth`] is the "cIoU" of sound localization.

use std::iter::repeat_n;

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::bootstrap::{Bootstrap, ConfidenceInterval, intervals};
use crate::{EvalError, check_values};

/// How many times the clips of a figure's interval are drawn again.
pub const RESAMPLES: usize = 2_000;

/// Where the thing is: a weight for every pixel, from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    weights: Array2<f32>,
}

impl Truth {
    /// The pixels whose centers lie in any of `boxes`: left, top, right, bottom as shares of the sides.
    ///
    /// A box that holds no center is the one pixel below its middle.
    ///
    /// # Panics
    ///
    /// If `size`, rows and columns, has a 0, or a box is not finite.
    #[track_caller]
    pub fn of_boxes(boxes: &[[f64; 4]], size: [usize; 2]) -> Self {
        let mut weights = Array2::zeros(size);
        for corners in boxes {
            let [rows, columns] = pixels(*corners, size);
            weights.slice_mut(ndarray::s![rows, columns]).fill(1.0);
        }
        Self { weights }
    }

    /// What `annotators` agree on, one list of boxes each: a pixel that `agree` of them mark weighs 1, one
    /// that fewer mark its share of that. As in the annotations of Flickr-SoundNet, with 2.
    ///
    /// # Panics
    ///
    /// As [`of_boxes`](Self::of_boxes), and if `agree` is 0.
    #[track_caller]
    pub fn consensus(annotators: &[Vec<[f64; 4]>], agree: usize, size: [usize; 2]) -> Self {
        assert!(agree > 0, "Truth::consensus: 0 annotators agree on everything");
        let marked = annotators.iter().map(|boxes| Self::of_boxes(boxes, size).weights);
        let votes = marked.fold(Array2::zeros(size), |votes, marked| votes + marked);
        Self { weights: votes.mapv(|votes: f32| (votes / agree as f32).min(1.0)) }
    }

    /// The pixels of a mask.
    pub fn of_mask(mask: ArrayView2<'_, bool>) -> Self {
        Self { weights: mask.mapv(|inside| f32::from(u8::from(inside))) }
    }

    /// Rows and columns.
    pub fn size(&self) -> [usize; 2] {
        self.weights.dim().into()
    }

    /// The sum of all weights over the number of pixels, 0 to 1.
    pub fn area(&self) -> f64 {
        self.total() / self.weights.len() as f64
    }

    /// Whether no pixel weighs anything.
    pub fn is_empty(&self) -> bool {
        self.total() == 0.0
    }

    fn total(&self) -> f64 {
        self.weights.iter().map(|weight| f64::from(*weight)).sum()
    }
}

/// The rows and columns of a box.
#[track_caller]
fn pixels(corners: [f64; 4], size: [usize; 2]) -> [std::ops::Range<usize>; 2] {
    assert!(size.iter().all(|side| *side > 0), "a truth of size {size:?} has no pixel");
    assert!(corners.iter().all(|share| share.is_finite()), "a box at {corners:?}");
    let span = |from: f64, to: f64, side: usize| {
        let place = |share: f64| (share.clamp(0.0, 1.0) * side as f64 - 0.5).ceil() as usize;
        let (from, to) = (place(from.min(to)), place(from.max(to)));
        if from < to {
            return from..to;
        }
        let middle = from.min(side - 1);
        middle..middle + 1
    };
    let [left, top, right, bottom] = corners;
    [span(top, bottom, size[0]), span(left, right, size[1])]
}

/// How a map becomes a region.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The better half of the pixels, those at or above the median: the rule of the literature. The region
    /// is half of the picture, so a truth below a quarter of it cannot be met with an overlap of 0.5.
    HalfArea,
    /// The pixels in the upper half of the map's own range, between its least and its greatest value.
    HalfRange,
    /// As many of the best pixels as the truth has: tells where from how much, and needs the truth.
    TruthArea,
}

impl Rule {
    /// Every rule, in the order of reporting.
    pub const ALL: [Self; 3] = [Self::HalfArea, Self::HalfRange, Self::TruthArea];

    /// The region of `map`. Pixels that equal the last one taken are taken too: a map that is the same
    /// everywhere gives the whole picture.
    ///
    /// # Panics
    ///
    /// If `map` and `truth` differ in size, or a value of `map` is not a number.
    #[track_caller]
    pub fn region(self, map: ArrayView2<'_, f32>, truth: &Truth) -> Array2<bool> {
        assert_eq!(<[usize; 2]>::from(map.dim()), truth.size(), "map and truth differ in size");
        let count = match self {
            Self::HalfArea => map.len().div_ceil(2),
            Self::TruthArea => (truth.total().round() as usize).max(1),
            Self::HalfRange => {
                let least = map.iter().copied().fold(f32::INFINITY, f32::min);
                let greatest = map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let middle = least / 2.0 + greatest / 2.0;
                return map.mapv(|value| value >= middle);
            }
        };
        let mut values: Vec<f32> = map.iter().copied().collect();
        let place = count.min(values.len()) - 1;
        let (_, last, _) = values.select_nth_unstable_by(place, |a, b| b.total_cmp(a));
        let last = *last;
        map.mapv(|value| value >= last)
    }
}

/// The overlap of `region` with `truth`, 0 to 1: with weights of 0 and 1, intersection over union.
///
/// ```text
/// overlap = Σ_{region} g / (Σ g + |{region, g = 0}|)
/// ```
///
/// # Panics
///
/// If they differ in size, or both are empty.
#[track_caller]
pub fn overlap(region: ArrayView2<'_, bool>, truth: &Truth) -> f64 {
    assert_eq!(<[usize; 2]>::from(region.dim()), truth.size(), "region and truth differ in size");
    let inside = region.iter().zip(&truth.weights).filter(|(inside, _)| **inside);
    let (mut met, mut missed) = (0.0, 0.0);
    for (_, weight) in inside {
        met += f64::from(*weight);
        missed += f64::from(u8::from(*weight == 0.0));
    }
    let union = truth.total() + missed;
    assert!(union > 0.0, "overlap: neither region nor truth has a pixel");
    met / union
}

/// The pointing game: the share of the best pixels that lie where the truth weighs something; of a map
/// with one greatest value 0 or 1, of one that is the same everywhere what a random point would hit.
///
/// # Panics
///
/// If they differ in size.
#[track_caller]
pub fn pointing(map: ArrayView2<'_, f32>, truth: &Truth) -> f64 {
    assert_eq!(<[usize; 2]>::from(map.dim()), truth.size(), "map and truth differ in size");
    let greatest = map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let best = map.iter().zip(&truth.weights).filter(|(value, _)| **value == greatest);
    let (mut count, mut hits) = (0, 0);
    for (_, weight) in best {
        count += 1;
        hits += usize::from(*weight > 0.0);
    }
    f64::from(hits as u32) / f64::from(count.max(1))
}

/// The map that knows nothing but where pictures have their middle: the negative distance from it, in the
/// larger of both directions, so that its regions are centered boxes.
pub fn center_map(size: [usize; 2]) -> Array2<f32> {
    let away = |index: usize, side: usize| ((index as f64 + 0.5) / side as f64 - 0.5).abs();
    Array2::from_shape_fn(size, |(row, column)| {
        -(away(row, size[0]).max(away(column, size[1])) as f32)
    })
}

/// A figure with the interval that holds 95 % of what other draws of the same number of clips would give.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Figure {
    /// Over all clips.
    pub value: f64,
    /// The 2.5 % quantile over resamples; none of a single clip, which says nothing of others.
    pub low: Option<f64>,
    /// The 97.5 % quantile; none as above.
    pub high: Option<f64>,
}

impl Figure {
    /// `statistic` of `values`, with the bootstrap's percentile interval of [`RESAMPLES`] resamples.
    ///
    /// Equal `seed`s give equal intervals, and equal numbers of values the same resamples.
    ///
    /// # Panics
    ///
    /// If there are no values.
    #[track_caller]
    pub fn of(values: &[f64], seed: u64, statistic: impl Fn(&[f64]) -> f64 + Sync) -> Self {
        assert!(!values.is_empty(), "Figure::of: there are no values");
        let of_resample = |counts: &[u32]| {
            let drawn = values.iter().zip(counts);
            let drawn = drawn.flat_map(|(value, count)| repeat_n(*value, *count as usize));
            vec![Some(statistic(&drawn.collect::<Vec<_>>()))]
        };
        let how = Bootstrap { resamples: RESAMPLES, ..Bootstrap::usual(seed) };
        let found = intervals(values.len(), &how, of_resample).expect("clips and resamples");
        let (low, high) = found[0].map(|ConfidenceInterval { low, high, .. }| (low, high)).unzip();
        Self { value: statistic(values), low, high }
    }
}

/// The arithmetic mean.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The share of overlaps of at least 0.5: "AP50", often called cIoU.
pub fn success_at_half(overlaps: &[f64]) -> f64 {
    success_at(overlaps, 0.5)
}

/// The area under the share of overlaps that reach a threshold, over the 21 thresholds 0, 0.05, .. 1, by
/// trapezoids.
pub fn area_under_success(overlaps: &[f64]) -> f64 {
    let rates: Vec<f64> =
        (0..=20).map(|step| success_at(overlaps, 0.05 * f64::from(step))).collect();
    rates.windows(2).map(|pair| 0.05 * (pair[0] + pair[1]) / 2.0).sum()
}

fn success_at(overlaps: &[f64], threshold: f64) -> f64 {
    // Twice the rounding of a quotient, so that 0.15 counts as 3 times 0.05.
    let reached = overlaps.iter().filter(|overlap| **overlap >= threshold - 1e-12);
    reached.count() as f64 / overlaps.len() as f64
}

/// The overlaps of many clips under one rule, in figures.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Overlaps {
    /// The share of clips with an overlap of at least 0.5.
    pub ap50: Figure,
    /// The mean overlap.
    pub mean_iou: Figure,
    /// The area under the success rate over 21 thresholds.
    pub auc: Figure,
}

impl Overlaps {
    /// The figures of `overlaps`.
    ///
    /// # Panics
    ///
    /// If there are none.
    #[track_caller]
    pub fn of(overlaps: &[f64], seed: u64) -> Self {
        Self {
            ap50: Figure::of(overlaps, seed, success_at_half),
            mean_iou: Figure::of(overlaps, seed, mean),
            auc: Figure::of(overlaps, seed, area_under_success),
        }
    }
}

/// Fails unless `map` can be scored.
///
/// # Errors
///
/// If it is empty or a value is not finite.
pub fn check_map(map: ArrayView2<'_, f32>) -> Result<(), EvalError> {
    check_values("map", map)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found}, expected {expected}");
    }

    #[test]
    fn a_box_holds_the_pixels_whose_centers_it_holds() {
        let truth = Truth::of_boxes(&[[0.25, 0.0, 0.75, 0.5]], [4, 4]);
        let expected =
            array![[0., 1., 1., 0.], [0., 1., 1., 0.], [0., 0., 0., 0.], [0., 0., 0., 0.]];
        assert_eq!(truth.weights, expected);
        near(truth.area(), 0.25);
        // Centers at 0.125, 0.375, ..: only the second lies between 0.2 and 0.6.
        let odd = Truth::of_boxes(&[[0.2, 0.2, 0.6, 0.6]], [4, 4]);
        assert_eq!(odd.weights[(1, 1)], 1.0);
        near(odd.area(), 1.0 / 16.0);
        let tiny = Truth::of_boxes(&[[0.99, 0.99, 1.0, 1.0]], [4, 4]);
        assert_eq!((tiny.weights[(3, 3)], tiny.weights.sum()), (1.0, 1.0));
        let twice = Truth::of_boxes(&[[0.0, 0.0, 0.5, 0.5], [0.25, 0.0, 0.75, 0.5]], [4, 4]);
        near(twice.area(), 6.0 / 16.0);
    }

    #[test]
    fn regions_follow_their_rules() {
        let map = array![[9.0, 8.0, 1.0], [7.0, 2.0, 1.0]];
        let truth = Truth::of_boxes(&[[0.0, 0.0, 2.0 / 3.0, 0.5]], [2, 3]);
        let taken = |rule: Rule| rule.region(map.view(), &truth);
        let half = array![[true, true, false], [true, false, false]];
        assert_eq!(taken(Rule::HalfArea), half);
        assert_eq!(taken(Rule::HalfRange), half, "from 1 to 9, so from 5 on");
        assert_eq!(taken(Rule::TruthArea), array![[true, true, false], [false, false, false]]);
        let flat = Array2::<f32>::zeros((2, 3));
        for rule in Rule::ALL {
            assert!(rule.region(flat.view(), &truth).iter().all(|inside| *inside), "{rule:?}");
        }
        near(overlap(taken(Rule::HalfArea).view(), &truth), 2.0 / 3.0);
        near(overlap(taken(Rule::TruthArea).view(), &truth), 1.0);
    }

    #[test]
    fn annotators_who_agree_in_part_weigh_in_part() {
        let boxes = [vec![[0.0, 0.0, 0.5, 1.0]], vec![[0.0, 0.0, 1.0, 1.0]], Vec::new()];
        let truth = Truth::consensus(&boxes, 2, [1, 4]);
        assert_eq!(truth.weights, array![[1.0, 1.0, 0.5, 0.5]]);
        let left = array![[true, true, false, false]];
        near(overlap(left.view(), &truth), 2.0 / 3.0);
        let thrice = Truth::consensus(&[&boxes[..2], &boxes[..1]].concat(), 2, [1, 4]);
        assert_eq!(thrice.weights, array![[1.0, 1.0, 0.5, 0.5]], "certain is certain");
        assert!(Truth::consensus(&[Vec::new()], 2, [1, 4]).is_empty());
    }

    #[test]
    fn the_pointing_game_is_won_inside_only() {
        let truth = Truth::of_boxes(&[[0.0, 0.0, 0.5, 1.0]], [1, 4]);
        near(pointing(array![[0.0, 3.0, 1.0, 2.0]].view(), &truth), 1.0);
        near(pointing(array![[0.0, 0.0, 3.0, 2.0]].view(), &truth), 0.0);
        near(pointing(array![[0.0, 3.0, 3.0, 2.0]].view(), &truth), 0.5);
        near(pointing(Array2::zeros((1, 4)).view(), &truth), truth.area());
    }

    #[test]
    fn the_center_is_a_box_in_the_middle() {
        let truth = Truth::of_boxes(&[[0.25, 0.25, 0.75, 0.75]], [8, 8]);
        let region = Rule::TruthArea.region(center_map([8, 8]).view(), &truth);
        near(overlap(region.view(), &truth), 1.0);
    }

    #[test]
    fn success_rates_equal_those_worked_out_by_hand() {
        let overlaps = [0.0, 0.15, 0.5, 1.0];
        near(success_at_half(&overlaps), 0.5);
        // Rates: 1 at 0; 0.75 at 0.05, 0.1, 0.15; 0.5 at 0.2 .. 0.5; 0.25 at 0.55 .. 1.
        let sum = 1.0 + 3.0 * 0.75 + 7.0 * 0.5 + 10.0 * 0.25;
        near(area_under_success(&overlaps), 0.05 * (sum - (1.0 + 0.25) / 2.0));
        near(area_under_success(&[1.0]), 1.0);
        near(area_under_success(&[0.0]), 0.025);
    }

    #[test]
    fn intervals_hold_their_value_and_narrow_with_more_clips() {
        let values = |count: u32| (0..count).map(|n| f64::from(n % 2)).collect::<Vec<_>>();
        let (few, many) = (Figure::of(&values(40), 7, mean), Figure::of(&values(1_000), 7, mean));
        let ends = |figure: Figure| {
            let (low, high) = figure.low.zip(figure.high).expect("an interval");
            assert!(low <= figure.value + 1e-12 && figure.value <= high + 1e-12, "{figure:?}");
            [low, high]
        };
        // The standard error of a share of a half is 0.5 / √n; 1.96 of them each way.
        for (figure, count) in [(few, 40.0f64), (many, 1_000.0)] {
            let expected = 2.0 * 1.96 * 0.5 / count.sqrt();
            let [low, high] = ends(figure);
            let ratio = (high - low) / expected;
            assert!((0.85..1.15).contains(&ratio), "{figure:?}: {ratio}");
        }
        assert_eq!(few, Figure::of(&values(40), 7, mean), "the seed decides");
        let same = Figure::of(&[0.3; 9], 1, mean);
        assert!(ends(same).iter().all(|end| (end - 0.3).abs() < 1e-12), "{same:?}");
        let one = Figure::of(&[1.0], 1, mean);
        assert_eq!((one.value, one.low, one.high), (1.0, None, None));
    }

    /// By sets of positions, one at a time.
    fn naive_overlap(region: &[bool], truth: &[bool]) -> f64 {
        let both = region.iter().zip(truth).filter(|(r, t)| **r && **t).count();
        let either = region.iter().zip(truth).filter(|(r, t)| **r || **t).count();
        both as f64 / either as f64
    }

    proptest! {
        #[test]
        fn equals_a_naive_version(
            values in proptest::collection::vec(0u8..6, 30),
            marks in proptest::collection::vec(any::<bool>(), 30),
        ) {
            prop_assume!(marks.contains(&true));
            let values: Vec<f32> = values.into_iter().map(f32::from).collect();
            let map = Array2::from_shape_vec((5, 6), values.clone()).unwrap();
            let mask = Array2::from_shape_vec((5, 6), marks.clone()).unwrap();
            let truth = Truth::of_mask(mask.view());
            for rule in Rule::ALL {
                // A pixel is in the region when too few are better than it.
                let better = |value: f32| values.iter().filter(|other| **other > value).count();
                let count = match rule {
                    Rule::HalfArea => 15,
                    Rule::TruthArea => marks.iter().filter(|mark| **mark).count(),
                    Rule::HalfRange => 0,
                };
                let (least, most) = values.iter().fold((9f32, 0f32), |(low, high), value| {
                    (low.min(*value), high.max(*value))
                });
                let inside = |value: &f32| match rule {
                    Rule::HalfRange => *value >= (least + most) / 2.0,
                    _ => better(*value) < count,
                };
                let expected: Vec<bool> = values.iter().map(inside).collect();
                let region = rule.region(map.view(), &truth);
                prop_assert_eq!(region.iter().copied().collect::<Vec<_>>(), expected.clone());
                let found = overlap(region.view(), &truth);
                prop_assert!((found - naive_overlap(&expected, &marks)).abs() < 1e-12);
            }
        }
    }
}
