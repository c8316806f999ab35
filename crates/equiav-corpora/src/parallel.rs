//! Independent pieces of work on several threads, with progress told on the caller's.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

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
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..threads.get().min(total) {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let piece = next.fetch_add(1, Ordering::Relaxed);
                    if piece >= total || sender.send(work(piece)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (done, result) in results.iter().enumerate() {
            if result.is_err() {
                next.store(total, Ordering::Relaxed);
                return result;
            }
            progress(done + 1, total);
        }
        Ok(())
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
