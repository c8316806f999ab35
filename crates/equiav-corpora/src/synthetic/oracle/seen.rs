//! What is to be seen in a frame: a bright object and beads before a gray background.

use std::f64::consts::{PI, TAU};

use equiav_augment::Image;

use super::super::scene::{Pattern, Shape};

/// A bead's radius, and the distance of two beads' centers, as shares of the side.
const BEAD: f64 = 0.045;
const BEAD_STEP: f64 = 0.15;

/// What is to be seen in a frame.
#[derive(Clone, Copy, Debug)]
pub(in crate::synthetic) struct Seen {
    /// The mean hue of the saturated pixels in turns, from -0.5 to 0.5.
    pub(in crate::synthetic) hue: f64,
    /// The share of the picture that the object fills.
    pub(in crate::synthetic) area: f64,
    /// How far the object's center is from the top, as a share of the side.
    pub(in crate::synthetic) from_top: f64,
    pub(in crate::synthetic) count: usize,
    pub(in crate::synthetic) shape: Shape,
    pub(in crate::synthetic) pattern: Pattern,
}

impl Seen {
    /// Looks at `picture`.
    ///
    /// The object is the largest bright piece; beads are pieces as large as a bead. Where a bead covers a tip of the
    /// object it is missing: beads are counted by the distance of the outer two.
    pub(in crate::synthetic) fn of(picture: &Image) -> Self {
        let pixels = Pixels::of(picture);
        let pieces = pieces(&pixels);
        let largest = pieces.iter().max_by_key(|piece| piece.len());
        let object = Object::of(&pixels, largest.map_or(&[][..], Vec::as_slice));
        let centers = pieces.iter().filter_map(|piece| pixels.bead(piece));
        let (left, right) = centers.fold((f64::INFINITY, f64::NEG_INFINITY), |(left, right), x| {
            (left.min(x), right.max(x))
        });
        let steps = ((right - left) / BEAD_STEP).round().max(0.0);
        let side = pixels.side as f64;
        Self {
            hue: pixels.hue(),
            area: object.area / (side * side),
            from_top: (object.center[1] + 0.5) / side,
            count: 1 + steps as usize,
            shape: object.shape(),
            pattern: object.pattern(),
        }
    }

    /// The logarithm to base 2 of the pitch that an object so large has, in Hz.
    pub(super) fn log_pitch(&self) -> f64 {
        let radius = (self.area / PI).sqrt();
        880f64.log2() - 3.0 * (radius / 0.11).ln() / (0.29f64 / 0.11).ln()
    }

    /// The logarithm to base 2 of the center of the band that an object so high has, in Hz.
    pub(super) fn log_band(&self) -> f64 {
        500f64.log2() + 3.5 * (0.78 - self.from_top) / 0.56
    }
}

/// A square picture, row by row.
struct Pixels {
    side: usize,
    colors: Vec<[f64; 3]>,
}

impl Pixels {
    fn of(picture: &Image) -> Self {
        let side = picture.height().min(picture.width());
        let color = |at: usize| {
            [0, 1, 2].map(|channel| f64::from(picture.pixels()[[at / side, at % side, channel]]))
        };
        Self { side, colors: (0..side * side).map(color).collect() }
    }

    /// The least and the greatest of three channels.
    fn range(&self, at: usize) -> (f64, f64) {
        let [r, g, b] = self.colors[at];
        (r.min(g).min(b), r.max(g).max(b))
    }

    fn is_saturated(&self, at: usize) -> bool {
        let (min, max) = self.range(at);
        max - min >= 0.5 * max && max >= 100.0
    }

    /// Objects are saturated or white and, where both meet, pale; the background is darker than either.
    fn is_bright(&self, at: usize) -> bool {
        self.is_saturated(at) || self.range(at).1 >= 204.0
    }

    /// The mean direction of the saturated pixels in the hexagon's plane, in which hue is an angle.
    fn hue(&self) -> f64 {
        let saturated = (0..self.colors.len()).filter(|at| self.is_saturated(*at));
        let (x, y) = saturated.fold((0.0, 0.0), |(x, y), at| {
            let [r, g, b] = self.colors[at];
            let (min, max) = self.range(at);
            (x + (r - 0.5 * (g + b)) / (max - min), y + 0.75f64.sqrt() * (g - b) / (max - min))
        });
        y.atan2(x) / TAU
    }

    /// Where across the picture `piece` is, as a share of the side, if it may be a bead.
    fn bead(&self, piece: &[usize]) -> Option<f64> {
        let side = self.side as f64;
        let share = piece.len() as f64 / (PI * (BEAD * side).powi(2));
        let extent = |of: &dyn Fn(usize) -> usize| {
            let places = || piece.iter().map(|at| of(*at));
            places().max().zip(places().min()).map_or(0, |(most, least)| most - least + 1) as f64
        };
        let wide = extent(&|at| at % self.side).max(extent(&|at| at / self.side));
        let fits = (0.4..=1.5).contains(&share) && wide <= 0.12 * side;
        let across: usize = piece.iter().map(|at| at % self.side).sum();
        fits.then(|| across as f64 / piece.len() as f64 / side)
    }
}

/// The connected pieces of what is bright, each as the places of its pixels.
fn pieces(pixels: &Pixels) -> Vec<Vec<usize>> {
    let (side, count) = (pixels.side, pixels.colors.len());
    let mut free: Vec<bool> = (0..count).map(|at| pixels.is_bright(at)).collect();
    let mut pieces = Vec::new();
    for start in 0..count {
        if !std::mem::take(&mut free[start]) {
            continue;
        }
        let (mut piece, mut next) = (Vec::new(), vec![start]);
        while let Some(at) = next.pop() {
            piece.push(at);
            let column = at % side;
            let left = (column > 0).then(|| at - 1);
            let right = (column + 1 < side).then(|| at + 1);
            let below = Some(at + side).filter(|below| *below < count);
            for near in [left, right, at.checked_sub(side), below].into_iter().flatten() {
                if std::mem::take(&mut free[near]) {
                    next.push(near);
                }
            }
        }
        pieces.push(piece);
    }
    pieces
}

/// Moments of the object's outline, and what its inside looks like.
struct Object {
    /// In pixels.
    area: f64,
    /// Column and row.
    center: [f64; 2],
    /// The mean of `exp(3 i angle)` and of `exp(4 i angle)`, weighted by the squared distance from the center: the
    /// length of the first, the real part of the second.
    threefold: f64,
    fourfold: f64,
    /// The share that is not saturated.
    white: f64,
    /// How often color changes from a pixel to the next, across and downwards, for each pixel.
    changes: [f64; 2],
}

impl Object {
    fn of(pixels: &Pixels, piece: &[usize]) -> Self {
        let side = pixels.side;
        let area = piece.len().max(1) as f64;
        let mean = |of: &dyn Fn(usize) -> f64| piece.iter().map(|at| of(*at)).sum::<f64>() / area;
        let center = [mean(&|at| (at % side) as f64), mean(&|at| (at / side) as f64)];
        let (mut weight, mut three, mut four) = (0.0, [0.0; 2], 0.0);
        for at in piece {
            let (x, y) = ((at % side) as f64 - center[0], (at / side) as f64 - center[1]);
            let (squared, angle) = (x * x + y * y, y.atan2(x));
            weight += squared;
            three[0] += squared * (3.0 * angle).cos();
            three[1] += squared * (3.0 * angle).sin();
            four += squared * (4.0 * angle).cos();
        }
        let mut inside = vec![false; pixels.colors.len()];
        for at in piece {
            inside[*at] = true;
        }
        let changes = |step: usize| {
            let changes = |at: &&usize| {
                let next = **at + step;
                inside.get(next) == Some(&true)
                    && pixels.is_saturated(**at) != pixels.is_saturated(next)
            };
            piece.iter().filter(changes).count() as f64 / area
        };
        let weight = f64::max(weight, 1e-9);
        Self {
            area,
            center,
            threefold: three[0].hypot(three[1]) / weight,
            fourfold: four / weight,
            white: mean(&|at| f64::from(u8::from(!pixels.is_saturated(at)))),
            changes: [changes(1), changes(side)],
        }
    }

    /// The corners of a square are on the diagonals, the arms of a cross beside them.
    fn shape(&self) -> Shape {
        if self.threefold > 0.25 {
            Shape::Triangle
        } else if self.fourfold < -0.12 {
            Shape::Square
        } else if self.fourfold > 0.12 {
            Shape::Cross
        } else {
            Shape::Disc
        }
    }

    /// Tells the four patterns of up to 35 classes apart; the other two are taken for one of these.
    fn pattern(&self) -> Pattern {
        let [across, downwards] = self.changes;
        if self.white < 0.1 {
            Pattern::Solid
        } else if across + 0.01 > 2.0 * (downwards + 0.01) {
            Pattern::Stripes
        } else if self.white < 0.46 {
            Pattern::Dots
        } else {
            Pattern::Checks
        }
    }
}
