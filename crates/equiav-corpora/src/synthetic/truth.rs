//! Where the object of each clip is seen, computed from the seed again; no file holds it.

use std::collections::BTreeMap;
use std::f64::consts::FRAC_PI_3;
use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::picture::{Layout, Setting};
use super::scene::Shape;
use super::{Synthetic, VERSION};
use crate::finished::MARKER;

/// A rectangle in a picture as shares of its sides: left, top, right, bottom, each in [0, 1].
pub type Rectangle = [f64; 4];

impl Synthetic {
    /// The knobs of the corpus that `list` belongs to; nothing where it belongs to none.
    ///
    /// # Errors
    ///
    /// If there is a corpus of another version, whose clips this program does not know.
    pub fn of_list(list: &Path) -> anyhow::Result<Option<Self>> {
        let marker = list.with_file_name(MARKER);
        let Ok(text) = std::fs::read(&marker) else { return Ok(None) };
        let within = || format!("in {}", marker.display());
        let mut knobs: Value = serde_json::from_slice(&text).with_context(within)?;
        let Some(knobs) = knobs.as_object_mut() else { return Ok(None) };
        if knobs.remove("corpus").is_none_or(|corpus| corpus != "synthetic") {
            return Ok(None);
        }
        let version = knobs.remove("version").unwrap_or_default();
        ensure!(
            version == VERSION,
            "{}: made by version {version}, this program knows {VERSION}; make the corpus again",
            marker.display()
        );
        let knobs = Value::Object(std::mem::take(knobs));
        serde_json::from_value(knobs).map(Some).with_context(within)
    }

    /// The box around the object of every clip, in its middle frame, by the clip's id.
    ///
    /// Beads, clutter and background are no part of it; what lies outside the picture is cut off.
    pub fn boxes(&self) -> BTreeMap<String, Rectangle> {
        let time = ((self.frames / 2) as f64 + 0.5) / self.frames as f64;
        let placed = |plan: super::Plan| {
            let mut rng = self.stream(&plan);
            let scene = self.scene(&plan, &mut rng);
            let setting = Setting::draw(self.nuisance, &mut rng);
            let rectangle = Layout::new(&scene, &setting, time).rectangle();
            (plan.id, rectangle)
        };
        self.plans().map(placed).collect()
    }
}

impl Layout<'_> {
    /// The smallest upright rectangle that holds the object.
    fn rectangle(&self) -> Rectangle {
        let [cos, sin] = self.turn;
        // A disc reaches as far however it is turned.
        let turned = |&[x, y]: &[f64; 2]| [cos * x - sin * y, sin * x + cos * y];
        let corners: Vec<[f64; 2]> = match corners(self.scene.shape) {
            corners if corners.is_empty() => vec![[-1.0; 2], [1.0; 2]],
            corners => corners.iter().map(turned).collect(),
        };
        let reach = |axis: usize, choose: fn(f64, f64) -> f64| {
            let offsets = corners.iter().map(|corner| corner[axis]);
            let offset = offsets.reduce(choose).unwrap_or(0.0);
            (self.center[axis] + self.radius * offset).clamp(0.0, 1.0)
        };
        [reach(0, f64::min), reach(1, f64::min), reach(0, f64::max), reach(1, f64::max)]
    }
}

/// The corners of a shape about the origin, as `picture` draws it; none of a disc of radius 1.
fn corners(shape: Shape) -> Vec<[f64; 2]> {
    let mirrored = |x: f64, y: f64| [[x, y], [-x, y], [x, -y], [-x, -y]];
    match shape {
        Shape::Disc => Vec::new(),
        Shape::Square => mirrored(0.88, 0.88).to_vec(),
        Shape::Triangle => {
            let (flat, steep) = (FRAC_PI_3.cos(), FRAC_PI_3.sin());
            let half = (0.7 + flat * 0.7) / steep;
            vec![[0.0, -0.7 / flat], [half, 0.7], [-half, 0.7]]
        }
        Shape::Cross => [mirrored(1.15, 0.45), mirrored(0.45, 1.15)].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_box_is_the_smallest_that_holds_every_point_of_the_object() {
        let corpus = Synthetic { instances: 60, held_out: 4, ..Synthetic::default() };
        const SIDE: usize = 400;
        for plan in corpus.plans() {
            let mut rng = corpus.stream(&plan);
            let scene = corpus.scene(&plan, &mut rng);
            let setting = Setting::draw(corpus.nuisance, &mut rng);
            let layout = Layout::new(&scene, &setting, 0.5);
            let at = |index: usize| (index as f64 + 0.5) / SIDE as f64;
            let mut found = [1.0f64, 1.0, 0.0, 0.0];
            for (row, column) in (0..SIDE * SIDE).map(|index| (index / SIDE, index % SIDE)) {
                let point = [at(column), at(row)];
                if layout.object(point).is_some() {
                    for axis in 0..2 {
                        found[axis] = found[axis].min(point[axis]);
                        found[axis + 2] = found[axis + 2].max(point[axis]);
                    }
                }
            }
            let expected = layout.rectangle();
            for (found, expected) in found.iter().zip(expected) {
                // A tip of a triangle is narrower than the distance of two points.
                assert!((found - expected).abs() < 0.006, "{scene:?}: {found} for {expected}");
            }
            assert_eq!(corpus.boxes()[&plan.id], expected, "frame 1 of 3 is at half the time");
        }
    }

    #[test]
    fn a_list_finds_its_corpus_and_another_version_is_refused() -> anyhow::Result<()> {
        let home = tempfile::tempdir()?;
        let folder = home.path().join("corpus");
        let corpus = Synthetic { instances: 2, held_out: 1, image: 32, ..Synthetic::default() };
        let paths = corpus.write(&folder, &mut |_, _| {})?;
        assert_eq!(Synthetic::of_list(&paths.valid)?, Some(corpus));
        assert_eq!(Synthetic::of_list(&home.path().join("other.json"))?, None);
        let marker = folder.join(MARKER);
        let text = std::fs::read_to_string(&marker)?.replace("\"version\": 1", "\"version\": 0");
        std::fs::write(&marker, text)?;
        let error = Synthetic::of_list(&paths.valid).unwrap_err().to_string();
        assert!(error.contains("made by version 0"), "{error}");
        Ok(())
    }
}
