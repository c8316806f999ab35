//! Ranks and best candidates among any number of embeddings, by libtorch's matrix products.

use anyhow::ensure;
use equiav_eval::{Blocks, Neighbors, Product, RanksBothWays, Relevance, UnitRows};
use equiav_torch::{Multiplier, MultiplierGuard};

/// The rank of every row's best correct column and of every column's best correct row, by cosine.
///
/// Exact, and the same to the bit with any number of threads: see
/// [`ranks_both_ways`](equiav_eval::ranks_both_ways). As many threads take part as libtorch has; beyond
/// the vectors it needs 50 bytes a row and column, and for each thread 1 MB and 8 bytes a column.
///
/// # Errors
///
/// If the sizes do not fit, a row or a column has no correct answer, or libtorch fails.
pub fn ranks(
    rows: &UnitRows,
    columns: &UnitRows,
    answers: &Relevance,
) -> anyhow::Result<RanksBothWays> {
    equiav_eval::ranks_both_ways(
        rows,
        columns,
        answers,
        Products::new()?.each(),
        &Blocks::default(),
    )
}

/// The `k` candidates of the `gallery` with the highest cosine for each query, the best first; of equal ones the
/// first in the gallery.
///
/// Exact, and the same to the bit with any number of threads: see [`top_k`](equiav_eval::top_k).
///
/// # Errors
///
/// If the widths differ, `k` is 0, or libtorch fails.
pub fn top_k(queries: &UnitRows, gallery: &UnitRows, k: usize) -> anyhow::Result<Neighbors> {
    ensure!(k > 0, "the best 0 candidates were asked for: expected at least 1");
    equiav_eval::top_k(queries, gallery, k, Products::new()?.each(), &Blocks::default())
}

/// libtorch's products of blocks of vectors: one for each of its threads, which then keeps to it.
#[derive(Debug)]
pub struct Products {
    each: Vec<OneProduct>,
    _multiplying: MultiplierGuard,
}

impl Products {
    /// Makes ready.
    ///
    /// # Errors
    ///
    /// If libtorch refuses to multiply in 32 bits.
    pub fn new() -> anyhow::Result<Self> {
        let each = (0..equiav_torch::threads().max(1)).map(|_| OneProduct::default()).collect();
        Ok(Self { each, _multiplying: MultiplierGuard::new()? })
    }

    /// One for each thread.
    pub fn each(&mut self) -> &mut [OneProduct] {
        &mut self.each
    }
}

/// The products of one thread.
#[derive(Debug, Default)]
pub struct OneProduct(Multiplier);

impl Product for OneProduct {
    type Error = anyhow::Error;

    fn multiply(&mut self, rows: &[f32], columns: &[f32], width: usize) -> anyhow::Result<&[f32]> {
        Ok(self.0.multiply(rows, columns, width)?)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use equiav_eval::{Plain, ranks_both_ways};
    use ndarray::Array2;

    use super::*;

    /// Numbers in [-1, 1) without a pattern; some rows are the same.
    fn vectors(salt: u64) -> UnitRows {
        let rows = Array2::from_shape_fn((501, 37), |(row, column)| {
            let mixed = ((salt << 40) + (row % 480 * 37 + column) as u64)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mixed = (mixed ^ mixed >> 31).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            (mixed >> 40) as f32 / 8_388_608.0 - 1.0
        });
        UnitRows::new("vectors", rows.view()).expect("finite")
    }

    #[test]
    fn any_tiles_and_threads_and_library_have_the_same_ranks() {
        let (rows, columns, answers) = (vectors(1), vectors(2), Relevance::same(501));
        let whole = ranks(&rows, &columns, &answers).expect("ranks");
        assert!(whole.rows_to_columns.iter().any(|rank| rank.tied > 0), "equal rows are ties");
        let best = top_k(&rows, &columns, 7).expect("the best");
        for (height, width, threads) in [(501, 501, 1), (64, 100, 2), (7, 501, 3), (333, 1, 2)] {
            let size = |size| NonZeroUsize::new(size).expect("not zero");
            let blocks = Blocks { rows: size(height), columns: size(width) };
            let mut products = Products::new().expect("libtorch multiplies");
            products.each.resize_with(threads, OneProduct::default);
            let ours = ranks_both_ways(&rows, &columns, &answers, products.each(), &blocks);
            assert_eq!(ours.expect("ranks"), whole);
            let plain = &mut [Plain::default()];
            let ours = ranks_both_ways(&rows, &columns, &answers, plain, &blocks);
            assert_eq!(ours.expect("ranks"), whole);
            let ours = equiav_eval::top_k(&rows, &columns, 7, products.each(), &blocks);
            assert_eq!(ours.expect("the best"), best);
        }
    }

    #[test]
    fn nothing_is_not_the_best() {
        let rows = vectors(1);
        assert!(top_k(&rows, &rows, 0).unwrap_err().to_string().contains("at least 1"));
    }
}
