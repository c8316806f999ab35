//! Which list of clips was measured, and how many of them could be read.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The list that was measured. Every result that is shown has it beside it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Coverage {
    /// Clips that could be read.
    pub found: usize,
    /// Clips listed.
    pub listed: usize,
    /// A hash of the list, so that figures of different lists are not compared.
    pub digest: String,
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found, listed, digest } = self;
        write!(f, "{found} of {listed} clips found, list {digest}")
    }
}
