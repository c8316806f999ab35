//! Independent pieces of work on several threads, with their number told as progress.

use std::num::NonZeroUsize;
use std::thread;

use equiav_data::parallel::{self, Teller};

/// As many threads as the machine has for us.
pub(crate) fn available() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Calls `work` with every number below `total`, and `progress` with (done, total) after each.
///
/// # Errors
///
/// The first that `work` gives; no new piece is begun after it.
pub(crate) fn for_each(
    total: usize,
    threads: NonZeroUsize,
    work: impl Fn(usize) -> anyhow::Result<()> + Sync,
    progress: &mut dyn FnMut(usize, usize),
) -> anyhow::Result<()> {
    let mut done = 0;
    let told = |piece: usize, teller: &Teller<'_, (), anyhow::Error>| {
        work(piece)?;
        teller.tell(());
        Ok(())
    };
    parallel::for_each(total, threads.get(), told, &mut |()| {
        done += 1;
        progress(done, total);
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn every_piece_is_worked_once_and_told() -> anyhow::Result<()> {
        for threads in [1, 3, 50] {
            let seen = Mutex::new(vec![0; 20]);
            let mut told = Vec::new();
            let work = |piece: usize| {
                seen.lock().expect("no thread panics")[piece] += 1;
                Ok(())
            };
            let threads = NonZeroUsize::new(threads).expect("not zero");
            for_each(20, threads, work, &mut |done, total| told.push((done, total)))?;
            assert_eq!(seen.into_inner()?, vec![1; 20]);
            assert_eq!(told, (1..=20).map(|done| (done, 20)).collect::<Vec<_>>());
        }
        Ok(())
    }

    #[test]
    fn a_failure_ends_the_work() {
        let work = |piece| {
            anyhow::ensure!(piece != 3, "piece three");
            Ok(())
        };
        let two = NonZeroUsize::new(2).expect("not zero");
        let error = for_each(1000, two, work, &mut |_, _| {}).unwrap_err();
        assert_eq!(error.to_string(), "piece three");
    }
}
