//! Ranks in both directions from one pass over tiles of a matrix product; bit-equal for any tiles.
//!
//! A tile's elements are approximations of the scores. One that is farther from a query's best correct
//! score than its error can be is counted as it is; the few others are computed again, each by itself.

use std::ops::Range;

use multiversion::multiversion;

use super::product::{Blocks, Product, pieces};
use super::vectors::{UnitRows, score, slack};
use crate::EvalError;
use crate::retrieval::rank::Rank;
use crate::retrieval::relevance::Relevance;
use crate::share_out::share_out;

/// Products that are compared in one vectorized pass, before any close one is scored exactly.
const CHUNK: usize = 64;

/// The ranks of all queries from either side.
#[derive(Clone, Debug, PartialEq)]
pub struct RanksBothWays {
    /// Of every row's best correct column.
    pub rows_to_columns: Vec<Rank>,
    /// Of every column's best correct row.
    pub columns_to_rows: Vec<Rank>,
}

/// Ranks every row's columns and every column's rows by their [`score`].
///
/// Every product is made once for both. Each of `products` multiplies on a thread of its own, whose tiles are
/// counted where they were made. Memory beyond the vectors grows with rows and columns, and for each of
/// `products` with columns and a tile: no list of candidates is kept. `products` and `blocks` change no result.
///
/// # Errors
///
/// If the sizes do not fit, a row or a column has no correct answer, or a product fails.
///
/// # Panics
///
/// If there are no `products`.
#[track_caller]
pub fn ranks_both_ways<P: Product + Send>(
    rows: &UnitRows,
    columns: &UnitRows,
    relevance: &Relevance,
    products: &mut [P],
    blocks: &Blocks,
) -> Result<RanksBothWays, P::Error> {
    rows.check_width(columns)?;
    let mut tally = Tally::new(rows, columns, relevance)?;
    tally.count(products, blocks)?;
    Ok(RanksBothWays {
        rows_to_columns: tally.of_rows.ranks(),
        columns_to_rows: tally.of_columns.ranks(),
    })
}

/// What is counted, and what it is counted against.
struct Tally<'v> {
    rows: &'v UnitRows,
    columns: &'v UnitRows,
    of_rows: Queries,
    of_columns: Queries,
    slack: f32,
}

/// The queries of one side.
struct Queries {
    /// The score of each one's best correct candidate.
    best: Vec<f32>,
    /// How many candidates are correct.
    correct: Vec<u32>,
    /// How many of these score `best`.
    correct_at_best: Vec<u32>,
    counts: Counts,
}

/// Candidates counted for each query.
#[derive(Clone)]
struct Counts {
    /// How many score more than the best correct one.
    above: Vec<u32>,
    /// How many score the same, correct ones included.
    equal: Vec<u32>,
}

impl<'v> Tally<'v> {
    /// Finds the best correct score of every query, from the correct pairs alone: a pass before the tiles, so that
    /// every product can be counted the moment it is made.
    fn new(
        rows: &'v UnitRows,
        columns: &'v UnitRows,
        relevance: &Relevance,
    ) -> Result<Self, EvalError> {
        let (n, m) = (rows.len(), columns.len());
        if relevance.size() != (n, m) {
            let targets = vec![relevance.size().0, relevance.size().1];
            return Err(EvalError::Sizes { scores: vec![n, m], targets });
        }
        let (mut of_rows, mut of_columns) = (Queries::new(n), Queries::new(m));
        for row in 0..n {
            for column in relevance.columns_of(row) {
                let score = score(rows.row(row), columns.row(column));
                of_rows.correct(row, score);
                of_columns.correct(column, score);
            }
        }
        of_rows.check(m)?;
        of_columns.check(n)?;
        Ok(Self { rows, columns, of_rows, of_columns, slack: slack(rows.width()) })
    }

    /// Counts all products, one band of rows for each worker at a time.
    ///
    /// Rows of different bands are disjoint, so their counts are split among the workers; every band meets every
    /// column, so each worker has column counts of its own, which are added at the end.
    fn count<P: Product + Send>(
        &mut self,
        products: &mut [P],
        blocks: &Blocks,
    ) -> Result<(), P::Error> {
        let (rows, columns) = (self.rows, self.columns);
        let best = (&self.of_rows.best[..], &self.of_columns.best[..]);
        let of_rows = &mut self.of_rows.counts;
        let band = blocks.band(rows.len(), products.len());
        let size = band.get();
        let counts = of_rows.above.chunks_mut(size).zip(of_rows.equal.chunks_mut(size));
        let tasks = pieces(rows.len(), band).zip(counts);
        let start = |product| (product, Counts::new(columns.len()));
        let mut workers: Vec<(&mut P, Counts)> = products.iter_mut().map(start).collect();
        share_out::<_, _, P::Error>(
            &mut workers,
            tasks,
            |(product, of_columns), (left, (above, equal))| {
                for right in pieces(columns.len(), blocks.columns) {
                    let (a, b) = (rows.block(left.clone()), columns.block(right.clone()));
                    let tile = Tile {
                        scores: product.multiply(a, b, rows.width())?,
                        vectors: (rows, columns),
                        first: (left.start, right.start),
                        best: (&best.0[left.clone()], &best.1[right.clone()]),
                        of_rows: (&mut *above, &mut *equal),
                        of_columns: of_columns.at(right),
                        slack: self.slack,
                    };
                    tile.count();
                }
                Ok(())
            },
        )?;
        for (_, counted) in workers {
            self.of_columns.counts.add(&counted);
        }
        Ok(())
    }
}

impl Queries {
    fn new(count: usize) -> Self {
        Self {
            best: vec![f32::NEG_INFINITY; count],
            correct: vec![0; count],
            correct_at_best: vec![0; count],
            counts: Counts::new(count),
        }
    }

    /// Takes note of a correct candidate of `query`.
    fn correct(&mut self, query: usize, score: f32) {
        self.correct[query] += 1;
        if score > self.best[query] {
            (self.best[query], self.correct_at_best[query]) = (score, 1);
        } else if score == self.best[query] {
            self.correct_at_best[query] += 1;
        }
    }

    fn check(&self, gallery: usize) -> Result<(), EvalError> {
        match self.correct.iter().position(|correct| *correct == 0) {
            Some(query) => Err(EvalError::NothingCorrect { query, gallery }),
            None => Ok(()),
        }
    }

    fn ranks(&self) -> Vec<Rank> {
        let rank = |query: usize| Rank {
            above: self.counts.above[query] as usize,
            tied: (self.counts.equal[query] - self.correct_at_best[query]) as usize,
            best: self.correct_at_best[query] as usize,
            correct: self.correct[query] as usize,
        };
        (0..self.best.len()).map(rank).collect()
    }
}

impl Counts {
    fn new(count: usize) -> Self {
        Self { above: vec![0; count], equal: vec![0; count] }
    }

    /// Those of the queries `of`: above and equal.
    fn at(&mut self, of: Range<usize>) -> (&mut [u32], &mut [u32]) {
        (&mut self.above[of.clone()], &mut self.equal[of])
    }

    fn add(&mut self, counted: &Self) {
        for (all, more) in [(&mut self.above, &counted.above), (&mut self.equal, &counted.equal)] {
            for (all, more) in all.iter_mut().zip(more) {
                *all += more;
            }
        }
    }
}

/// Products to be counted. Of two things, the first belongs to rows; of two counts, the first is above, the
/// second equal.
struct Tile<'t> {
    vectors: (&'t UnitRows, &'t UnitRows),
    scores: &'t [f32],
    first: (usize, usize),
    best: (&'t [f32], &'t [f32]),
    of_rows: (&'t mut [u32], &'t mut [u32]),
    of_columns: (&'t mut [u32], &'t mut [u32]),
    slack: f32,
}

impl Tile<'_> {
    fn count(mut self) {
        let wide = self.best.1.len();
        for (row, scores) in self.scores.chunks(wide).enumerate() {
            for start in (0..wide).step_by(CHUNK) {
                let chunk = start..(start + CHUNK).min(wide);
                let (above, near) = compare(
                    &scores[chunk.clone()],
                    self.best.0[row],
                    &self.best.1[chunk.clone()],
                    &mut self.of_columns.0[chunk.clone()],
                    self.slack,
                );
                self.of_rows.0[row] += above;
                if near {
                    self.look_closely(row, scores, chunk);
                }
            }
        }
    }

    /// Scores the pairs exactly that `compare` found too close.
    fn look_closely(&mut self, row: usize, scores: &[f32], chunk: Range<usize>) {
        for column in chunk {
            let (of_row, of_column) = (self.best.0[row], self.best.1[column]);
            let near_row = is_near(scores[column], of_row, self.slack);
            let near_column = is_near(scores[column], of_column, self.slack);
            if !near_row && !near_column {
                continue;
            }
            let (a, b) = (self.first.0 + row, self.first.1 + column);
            let exact = score(self.vectors.0.row(a), self.vectors.1.row(b));
            if near_row {
                self.of_rows.0[row] += u32::from(exact > of_row);
                self.of_rows.1[row] += u32::from(exact == of_row);
            }
            if near_column {
                self.of_columns.0[column] += u32::from(exact > of_column);
                self.of_columns.1[column] += u32::from(exact == of_column);
            }
        }
    }
}

/// Whether a product is so close to `best` that only the score itself can tell them apart; so is one that
/// is not a number.
fn is_near(product: f32, best: f32, slack: f32) -> bool {
    let far = (product - best).abs() > slack;
    !far
}

/// Counts what is certainly above a row's and the columns' best; tells how many for the row, and whether any
/// product is near either.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2"))]
fn compare(
    products: &[f32],
    row: f32,
    columns: &[f32],
    above_columns: &mut [u32],
    slack: f32,
) -> (u32, bool) {
    let (mut above_row, mut near) = (0_u32, 0_u32);
    for ((product, column), above_column) in products.iter().zip(columns).zip(above_columns) {
        let (to_row, to_column) = (product - row, product - column);
        above_row += u32::from(to_row > slack);
        *above_column += u32::from(to_column > slack);
        let far = (to_row.abs() > slack) & (to_column.abs() > slack);
        near |= u32::from(!far);
    }
    (above_row, near != 0)
}
