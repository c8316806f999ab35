//! Scenes to look at: rows in which one factor changes, and clips as they come.

use equiav_augment::{Purpose, stream};
use image::RgbImage;

use super::scene::{Classes, Pattern, Scene, Shape};
use super::{FIRST_HELD_OUT, Synthetic, picture, sound};

const COLUMNS: usize = 6;
/// Rows of clips as they come.
const DRAWN_ROWS: usize = 2;

/// A scene's picture and sound with a line of text.
pub(crate) struct Specimen {
    pub(crate) caption: String,
    pub(crate) picture: RgbImage,
    pub(crate) samples: Vec<i16>,
}

impl Synthetic {
    /// Rows of specimens: one for each factor, then rows of the first held-out clips.
    ///
    /// # Errors
    ///
    /// If a knob is out of its range.
    pub(crate) fn specimens(&self) -> anyhow::Result<Vec<Vec<Specimen>>> {
        self.check()?;
        let plain = Self { nuisance: 0.0, ..self.clone() };
        let mut rows: Vec<Vec<_>> = factor_rows()
            .into_iter()
            .map(|row| {
                row.into_iter().map(|(text, scene)| plain.specimen(text, &scene, 0)).collect()
            })
            .collect();
        let classes = Classes::new(self.classes);
        let drawn = (0..DRAWN_ROWS * COLUMNS).map(|n| {
            let number = FIRST_HELD_OUT + n as u64;
            // A step that shares no factor with the number of classes shows all kinds.
            let mut rng = stream(self.seed, 0, number, Purpose::Synthesis);
            let scene = Scene::draw(classes, (5 * n) % self.classes, &mut rng);
            self.specimen(classes.name(scene.class), &scene, number)
        });
        let drawn: Vec<_> = drawn.collect();
        let mut drawn = drawn.into_iter();
        rows.extend((0..DRAWN_ROWS).map(|_| drawn.by_ref().take(COLUMNS).collect::<Vec<_>>()));
        Ok(rows)
    }

    fn specimen(&self, caption: String, scene: &Scene, number: u64) -> Specimen {
        let mut rng = stream(self.seed, 1, number, Purpose::Synthesis);
        let setting = picture::Setting::draw(self.nuisance, &mut rng);
        let picture = picture::frame(scene, &setting, self.image, 0.5, &mut rng);
        let span = sound::Span { seconds: self.seconds, rate: self.sample_rate };
        let samples = sound::sound(scene, self.nuisance, span, &mut rng);
        Specimen { caption, picture, samples }
    }
}

/// For each factor a row of captions and scenes in which nothing else changes.
fn factor_rows() -> Vec<Vec<(String, Scene)>> {
    let base = Scene {
        class: 0,
        hue: 0.0,
        pattern: Pattern::Solid,
        shape: Shape::Square,
        size: 0.6,
        height: 0.5,
        count: 2,
    };
    let share = |n: usize| n as f64 / (COLUMNS - 1) as f64;
    let row = |scenes: Vec<(String, Scene)>| scenes;
    vec![
        row((0..COLUMNS)
            .map(|n| n as f64 / COLUMNS as f64)
            .map(|hue| (format!("hue {hue:.2} > timbre"), Scene { hue, ..base.clone() }))
            .collect()),
        row(Pattern::ALL
            .map(|pattern| {
                (format!("{} > course", pattern.name()), Scene { pattern, ..base.clone() })
            })
            .into()),
        row((0..COLUMNS)
            .map(|n| Scene { size: share(n), hue: 0.55, ..base.clone() })
            .map(|scene| (format!("size {:.1} > {:.0} Hz", scene.size, scene.pitch()), scene))
            .collect()),
        row((0..COLUMNS)
            .map(|n| Scene { height: share(n), hue: 0.4, size: 0.4, ..base.clone() })
            .map(|scene| {
                (format!("height {:.1} > {:.0} Hz", scene.height, scene.band_center()), scene)
            })
            .collect()),
        row((1..=Scene::MOST_BEADS)
            .map(|count| (format!("count {count} > onsets"), Scene { count, ..base.clone() }))
            .collect()),
        row(Shape::ALL
            .map(|shape| (format!("{} > envelope", shape.name()), Scene { shape, ..base.clone() }))
            .into()),
    ]
}
