//! The exact top k candidates of every query, from tiles of a matrix product; bit-equal for any tiles.

use multiversion::multiversion;
use ndarray::{Array2, ArrayView2};

use super::product::{Blocks, Product, pieces};
use super::vectors::{UnitRows, score, slack};
use crate::share_out::share_out;

/// Products that are compared with the threshold in one vectorized pass, before any of them is scored exactly.
const CHUNK: usize = 64;

/// The best candidates of every query, the best first; of equal scores the first in the gallery.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbors {
    /// Their positions in the gallery, `[queries, k]`.
    pub indices: Array2<usize>,
    /// Their scores, `[queries, k]`.
    pub scores: Array2<f32>,
}

/// The `k` candidates of the `gallery` with the highest [`score`] for each of `queries`; all
/// of them where there are fewer.
///
/// Each of `products` multiplies on a thread of its own, whose tiles are read where they were made. Memory
/// beyond the vectors and the result is a tile for each. `products` and `blocks` change no result.
///
/// # Errors
///
/// If the widths differ or a product fails.
///
/// # Panics
///
/// If there are no `products`.
#[track_caller]
pub fn top_k<P: Product + Send>(
    queries: &UnitRows,
    gallery: &UnitRows,
    k: usize,
    products: &mut [P],
    blocks: &Blocks,
) -> Result<Neighbors, P::Error> {
    queries.check_width(gallery)?;
    let k = k.min(gallery.len());
    let mut found = Found::new(queries.len(), k);
    if k == 0 {
        return Ok(found.sorted());
    }
    let search = Search { queries, gallery, k, slack: slack(queries.width()) };
    let rows = blocks.band(queries.len(), products.len());
    let size = rows.get();
    let kept = found.counts.chunks_mut(size).zip(found.places.chunks_mut(size * k));
    let tasks = pieces(queries.len(), rows).zip(kept);
    share_out::<_, _, P::Error>(products, tasks, |product, (asked, (counts, places))| {
        let first = asked.start;
        let asked = queries.block(asked);
        for offered in pieces(gallery.len(), blocks.columns) {
            let first = (first, offered.start);
            let products = product.multiply(asked, gallery.block(offered), queries.width())?;
            search.keep_best(Tile { products, first, counts: &mut *counts, places: &mut *places });
        }
        Ok(())
    })?;
    Ok(found.sorted())
}

/// A candidate with its score.
#[derive(Clone, Copy, Debug)]
struct Place {
    score: f32,
    index: u32,
}

impl Place {
    /// Whether it belongs before `other`.
    fn is_before(&self, other: &Self) -> bool {
        self.score > other.score || (self.score == other.score && self.index < other.index)
    }
}

/// The best so far: for each query, `k` places in order, the first `counts` of them taken.
struct Found {
    k: usize,
    counts: Vec<usize>,
    places: Vec<Place>,
}

impl Found {
    fn new(queries: usize, k: usize) -> Self {
        let none = Place { score: f32::NEG_INFINITY, index: u32::MAX };
        Self { k, counts: vec![0; queries], places: vec![none; queries * k] }
    }

    fn sorted(self) -> Neighbors {
        let size = (self.counts.len(), self.k);
        let places = ArrayView2::from_shape(size, &self.places).expect("k places for each query");
        Neighbors {
            indices: places.map(|place| place.index as usize),
            scores: places.map(|place| place.score),
        }
    }
}

/// Products of some queries, in rows, with some candidates, and what was found for these queries.
struct Tile<'t> {
    products: &'t [f32],
    /// The positions of its first query and candidate.
    first: (usize, usize),
    counts: &'t mut [usize],
    places: &'t mut [Place],
}

struct Search<'v> {
    queries: &'v UnitRows,
    gallery: &'v UnitRows,
    k: usize,
    slack: f32,
}

impl Search<'_> {
    /// Takes the best of `tile` among the found.
    fn keep_best(&self, tile: Tile<'_>) {
        let wide = tile.products.len() / tile.counts.len();
        let rows = tile.products.chunks(wide).enumerate();
        let kept = tile.counts.iter_mut().zip(tile.places.chunks_mut(self.k));
        for ((row, products), (count, places)) in rows.zip(kept) {
            let query = self.queries.row(tile.first.0 + row);
            for (chunk, products) in products.chunks(CHUNK).enumerate() {
                if any_above(products, self.threshold(*count, places)) {
                    let first = tile.first.1 + chunk * CHUNK;
                    self.keep_best_of_few(query, products, first, count, places);
                }
            }
        }
    }

    /// What a product must reach for its candidate to be scored: the k-th best score so far, less the largest error
    /// of a product, so that no candidate is lost to rounding.
    fn threshold(&self, count: usize, places: &[Place]) -> f32 {
        if count < self.k { f32::NEG_INFINITY } else { places[self.k - 1].score - self.slack }
    }

    fn keep_best_of_few(
        &self,
        query: &[f32],
        products: &[f32],
        first: usize,
        count: &mut usize,
        places: &mut [Place],
    ) {
        for (index, product) in (first..).zip(products) {
            // Not `>=` and a body: a product that is not a number compares false, and must be scored.
            if *product < self.threshold(*count, places) {
                continue;
            }
            let score = score(query, self.gallery.row(index));
            let new = Place { score, index: index as u32 };
            let place = places[..*count].partition_point(|place| place.is_before(&new));
            if place < self.k {
                *count = (*count + 1).min(self.k);
                places[place..*count].rotate_right(1);
                places[place] = new;
            }
        }
    }
}

/// Whether any of `products` is not below `threshold`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2"))]
fn any_above(products: &[f32], threshold: f32) -> bool {
    let mut above = 0_u32;
    for product in products {
        let below = *product < threshold;
        above |= u32::from(!below);
    }
    above != 0
}
