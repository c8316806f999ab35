//! Matrix products of blocks of vectors and the sizes of the blocks.

use std::num::NonZeroUsize;
use std::ops::Range;

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};

use crate::EvalError;

/// The matrix product of two blocks of vectors: the only step that a fast library is wanted for.
pub trait Product {
    /// Why there is no product.
    type Error: From<EvalError> + Send;

    /// The products of every row with every column, row by row.
    ///
    /// Each must be a sum of 32-bit products in 32 bits or more, in any order: nothing that is counted
    /// depends on more.
    ///
    /// # Shapes
    ///
    /// - `rows`, `columns`: `[n, width]` and `[m, width]`
    /// - returns: `[n, m]`
    ///
    /// # Errors
    ///
    /// If the library fails.
    fn multiply(
        &mut self,
        rows: &[f32],
        columns: &[f32],
        width: usize,
    ) -> Result<&[f32], Self::Error>;
}

/// Products by Rust alone, on one thread.
#[derive(Clone, Debug, Default)]
pub struct Plain(Vec<f32>);

impl Product for Plain {
    type Error = EvalError;

    fn multiply(
        &mut self,
        rows: &[f32],
        columns: &[f32],
        width: usize,
    ) -> Result<&[f32], EvalError> {
        let (n, m) = (rows.len() / width, columns.len() / width);
        self.0.resize(n * m, 0.0);
        let matrix = |rows, values| ArrayView2::from_shape((rows, width), values);
        let out = ArrayViewMut2::from_shape((n, m), &mut self.0);
        let (Ok(rows), Ok(columns), Ok(mut out)) = (matrix(n, rows), matrix(m, columns), out)
        else {
            let (scores, targets) = (vec![n, width], vec![m, width]);
            return Err(EvalError::Sizes { scores, targets });
        };
        general_mat_mul(1.0, &rows, &columns.t(), 0.0, &mut out);
        Ok(&self.0)
    }
}

/// The size of a tile of scores. No result depends on it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Blocks {
    /// Rows of a tile.
    pub rows: NonZeroUsize,
    /// Columns of a tile.
    pub columns: NonZeroUsize,
}

impl Default for Blocks {
    /// Tiles of 1 MB: small enough that a core's cache still holds most of a tile when it is read, large enough
    /// that the product is not slowed by its own setup.
    fn default() -> Self {
        let size = |size| NonZeroUsize::new(size).unwrap_or(NonZeroUsize::MIN);
        Self { rows: size(512), columns: size(512) }
    }
}

impl Blocks {
    /// The rows of a tile, fewer where all `rows` would else leave some of `workers` without any.
    pub(crate) fn band(&self, rows: usize, workers: usize) -> NonZeroUsize {
        let share = NonZeroUsize::new(rows.div_ceil(workers.max(1))).unwrap_or(NonZeroUsize::MIN);
        self.rows.min(share)
    }
}

/// `0 .. count` in pieces of `size`.
pub(crate) fn pieces(count: usize, size: NonZeroUsize) -> impl Iterator<Item = Range<usize>> {
    let size = size.get();
    (0..count).step_by(size).map(move |first| first..(first + size).min(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_meet_columns() {
        let mut plain = Plain::default();
        let (rows, columns) = ([1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        let product = plain.multiply(&rows, &columns, 2).expect("sizes that fit");
        assert_eq!(product, [1.0, 2.0, 3.0, 3.0, 4.0, 7.0]);
    }

    #[test]
    fn few_rows_are_shared_by_all_workers() {
        let blocks = Blocks::default();
        let bands = [(1, 4), (5, 4), (1024, 4), (2048, 4), (100_000, 4), (100, 1), (3, 0)];
        let sizes = bands.map(|(rows, workers)| blocks.band(rows, workers).get());
        assert_eq!(sizes, [1, 2, 256, 512, 512, 100, 3]);
    }

    #[test]
    fn pieces_cover_everything_once() {
        let size = NonZeroUsize::new(3).expect("not zero");
        assert_eq!(pieces(7, size).collect::<Vec<_>>(), [0..3, 3..6, 6..7]);
        assert_eq!(pieces(0, size).count(), 0);
    }
}
