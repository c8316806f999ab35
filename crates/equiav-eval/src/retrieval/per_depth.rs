//! A number at each depth of retrieval: 1, 5 and 10.

use serde::{Deserialize, Serialize};

/// A figure for each of the depths 1, 5 and 10.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct PerDepth {
    /// At depth 1.
    pub r1: f64,
    /// At depth 5.
    pub r5: f64,
    /// At depth 10.
    pub r10: f64,
}

impl PerDepth {
    pub(crate) fn of(figure: impl Fn(usize) -> f64) -> Self {
        Self { r1: figure(1), r5: figure(5), r10: figure(10) }
    }

    pub(crate) fn at(&self, depth: usize) -> f64 {
        match depth {
            1 => self.r1,
            5 => self.r5,
            _ => self.r10,
        }
    }
}
