//! Draws a scene: frames with the object, its beads and a background that tells nothing.

use std::f64::consts::{FRAC_PI_3, TAU};

use image::{Rgb, RgbImage};
use rand::{Rng, RngExt};

use super::scene::{Pattern, Scene, Shape};

/// Samples along each side of a pixel when an edge is smoothed.
const SAMPLES: usize = 2;
const BEAD_RADIUS: f64 = 0.045;
const BEAD_STEP: f64 = 0.15;
const WHITE: Color = [0.97, 0.97, 0.97];

/// Red, green and blue in `[0, 1]`.
type Color = [f64; 3];

/// Everything drawn by chance that stays the same over a clip's frames and tells nothing.
pub(super) struct Setting {
    corners: [Color; 2],
    slope: [f64; 2],
    texture: Vec<f64>,
    clutter: Vec<Clutter>,
    across: f64,
    angle: f64,
    sway: f64,
    saturation: f64,
    value: f64,
    noise: f64,
}

struct Clutter {
    shape: Shape,
    center: [f64; 2],
    radius: f64,
    color: Color,
}

/// Points along each side of the grid whose interpolation is the background's texture.
const GRID: usize = 8;

impl Setting {
    /// Draws a setting; `nuisance` in `[0, 1]` scales all of it.
    pub(super) fn draw(nuisance: f64, rng: &mut impl Rng) -> Self {
        let mut spread = |reach: f64| nuisance * rng.random_range(-reach..reach);
        let across = 0.5 + spread(0.12);
        let angle = spread(0.45);
        let saturation = 0.88 + spread(0.12);
        let value = 0.9 + spread(0.1);
        let mut muted = || {
            hsv(rng.random_range(0.0..1.0), 0.15 * nuisance, {
                0.5 + nuisance * rng.random_range(-0.3..0.3)
            })
        };
        let corners = [muted(), muted()];
        let slope: f64 = rng.random_range(0.0..TAU);
        let slope = [slope.cos(), slope.sin()];
        let texture = (0..GRID * GRID).map(|_| nuisance * rng.random_range(-0.12..0.12)).collect();
        let pieces = rng.random_range(0..=(6.0 * nuisance).round() as usize);
        let clutter = (0..pieces).map(|_| Clutter::draw(rng)).collect();
        let sway = rng.random_range(0.0..TAU);
        let noise = 16.0 / 255.0 * nuisance;
        Self { corners, slope, texture, clutter, across, angle, sway, saturation, value, noise }
    }

    fn background(&self, [x, y]: [f64; 2]) -> Color {
        let along = (x - 0.5) * self.slope[0] + (y - 0.5) * self.slope[1];
        let share = (0.5 + along / 1.42).clamp(0.0, 1.0);
        let grain = self.grain(x, y);
        std::array::from_fn(|i| {
            self.corners[0][i] * (1.0 - share) + self.corners[1][i] * share + grain
        })
    }

    fn grain(&self, x: f64, y: f64) -> f64 {
        let cell = |at: f64| {
            let at = at.clamp(0.0, 1.0) * (GRID - 1) as f64;
            let low = (at as usize).min(GRID - 2);
            (low, at - low as f64)
        };
        let ((column, right), (row, down)) = (cell(x), cell(y));
        let at = |row: usize, column: usize| self.texture[row * GRID + column];
        let mix = |a: f64, b: f64, share: f64| a * (1.0 - share) + b * share;
        let upper = mix(at(row, column), at(row, column + 1), right);
        mix(upper, mix(at(row + 1, column), at(row + 1, column + 1), right), down)
    }
}

impl Clutter {
    fn draw(rng: &mut impl Rng) -> Self {
        Self {
            shape: Shape::ALL[rng.random_range(0..Shape::ALL.len())],
            center: [rng.random_range(0.0..1.0), rng.random_range(0.0..1.0)],
            radius: rng.random_range(0.04..0.12),
            color: hsv(
                rng.random_range(0.0..1.0),
                rng.random_range(0.0..0.12),
                rng.random_range(0.2..0.8),
            ),
        }
    }
}

/// Draws the frame that shows the scene at `time`, a share of the clip in `[0, 1]`.
pub(super) fn frame(
    scene: &Scene,
    setting: &Setting,
    side: u32,
    time: f64,
    rng: &mut impl Rng,
) -> RgbImage {
    let layout = Layout::new(scene, setting, time);
    RgbImage::from_fn(side, side, |column, row| {
        let color = layout.pixel(f64::from(column), f64::from(row), f64::from(side));
        let level = |value: f64| {
            let noise = setting.noise * rng.random_range(-1.0..1.0);
            ((value + noise).clamp(0.0, 1.0) * 255.0).round() as u8
        };
        Rgb(color.map(level))
    })
}

/// Where things stand in one frame.
pub(super) struct Layout<'a> {
    pub(super) scene: &'a Scene,
    setting: &'a Setting,
    color: Color,
    pub(super) center: [f64; 2],
    pub(super) radius: f64,
    beads: Vec<[f64; 2]>,
    lit: usize,
    pub(super) turn: [f64; 2],
}

impl<'a> Layout<'a> {
    pub(super) fn new(scene: &'a Scene, setting: &'a Setting, time: f64) -> Self {
        let beats = scene.count as f64 * time;
        let swing = 0.03 * (TAU * beats + setting.sway).sin();
        let center = [setting.across + swing, scene.top_distance()];
        let reach = scene.radius() * 1.2 + BEAD_RADIUS + 0.02;
        let row = if center[1] > 0.5 { center[1] - reach } else { center[1] + reach };
        let width = BEAD_STEP * (scene.count - 1) as f64;
        let margin = width / 2.0 + BEAD_RADIUS + 0.02;
        let middle = setting.across.clamp(margin, 1.0 - margin);
        let bead = |k: usize| [middle - width / 2.0 + BEAD_STEP * k as f64, row];
        Self {
            scene,
            setting,
            color: hsv(scene.hue, setting.saturation, setting.value),
            center,
            radius: scene.radius(),
            beads: (0..scene.count).map(bead).collect(),
            lit: beats as usize,
            turn: [setting.angle.cos(), setting.angle.sin()],
        }
    }

    /// The mean over a pixel; the background, which is smooth, is looked at once only.
    fn pixel(&self, column: f64, row: f64, side: f64) -> Color {
        let behind = self.setting.background([column, row].map(|at| (at + 0.5) / side));
        let mut mean = [0.0; 3];
        for sample in 0..SAMPLES * SAMPLES {
            let inside = |index: usize| (index as f64 + 0.5) / SAMPLES as f64;
            let x = (column + inside(sample % SAMPLES)) / side;
            let y = (row + inside(sample / SAMPLES)) / side;
            let seen = self.thing([x, y]).unwrap_or(behind);
            for (sum, part) in mean.iter_mut().zip(seen) {
                *sum += part / (SAMPLES * SAMPLES) as f64;
            }
        }
        mean
    }

    /// The color of what covers the background at a point, if anything does.
    fn thing(&self, point: [f64; 2]) -> Option<Color> {
        self.bead(point).or_else(|| self.object(point)).or_else(|| {
            let mut pieces = self.setting.clutter.iter().rev();
            let piece = pieces.find(|piece| {
                let [x, y] = [0, 1].map(|axis| (point[axis] - piece.center[axis]) / piece.radius);
                holds(piece.shape, x, y)
            })?;
            Some(piece.color)
        })
    }

    pub(super) fn object(&self, point: [f64; 2]) -> Option<Color> {
        let [x, y] = [0, 1].map(|axis| (point[axis] - self.center[axis]) / self.radius);
        let [cos, sin] = self.turn;
        let [x, y] = [cos * x + sin * y, cos * y - sin * x];
        let colored = || is_colored(self.scene.pattern, x, y);
        holds(self.scene.shape, x, y).then(|| if colored() { self.color } else { WHITE })
    }

    fn bead(&self, [x, y]: [f64; 2]) -> Option<Color> {
        let row = self.beads.first()?[1];
        if (y - row).abs() > BEAD_RADIUS {
            return None;
        }
        let distance =
            |bead: &[f64; 2]| square((x - bead[0]) / BEAD_RADIUS, (y - row) / BEAD_RADIUS);
        let (index, distance) =
            self.beads.iter().map(distance).enumerate().find(|(_, distance)| *distance <= 1.0)?;
        let core = index == self.lit && distance < square(0.45, 0.0);
        Some(if core { WHITE } else { self.color })
    }
}

/// The square of a distance: cheaper than the distance, and there are many.
fn square(x: f64, y: f64) -> f64 {
    x * x + y * y
}

/// Whether a shape about the origin, of about the area of the unit disc, holds a point.
fn holds(shape: Shape, x: f64, y: f64) -> bool {
    match shape {
        Shape::Disc => square(x, y) <= 1.0,
        Shape::Square => x.abs().max(y.abs()) <= 0.88,
        Shape::Triangle => {
            let (flat, steep) = (FRAC_PI_3.cos(), FRAC_PI_3.sin());
            y <= 0.7 && steep * x.abs() - flat * y <= 0.7
        }
        Shape::Cross => {
            let (long, short) = (x.abs().max(y.abs()), x.abs().min(y.abs()));
            long <= 1.15 && short <= 0.45
        }
    }
}

/// Whether a pattern shows the object's color at a point in units of the object's radius.
fn is_colored(pattern: Pattern, x: f64, y: f64) -> bool {
    let wave = |at: f64, period: f64| (at / period).rem_euclid(1.0);
    match pattern {
        Pattern::Solid => true,
        Pattern::Stripes => wave(x, 0.5) < 0.55,
        Pattern::Dots => {
            let offset = |at: f64| (wave(at, 0.6) - 0.5) * 0.6;
            square(offset(x), offset(y)) > square(0.19, 0.0)
        }
        Pattern::Checks => (wave(x, 0.8) < 0.5) == (wave(y, 0.8) < 0.5),
        Pattern::Rings => wave(x.hypot(y), 0.5) < 0.55,
        Pattern::Halves => y > 0.0,
    }
}

/// Red, green and blue of a hue in turns, a saturation and a value in `[0, 1]`.
fn hsv(hue: f64, saturation: f64, value: f64) -> Color {
    [5.0, 3.0, 1.0].map(|offset| {
        let k = (offset + 6.0 * hue).rem_euclid(6.0);
        value * (1.0 - saturation * k.min(4.0 - k).clamp(0.0, 1.0))
    })
}
