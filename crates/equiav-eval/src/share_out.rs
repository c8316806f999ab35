//! Work on several threads, each with a worker of its own; no result may depend on who does what.

use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Does all `tasks`, each on the next free one of `workers`; each worker has a thread of its own, and a single worker
/// uses the caller's.
///
/// # Errors
///
/// The first worker's that failed; the others do what is left.
///
/// # Panics
///
/// If there is no worker.
#[track_caller]
pub(crate) fn share_out<W: Send, T, E: Send>(
    workers: &mut [W],
    tasks: impl Iterator<Item = T> + Send,
    work: impl Fn(&mut W, T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    assert!(!workers.is_empty(), "there is no product to multiply with");
    // One queue instead of equal shares: threads of a busy machine do not finish together.
    let tasks = Mutex::new(tasks);
    let next = || tasks.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = |worker: &mut W| {
        while let Some(task) = next() {
            work(worker, task)?;
        }
        Ok(())
    };
    if let [alone] = workers {
        return run(alone);
    }
    thread::scope(|scope| {
        let started: Vec<_> =
            workers.iter_mut().map(|worker| scope.spawn(|| run(worker))).collect();
        started
            .into_iter()
            .try_for_each(|one| one.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_done_once_and_the_first_error_is_told() {
        for count in [1, 3] {
            let mut sums = vec![0; count];
            let add = |sum: &mut u32, task: u32| {
                *sum += task;
                if task == 60 { Err(task) } else { Ok(()) }
            };
            assert_eq!(share_out(&mut sums, 0..50, add), Ok(()));
            assert_eq!(sums.iter().sum::<u32>(), 49 * 50 / 2);
            assert_eq!(share_out(&mut sums, 55..70, add), Err(60));
        }
    }
}
