//! Matrix products of plain numbers, on the processor, all in 32 bits.

use crate::{FullPrecision, OneThread, TorchError, ffi};

/// While this value lives, all matrix products of the process have [`FullPrecision`], so that their error is bounded,
/// and every [`Multiplier`] uses one thread. Dropping it restores the previous settings.
#[derive(Debug)]
pub struct MultiplierGuard {
    _full: FullPrecision,
    _alone: OneThread,
}

impl MultiplierGuard {
    /// Sets both.
    ///
    /// # Errors
    ///
    /// If libtorch refuses that precision.
    pub fn new() -> Result<Self, TorchError> {
        Ok(Self { _full: FullPrecision::new()?, _alone: OneThread::set() })
    }
}

/// Multiplies matrices on the thread that asks, into a buffer of its own, which is used again and again.
#[derive(Debug, Default)]
pub struct Multiplier(Vec<f32>);

impl Multiplier {
    /// The products of every row with every column, row by row.
    ///
    /// # Shapes
    ///
    /// - `rows`, `columns`: `[n, width]` and `[m, width]`
    /// - returns: `[n, m]`
    ///
    /// # Errors
    ///
    /// If libtorch fails.
    ///
    /// # Panics
    ///
    /// If `width` is 0 or the lengths are no multiples of it.
    #[track_caller]
    pub fn multiply(
        &mut self,
        rows: &[f32],
        columns: &[f32],
        width: usize,
    ) -> Result<&[f32], TorchError> {
        OneThread::keep();
        self.0.resize(rows.len() / width * (columns.len() / width), 0.0);
        ffi::multiply(rows, columns, width, &mut self.0)?;
        Ok(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::PoisonError;

    use super::*;
    use crate::precision::ALONE;

    #[test]
    fn rows_meet_columns() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let _guard = MultiplierGuard::new().expect("libtorch multiplies");
        let mut products = Multiplier::default();
        let (rows, columns) = ([1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        let found = products.multiply(&rows, &columns, 2).expect("sizes that fit");
        assert_eq!(found, [1.0, 2.0, 3.0, 3.0, 4.0, 7.0]);
        let found = products.multiply(&columns[..4], &rows[..2], 2).expect("sizes that fit");
        assert_eq!(found, [1.0, 2.0], "the buffer has the new size");
    }
}
