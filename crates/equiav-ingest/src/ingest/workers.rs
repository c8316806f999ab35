//! How many files are worked on at once; no result depends on it.

use equiav_data::parallel::threads;
use rustix::process::{Resource, getrlimit};

/// Files that this process has open apart from its workers'.
const OPEN: u64 = 24;
/// Files that a worker has open at most: a shard, a clips, the pipes of two FFmpegs and of one that starts.
const OPEN_PER_WORKER: u64 = 12;

/// As many workers as were `asked` for, or as the machine has threads where that is 0, as far as the limit on
/// open files goes.
pub(crate) fn workers(asked: usize) -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let most = (limit.saturating_sub(OPEN) / OPEN_PER_WORKER).max(1);
    threads(asked).min(usize::try_from(most).unwrap_or(usize::MAX))
}
