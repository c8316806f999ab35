//! The geometry of a random resized crop, for both modalities, as torchvision draws it.

use rand::Rng;

use crate::random;
use crate::setting::Interval;

/// A part of a view, in its own rows and columns (frames and mel bins of a spectrogram).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Region {
    /// The first row.
    pub top: usize,
    /// The first column.
    pub left: usize,
    /// How many rows.
    pub height: usize,
    /// How many columns.
    pub width: usize,
}

impl Region {
    /// Whether this is all of a view of `height` rows and `width` columns.
    pub fn is_whole(&self, height: usize, width: usize) -> bool {
        *self == Self { top: 0, left: 0, height, width }
    }

    /// Whether it lies inside a view of `height` rows and `width` columns and is not empty.
    pub fn fits(&self, height: usize, width: usize) -> bool {
        let inside = |first: usize, length: usize, whole: usize| {
            length > 0 && first.checked_add(length).is_some_and(|end| end <= whole)
        };
        inside(self.top, self.height, height) && inside(self.left, self.width, width)
    }
}

/// Which regions are drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// The region's area over the view's.
    pub(crate) area: Interval,
    /// The region's width over its height.
    pub(crate) aspect: Interval,
}

/// Draws a region of a view of `height` rows and `width` columns.
///
/// Ten tries of a uniform area and a log-uniform aspect, a uniform place for the first that fits;
/// if none does, the central region with the nearest allowed aspect. As torchvision's
/// `RandomResizedCrop.get_params`.
pub(crate) fn draw_region(height: usize, width: usize, shape: Shape, rng: &mut impl Rng) -> Region {
    let whole = (height * width) as f64;
    for _ in 0..10 {
        let area = whole * shape.area.uniform(rng);
        let aspect = shape.aspect.log_uniform(rng);
        let w = (area * aspect).sqrt().round_ties_even() as usize;
        let h = (area / aspect).sqrt().round_ties_even() as usize;
        if (1..=width).contains(&w) && (1..=height).contains(&h) {
            let top = random::below(height - h + 1, rng);
            let left = random::below(width - w + 1, rng);
            return Region { top, left, height: h, width: w };
        }
    }
    central_region(height, width, shape.aspect)
}

/// The largest central region whose aspect is allowed.
fn central_region(height: usize, width: usize, aspect: Interval) -> Region {
    let own = width as f64 / height as f64;
    let fitted = |length: f64, limit| (length.round_ties_even() as usize).clamp(1, limit);
    let (h, w) = if own < aspect.low() {
        (fitted(width as f64 / aspect.low(), height), width)
    } else if own > aspect.high() {
        (height, fitted(height as f64 * aspect.high(), width))
    } else {
        (height, width)
    };
    Region { top: (height - h) / 2, left: (width - w) / 2, height: h, width: w }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::random::{Purpose, stream};

    #[test]
    fn the_fallback_is_the_central_region_with_the_nearest_aspect() {
        let aspect = Interval::of(0.75, 4.0 / 3.0);
        let region = |height, width| central_region(height, width, aspect);
        assert_eq!(region(10, 100), Region { top: 0, left: 43, height: 10, width: 13 });
        assert_eq!(region(100, 10), Region { top: 43, left: 0, height: 13, width: 10 });
        assert_eq!(region(20, 20), Region { top: 0, left: 0, height: 20, width: 20 });
    }

    #[test]
    fn only_what_lies_inside_and_has_an_area_fits() {
        let region = |top, left, height, width| Region { top, left, height, width };
        assert!(region(2, 3, 4, 5).fits(6, 8) && region(0, 0, 6, 8).is_whole(6, 8));
        for outside in [region(3, 3, 4, 5), region(2, 4, 4, 5), region(2, 3, 0, 5)] {
            assert!(!outside.fits(6, 8), "{outside:?}");
        }
        assert!(!region(2, 3, usize::MAX, 5).fits(6, 8));
    }

    #[test]
    fn areas_and_places_are_spread_over_their_ranges() {
        let shape = Shape { area: Interval::of(0.08, 1.0), aspect: Interval::of(0.75, 4.0 / 3.0) };
        let mut rng = stream(5, 0, 0, Purpose::Order);
        let regions: Vec<Region> =
            (0..2000).map(|_| draw_region(224, 224, shape, &mut rng)).collect();
        let areas = regions.iter().map(|r| (r.height * r.width) as f64 / (224.0 * 224.0));
        let mean = areas.clone().sum::<f64>() / 2000.0;
        // Uniform on [0.08, 1] has mean 0.54; large areas fail more often and lower it.
        assert!((0.45..0.55).contains(&mean), "{mean}");
        assert!(areas.clone().fold(1.0, f64::min) < 0.09);
        assert!(areas.fold(0.0, f64::max) > 0.95);
        assert!(regions.iter().any(|r| r.top > 100) && regions.iter().any(|r| r.left > 100));
    }

    proptest! {
        #[test]
        fn every_region_fits(
            height in 1_usize..60, width in 1_usize..60, low in 0.05_f64..5.0, seed: u64,
        ) {
            let shape =
                Shape { area: Interval::of(0.08, 1.0), aspect: Interval::of(low, low * 1.8) };
            let region = draw_region(height, width, shape, &mut stream(seed, 0, 0, Purpose::Order));
            prop_assert!(region.fits(height, width), "{region:?}");
        }
    }
}
