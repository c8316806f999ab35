//! Ranks and best candidates among any number of embeddings, by libtorch's matrix products.

use std::num::NonZeroUsize;

use anyhow::ensure;
use equiav_eval::{Answers, Blocks, Nearest, Product, RanksBothWays, UnitRows};

/// The rank of every row's best correct column and of every column's best correct row, by cosine.
///
/// Exact, and the same to the bit with any number of threads: see
/// [`ranks_both_ways`](equiav_eval::ranks_both_ways). All of libtorch's threads take part; beyond the vectors
/// it needs some 20 MB and 100 bytes a row and column.
///
/// # Errors
///
/// If the sizes do not fit, a row or a column has no correct answer, or libtorch fails.
pub fn ranks(
    rows: &UnitRows,
    columns: &UnitRows,
    answers: &Answers,
) -> anyhow::Result<RanksBothWays> {
    let mut products = Products::new()?;
    equiav_eval::ranks_both_ways(rows, columns, answers, &mut products, &blocks())
}

/// The `k` candidates of the `gallery` with the highest cosine for each query, the best first; of equal ones the
/// first in the gallery.
///
/// Exact, and the same to the bit with any number of threads: see [`top_k`](equiav_eval::top_k).
///
/// # Errors
///
/// If the widths differ, `k` is 0, or libtorch fails.
pub fn top_k(queries: &UnitRows, gallery: &UnitRows, k: usize) -> anyhow::Result<Nearest> {
    ensure!(k > 0, "the best 0 candidates were asked for: expected at least 1");
    equiav_eval::top_k(queries, gallery, k, &mut Products::new()?, &blocks())
}

/// The tiles that are computed at a time, and the threads for them.
pub fn blocks() -> Blocks {
    Blocks::for_threads(NonZeroUsize::new(equiav_torch::threads()).unwrap_or(NonZeroUsize::MIN))
}

/// libtorch's products of blocks of vectors.
#[derive(Debug)]
pub struct Products(equiav_torch::Products);

impl Products {
    /// Makes ready.
    ///
    /// # Errors
    ///
    /// If libtorch refuses to multiply in 32 bits.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self(equiav_torch::Products::new()?))
    }
}

impl Product for Products {
    type Error = anyhow::Error;

    fn multiply(&mut self, rows: &[f32], columns: &[f32], width: usize) -> anyhow::Result<&[f32]> {
        Ok(self.0.multiply(rows, columns, width)?)
    }
}

#[cfg(test)]
mod tests {
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
        let (rows, columns, answers) = (vectors(1), vectors(2), Answers::same(501));
        let whole = ranks(&rows, &columns, &answers).expect("ranks");
        assert!(whole.rows_to_columns.iter().any(|rank| rank.tied > 0), "equal rows are ties");
        let best = top_k(&rows, &columns, 7).expect("the best");
        for (height, width, threads) in [(501, 501, 1), (64, 100, 2), (7, 501, 3), (333, 1, 2)] {
            let size = |size| NonZeroUsize::new(size).expect("not zero");
            let blocks =
                Blocks { rows: size(height), columns: size(width), threads: size(threads) };
            let mut products = Products::new().expect("libtorch multiplies");
            let ours = ranks_both_ways(&rows, &columns, &answers, &mut products, &blocks);
            assert_eq!(ours.expect("ranks"), whole);
            let ours = ranks_both_ways(&rows, &columns, &answers, &mut Plain::default(), &blocks);
            assert_eq!(ours.expect("ranks"), whole);
            let ours = equiav_eval::top_k(&rows, &columns, 7, &mut products, &blocks);
            assert_eq!(ours.expect("the best"), best);
        }
    }

    #[test]
    fn nothing_is_not_the_best() {
        let rows = vectors(1);
        assert!(top_k(&rows, &rows, 0).unwrap_err().to_string().contains("at least 1"));
    }
}
