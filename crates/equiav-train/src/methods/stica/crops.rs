//! Crops on the grid of an encoder's tokens: many parts of a view for one pass through the encoder.

use tch::Tensor;

/// The sides of large and small crops as shares of a grid's side: 6 and 4 of 7 rows and columns of pictures, 3 and 2 of 4
/// steps in time, as published.
const IN_SPACE: [f64; 2] = [6.0 / 7.0, 4.0 / 7.0];
const IN_TIME: [f64; 2] = [3.0 / 4.0, 2.0 / 4.0];

/// How large a crop is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CropSize {
    /// Nearly all of the grid.
    Large,
    /// About half of each side.
    Small,
}

/// The tokens of a grid.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Grid {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Whether columns are steps in time, so that a crop has all rows.
    pub(crate) in_time: bool,
}

impl Grid {
    /// Rows and columns of a crop, at least one of each.
    pub(crate) fn crop(&self, size: CropSize) -> [usize; 2] {
        let shares = if self.in_time { IN_TIME } else { IN_SPACE };
        let share = shares[usize::from(size == CropSize::Small)];
        let of = |side: usize| ((side as f64 * share).round() as usize).clamp(1, side);
        [if self.in_time { self.rows } else { of(self.rows) }, of(self.columns)]
    }

    /// The positions of the tokens of a crop that is drawn anew, row by row. Every offset that lets it lie within the grid is as
    /// likely as any other, the last one included; `below` draws a number below another.
    pub(crate) fn draw(&self, size: CropSize, mut below: impl FnMut(usize) -> usize) -> Vec<i64> {
        let [rows, columns] = self.crop(size);
        let (top, left) = (below(self.rows - rows + 1), below(self.columns - columns + 1));
        self.positions([top, left], [rows, columns])
    }

    /// The positions of the tokens of a crop of that `size` at `offset`, row by row.
    fn positions(&self, [top, left]: [usize; 2], [rows, columns]: [usize; 2]) -> Vec<i64> {
        let row = |row: usize| {
            (left..left + columns).map(move |column| (row * self.columns + column) as i64)
        };
        (top..top + rows).flat_map(row).collect()
    }
}

/// The tokens of crops, of each clip its own.
///
/// # Shapes
///
/// - `tokens`: `[b, n, width]`; `positions`: of each clip, `k` positions
/// - returns: `[b, k, width]`
pub(crate) fn cropped(tokens: &Tensor, positions: &[Vec<i64>]) -> Tensor {
    let all: Vec<i64> = positions.concat();
    let count = (all.len() / positions.len()) as i64;
    let places = Tensor::from_slice(&all).view([positions.len() as i64, count, 1]);
    let places = places.to_device(tokens.device()).expand([-1, -1, tokens.size()[2]], false);
    tokens.gather(1, &places, false)
}

#[cfg(test)]
mod tests {
    use equiav_augment::random::below;
    use equiav_augment::{Purpose, stream};
    use tch::{Device, Kind};

    use super::*;

    const PICTURE: Grid = Grid { rows: 7, columns: 7, in_time: false };
    const SOUND: Grid = Grid { rows: 4, columns: 12, in_time: true };

    #[test]
    fn sizes_are_the_published_ones() {
        let both = |grid: Grid| [CropSize::Large, CropSize::Small].map(|size| grid.crop(size));
        assert_eq!(both(PICTURE), [[6, 6], [4, 4]]);
        assert_eq!(both(SOUND), [[4, 9], [4, 6]]);
        assert_eq!(both(Grid { rows: 1, columns: 1, in_time: false }), [[1, 1], [1, 1]]);
    }

    #[test]
    fn a_crop_is_a_slice_of_the_grid() {
        let tokens = Tensor::randn([2, 49, 3], (Kind::Float, Device::Cpu));
        let places = [[1, 0], [0, 2]].map(|offset| PICTURE.positions(offset, [6, 5]));
        let found = cropped(&tokens, &places);
        for (clip, [top, left]) in [[1, 0], [0, 2]].into_iter().enumerate() {
            let grid = tokens.get(clip as i64).view([7, 7, 3]);
            let slice = grid.narrow(0, top, 6).narrow(1, left, 5).reshape([30, 3]);
            assert!(found.get(clip as i64).equal(&slice));
            let pooled = |rows: &Tensor| rows.mean_dim([0i64].as_slice(), false, Kind::Float);
            assert!(pooled(&found.get(clip as i64)).equal(&pooled(&slice)));
        }
    }

    #[test]
    fn every_offset_is_as_likely_as_any_other() {
        let mut rng = stream(3, 0, 0, Purpose::Order);
        let draws = 8_000;
        for (grid, size, offsets) in [
            (PICTURE, CropSize::Large, 4),
            (PICTURE, CropSize::Small, 16),
            (SOUND, CropSize::Small, 7),
        ] {
            let mut counts = std::collections::BTreeMap::<i64, f64>::new();
            for _ in 0..draws {
                *counts.entry(grid.draw(size, |count| below(count, &mut rng))[0]).or_default() +=
                    1.0;
            }
            assert_eq!(counts.len(), offsets, "every offset is reached");
            let expected = f64::from(draws) / offsets as f64;
            let chi: f64 = counts.values().map(|count| (count - expected).powi(2) / expected).sum();
            // The 99.99 % quantile of chi-square with 15 degrees of freedom is 44.
            assert!(chi < 44.0, "{counts:?}");
        }
    }
}
