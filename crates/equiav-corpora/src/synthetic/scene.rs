//! One scene's factors: what both the picture and the sound of a clip are made from.

use std::collections::BTreeMap;
use std::f64::consts::TAU;

use rand::{Rng, RngExt};
use serde_json::{Value, json};

/// Names of hues a twelfth of the circle apart, from 0.
const HUE_NAMES: [&str; 12] = [
    "red", "orange", "yellow", "lime", "green", "mint", "cyan", "azure", "blue", "violet",
    "magenta", "rose",
];

/// What covers the object; heard as the course of the tone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// One color: a steady tone.
    Solid,
    /// Stripes: tremolo.
    Stripes,
    /// Dots: the tone with wide-band clicks over it.
    Dots,
    /// Checks: a trill between the tone and its fifth.
    Checks,
    /// Concentric rings: vibrato.
    Rings,
    /// Two halves: stretched partials, as of a bell.
    Halves,
}

impl Pattern {
    pub(super) const ALL: [Self; 6] =
        [Self::Solid, Self::Stripes, Self::Dots, Self::Checks, Self::Rings, Self::Halves];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Solid => "solid",
            Self::Stripes => "stripes",
            Self::Dots => "dots",
            Self::Checks => "checks",
            Self::Rings => "rings",
            Self::Halves => "halves",
        }
    }
}

/// The object's outline; heard as the envelope of every onset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Swells and fades.
    Disc,
    /// Switches on and off.
    Square,
    /// Plucked: starts at once, decays.
    Triangle,
    /// A pluck backwards: grows, stops at once.
    Cross,
}

impl Shape {
    pub(super) const ALL: [Self; 4] = [Self::Disc, Self::Square, Self::Triangle, Self::Cross];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Disc => "disc",
            Self::Square => "square",
            Self::Triangle => "triangle",
            Self::Cross => "cross",
        }
    }
}

/// How classes are laid out: hue families times patterns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Classes {
    pub(super) hues: usize,
    pub(super) patterns: usize,
}

impl Classes {
    /// Most classes there can be: every pattern in twelve hues.
    pub(super) const MOST: usize = Pattern::ALL.len() * HUE_NAMES.len();

    /// Lays `count` classes out as squarely as the number of patterns permits.
    pub(super) fn new(count: usize) -> Self {
        let most = Pattern::ALL.len();
        let patterns = count.isqrt().clamp(1, most);
        Self { hues: count.div_ceil(patterns), patterns }
    }

    fn hue_family(self, class: usize) -> usize {
        class % self.hues
    }

    fn pattern(self, class: usize) -> Pattern {
        Pattern::ALL[(class / self.hues).min(self.patterns - 1)]
    }

    /// Name of a class, such as `red-stripes`.
    pub(super) fn name(self, class: usize) -> String {
        let twelfth = (12 * self.hue_family(class) + self.hues / 2) / self.hues;
        format!("{}-{}", HUE_NAMES[twelfth % 12], self.pattern(class).name())
    }
}

/// The factors that the picture and the sound of one clip share.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scene {
    /// Which class: a hue family and a pattern.
    pub(super) class: usize,
    /// Hue of the object in `[0, 1)`, red at 0.
    pub(super) hue: f64,
    pub(super) pattern: Pattern,
    pub(super) shape: Shape,
    /// Size in `[0, 1]`, uniform; the radius grows exponentially with it.
    pub(super) size: f64,
    /// Height in the picture in `[0, 1]`, 0 at the bottom.
    pub(super) height: f64,
    /// How many beads, 1 to [`Scene::MOST_BEADS`].
    pub(super) count: usize,
}

impl Scene {
    pub(super) const MOST_BEADS: usize = 5;

    /// Draws a scene of `class`.
    pub(super) fn draw(classes: Classes, class: usize, rng: &mut impl Rng) -> Self {
        // Families keep a fifth of their distance free between them, so that hues name classes.
        let offset = rng.random_range(-0.4..0.4);
        let hue = (classes.hue_family(class) as f64 + offset) / classes.hues as f64;
        Self {
            class,
            hue: hue.rem_euclid(1.0),
            pattern: classes.pattern(class),
            shape: Shape::ALL[rng.random_range(0..Shape::ALL.len())],
            size: rng.random_range(0.0..1.0),
            height: rng.random_range(0.0..1.0),
            count: rng.random_range(1..=Self::MOST_BEADS),
        }
    }

    /// Radius of the object as a share of the picture's side, 0.11 to 0.29.
    pub(super) fn radius(&self) -> f64 {
        0.11 * (0.29f64 / 0.11).powf(self.size)
    }

    /// Distance of the object's center from the upper edge as a share of the side, 0.22 to 0.78.
    pub(super) fn top_distance(&self) -> f64 {
        0.78 - 0.56 * self.height
    }

    /// Fundamental of the tone in Hz, 880 for the smallest to 110 for the largest.
    pub(super) fn pitch(&self) -> f64 {
        880.0 * 2f64.powf(-3.0 * self.size)
    }

    /// Center of the band of noise in Hz, 500 at the bottom to 5657 at the top.
    pub(super) fn band_center(&self) -> f64 {
        500.0 * 2f64.powf(3.5 * self.height)
    }

    /// How fast the partials weaken: partial `k` has amplitude `k^-tilt`; 0.3 (red) to 2.1 (cyan).
    pub(super) fn tilt(&self) -> f64 {
        1.2 - 0.9 * (TAU * self.hue).cos()
    }

    /// Amplitude of the even partials relative to the odd ones, 0.06 for lime to 1 for violet.
    pub(super) fn even_gain(&self) -> f64 {
        10f64.powf(-0.6 * (1.0 + (TAU * self.hue).sin()))
    }

    /// What the manifest keeps beside the clip.
    pub(super) fn factors(&self) -> BTreeMap<String, Value> {
        let rounded = |value: f64| json!((value * 1e4).round() / 1e4);
        [
            ("class", json!(self.class)),
            ("hue", rounded(self.hue)),
            ("pattern", json!(self.pattern.name())),
            ("shape", json!(self.shape.name())),
            ("size", rounded(self.size)),
            ("height", rounded(self.height)),
            ("count", json!(self.count)),
            ("pitch", rounded(self.pitch())),
            ("band_center", rounded(self.band_center())),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_number_of_classes_gives_that_many_names() {
        for count in 2..=Classes::MOST {
            let classes = Classes::new(count);
            assert!(classes.hues * classes.patterns >= count, "{classes:?}");
            let names: BTreeSet<_> = (0..count).map(|class| classes.name(class)).collect();
            assert_eq!(names.len(), count, "{names:?}");
        }
    }

    #[test]
    fn ranges_are_those_of_the_documentation() {
        let scene = |hue, size, height| Scene {
            class: 0,
            hue,
            pattern: Pattern::Solid,
            shape: Shape::Disc,
            size,
            height,
            count: 1,
        };
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-2 * b.abs(), "{a} against {b}");
        near(scene(0.0, 0.0, 0.0).radius(), 0.11);
        near(scene(0.0, 1.0, 0.0).radius(), 0.29);
        near(scene(0.0, 1.0, 0.0).pitch(), 110.0);
        near(scene(0.0, 0.0, 1.0).band_center(), 5657.0);
        near(scene(0.0, 0.0, 1.0).tilt(), 0.3);
        near(scene(0.5, 0.0, 1.0).tilt(), 2.1);
        near(scene(0.25, 0.0, 1.0).even_gain(), 0.063);
        near(scene(0.75, 0.0, 1.0).even_gain(), 1.0);
    }
}
