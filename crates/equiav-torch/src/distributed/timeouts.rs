//! How long processes wait for each other before the wait is an error.

use std::time::Duration;

/// How long ranks may take. The error names those that are late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From this process's arrival until all have met.
    pub rendezvous: Duration,
    /// From the start of a collective until its end, the wait for slower ranks included.
    pub collective: Duration,
}

impl Timeouts {
    /// Ten minutes each.
    pub const USUAL: Self =
        Self { rendezvous: Duration::from_secs(600), collective: Duration::from_secs(600) };
}
