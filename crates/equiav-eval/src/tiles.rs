//! Scores of all pairs of two sets of vectors, tile by tile: neither the matrix of scores nor a list of candidates
//! is ever held whole.
//!
//! A tile is a matrix product, which a library makes fast but inexactly: its last bits depend on sizes, threads
//! and processor. So a product only decides where it is farther from a threshold than its error can be
//! ([`vectors::slack`]); every closer pair is scored again by [`vectors::score`], which depends on the two vectors
//! alone. That is why no result depends on the tiles, the library or the number of threads.

pub(crate) mod product;
pub(crate) mod tally;
pub(crate) mod top_k;
pub(crate) mod vectors;
