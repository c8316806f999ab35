//! How many files are worked on at once, and by how many threads each; no result depends on it.

use std::sync::atomic::{AtomicUsize, Ordering};

use equiav_data::parallel::threads;
use rustix::process::{Resource, getrlimit};

/// Files that this process has open apart from its workers'.
const OPEN: u64 = 24;
/// Files that a worker has open at most: a shard, a clips, the pipes of two FFmpegs and of one that starts.
const OPEN_PER_WORKER: u64 = 12;
/// The most threads of one FFmpeg: each reserves memory, and more are of little use.
const MOST_THREADS: usize = 8;

/// The threads of this machine, dealt to the pieces of work that are left.
#[derive(Debug)]
pub(crate) struct Effort {
    threads: usize,
    left: AtomicUsize,
}

impl Effort {
    /// For `pieces` of work by as many threads as were `asked` for, or as the machine has where that is 0,
    /// as far as the limit on open files goes.
    pub(crate) fn new(asked: usize, pieces: usize) -> Self {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let most = (limit.saturating_sub(OPEN) / OPEN_PER_WORKER).max(1);
        let threads = threads(asked).min(usize::try_from(most).unwrap_or(usize::MAX));
        Self { threads, left: AtomicUsize::new(pieces) }
    }

    /// How many pieces are worked on at once.
    pub(crate) fn workers(&self) -> usize {
        self.threads
    }

    /// How many threads may decode one file now: those that the last pieces leave idle help.
    pub(crate) fn threads(&self) -> usize {
        let left = self.left.load(Ordering::Relaxed).max(1);
        (self.threads / left).clamp(1, MOST_THREADS)
    }

    /// A piece is done.
    pub(crate) fn done(&self) {
        self.left.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_threads_help_with_the_last_files() {
        let effort = Effort { threads: 6, left: AtomicUsize::new(7) };
        assert_eq!((effort.workers(), effort.threads()), (6, 1));
        (0..5).for_each(|_| effort.done());
        assert_eq!(effort.threads(), 3);
        (0..2).for_each(|_| effort.done());
        assert_eq!(effort.threads(), 6);
        assert_eq!(Effort { threads: 64, left: AtomicUsize::new(1) }.threads(), 8);
    }
}
