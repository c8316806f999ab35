//! How long processes wait for each other before they give up.

use std::time::Duration;

/// What processes may take; whoever is late is named in the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From this process's arrival until all have met.
    pub meeting: Duration,
    /// From the begin of a collective until its end, the wait for later ranks included.
    pub collective: Duration,
}

impl Limits {
    /// The usual ones: ten minutes each.
    pub const USUAL: Self =
        Self { meeting: Duration::from_secs(600), collective: Duration::from_secs(600) };
}
