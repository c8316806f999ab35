//! Ranks and best candidates from tiles: equal to their definitions whatever the tiles, the threads and the
//! last bits of the products.

use std::num::NonZeroUsize;

use equiav_eval::{
    Blocks, EvalError, Neighbors, Plain, Product, RanksBothWays, Relevance, UnitRows, ranks,
    ranks_both_ways, score, top_k,
};
use ndarray::{Array2, array};
use proptest::prelude::*;

/// Products with as much error as is allowed, up and down by turns, which differ between any two calls.
#[derive(Default)]
struct Shaken {
    plain: Plain,
    out: Vec<f32>,
    calls: usize,
}

impl Product for Shaken {
    type Error = EvalError;

    fn multiply(&mut self, a: &[f32], b: &[f32], width: usize) -> Result<&[f32], EvalError> {
        self.calls += 1;
        let error = width as f32 * f32::EPSILON / 2.0;
        let product = self.plain.multiply(a, b, width)?.iter().enumerate();
        let shake = |(at, x): (usize, &f32)| match (at + self.calls) % 3 {
            0 => x - error,
            1 => x + error,
            _ => *x,
        };
        self.out = product.map(shake).collect();
        Ok(&self.out)
    }
}

/// Products that no library should give.
#[derive(Default)]
struct Broken(Vec<f32>);

impl Product for Broken {
    type Error = EvalError;

    fn multiply(&mut self, a: &[f32], b: &[f32], width: usize) -> Result<&[f32], EvalError> {
        self.0 = vec![f32::NAN; a.len() / width * (b.len() / width)];
        Ok(&self.0)
    }
}

fn blocks(rows: usize, columns: usize) -> Blocks {
    let size = |size| NonZeroUsize::new(size).expect("not zero");
    Blocks { rows: size(rows), columns: size(columns) }
}

/// One for each thread.
fn products<P: Default>(threads: usize) -> Vec<P> {
    std::iter::repeat_with(P::default).take(threads).collect()
}

/// Two sets of vectors: few distinct numbers, so that equal scores are common, or noise around such,
/// so that scores which differ in their last bits are; keys of both.
fn problems() -> impl Strategy<Value = (Array2<f32>, Array2<f32>, Vec<u8>, Vec<u8>)> {
    (1usize..40, 1usize..12, prop_oneof![Just(0.0f32), Just(1e-7), Just(1e-4)]).prop_flat_map(
        |(n, width, noise)| {
            let numbers = || proptest::collection::vec((-2i8..3, -1f32..1.0), n * width);
            let keys = || proptest::collection::vec(0u8..12, n);
            (numbers(), numbers(), keys(), keys()).prop_map(move |(a, b, sound, picture)| {
                let matrix = |numbers: Vec<(i8, f32)>| {
                    let values = numbers.into_iter().map(|(x, e)| f32::from(x) + noise * e);
                    Array2::from_shape_vec((n, width), values.collect()).expect("n rows")
                };
                (matrix(a), matrix(b), sound, picture)
            })
        },
    )
}

fn scores(a: &UnitRows, b: &UnitRows) -> Array2<f32> {
    Array2::from_shape_fn((a.len(), b.len()), |(row, column)| score(a.row(row), b.row(column)))
}

fn unit(rows: &Array2<f32>) -> UnitRows {
    UnitRows::new("vectors", rows.view()).expect("finite vectors")
}

/// The first `k` of all candidates in order.
fn naive_top_k(scores: &Array2<f32>, k: usize) -> Neighbors {
    let k = k.min(scores.ncols());
    let orders: Vec<Vec<usize>> = scores
        .rows()
        .into_iter()
        .map(|row| {
            let mut order: Vec<usize> = (0..row.len()).collect();
            order.sort_by(|a, b| row[*b].partial_cmp(&row[*a]).expect("numbers"));
            order
        })
        .collect();
    let indices = Array2::from_shape_fn((scores.nrows(), k), |(row, place)| orders[row][place]);
    let at = |(row, place): (usize, usize)| scores[[row, orders[row][place]]];
    Neighbors { scores: Array2::from_shape_fn((scores.nrows(), k), at), indices }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn ranks_equal_those_of_all_scores(
        (a, b, sound, picture) in problems(),
        (rows, columns, threads) in (1usize..50, 1usize..50, 1usize..5),
    ) {
        let (a, b) = (unit(&a), unit(&b));
        let relevance = Relevance::same(a.len())
            .or(Relevance::of_equal_keys(&sound, &sound))
            .or(Relevance::of_equal_keys(&picture, &picture));
        let correct = |row: usize, column: usize| {
            row == column || sound[row] == sound[column] || picture[row] == picture[column]
        };
        let scores = scores(&a, &b);
        let expected = RanksBothWays {
            rows_to_columns: ranks(scores.view(), correct).expect("answers"),
            columns_to_rows: ranks(scores.t(), |column, row| correct(row, column)).expect("answers"),
        };
        let blocks = blocks(rows, columns);
        let ours = ranks_both_ways(&a, &b, &relevance, &mut products::<Shaken>(threads), &blocks);
        prop_assert_eq!(&ours.expect("ranks"), &expected);
        let ours = ranks_both_ways(&a, &b, &relevance, &mut products::<Plain>(threads), &blocks);
        prop_assert_eq!(&ours.expect("ranks"), &expected);
    }

    #[test]
    fn the_best_equal_those_of_all_scores(
        (a, b, _, _) in problems(),
        k in 0usize..50,
        (rows, columns, threads) in (1usize..50, 1usize..50, 1usize..5),
    ) {
        let (a, b) = (unit(&a), unit(&b));
        let blocks = blocks(rows, columns);
        let ours = top_k(&a, &b, k, &mut products::<Shaken>(threads), &blocks).expect("the best");
        prop_assert_eq!(ours, naive_top_k(&scores(&a, &b), k));
    }
}

/// Numbers in [-1, 1) without a pattern.
fn hashed(rows: usize, width: usize, salt: u64) -> Array2<f32> {
    Array2::from_shape_fn((rows, width), |(row, column)| {
        let mixed = (salt << 40) + (row * width + column) as u64;
        let mixed = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ mixed >> 31).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed >> 40) as f32 / 8_388_608.0 - 1.0
    })
}

#[test]
fn tiles_wider_than_a_chunk_give_the_same() {
    let (a, b) = (unit(&hashed(301, 33, 1)), unit(&hashed(301, 33, 2)));
    let relevance = Relevance::same(301);
    let scores = scores(&a, &b);
    let expected = RanksBothWays {
        rows_to_columns: ranks(scores.view(), |row, column| row == column).expect("answers"),
        columns_to_rows: ranks(scores.t(), |row, column| row == column).expect("answers"),
    };
    for (rows, columns, threads) in [(301, 301, 1), (64, 65, 2), (100, 301, 3), (1, 7, 2)] {
        let blocks = blocks(rows, columns);
        let ours = ranks_both_ways(&a, &b, &relevance, &mut products::<Shaken>(threads), &blocks);
        assert_eq!(ours.expect("ranks"), expected);
        let ours = top_k(&a, &b, 10, &mut products::<Shaken>(threads), &blocks).expect("the best");
        assert_eq!(ours, naive_top_k(&scores, 10));
    }
}

#[test]
fn products_that_are_no_numbers_change_nothing() {
    let (a, b) = (unit(&hashed(70, 5, 3)), unit(&hashed(70, 5, 4)));
    let (relevance, blocks) = (Relevance::same(70), blocks(32, 70));
    let whole = ranks_both_ways(&a, &b, &relevance, &mut products::<Plain>(2), &blocks);
    let broken = ranks_both_ways(&a, &b, &relevance, &mut products::<Broken>(2), &blocks);
    assert_eq!(broken.expect("ranks"), whole.expect("ranks"));
    let broken = top_k(&a, &b, 3, &mut products::<Broken>(2), &blocks).expect("the best");
    assert_eq!(broken, naive_top_k(&scores(&a, &b), 3));
}

#[test]
fn what_does_not_fit_is_refused() {
    let (a, b) = (unit(&array![[1.0, 0.0], [0.0, 1.0]]), unit(&array![[1.0, 0.0, 0.0]]));
    let (plain, blocks) = (&mut [Plain::default()], &blocks(8, 8));
    let failure = ranks_both_ways(&a, &b, &Relevance::same(2), plain, blocks).expect_err("widths");
    assert_eq!(failure.to_string(), "[2, 2] scores do not fit to [1, 3] targets");
    assert!(matches!(top_k(&a, &b, 1, plain, blocks), Err(EvalError::Sizes { .. })));
    let failure = ranks_both_ways(&a, &a, &Relevance::same(3), plain, blocks).expect_err("answers");
    assert_eq!(failure.to_string(), "[2, 2] scores do not fit to [3, 3] targets");
    let relevance = Relevance::of_equal_keys(&["a", "b"], &["a", "a"]);
    let failure = ranks_both_ways(&a, &a, &relevance, plain, blocks).expect_err("no answer");
    assert_eq!(failure.to_string(), "query 1 has no correct candidate among 2");
}
