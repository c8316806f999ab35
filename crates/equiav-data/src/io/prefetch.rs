//! Work done by many threads and handed out in order, never far ahead; knows nothing of clips.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::error::panic_message;

/// The results of `work(0)`, `work(1)`, ... in this order, whatever the number of threads.
///
/// At most `ahead` results are under way or waiting. A panic of `work` comes out as an error in its
/// place and ends the iteration. Dropping it stops the threads after the piece of work each is at.
pub(crate) struct Prefetch<T> {
    /// `None` once no more is to be done.
    jobs: Option<Sender<usize>>,
    results: Receiver<(usize, Result<T, String>)>,
    early: BTreeMap<usize, Result<T, String>>,
    next: usize,
    submitted: usize,
    count: usize,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// How many threads work, and how far ahead of the taker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub(crate) workers: usize,
    pub(crate) ahead: usize,
}

impl<T: Send + 'static> Prefetch<T> {
    /// Starts on `work(0)` to `work(count - 1)`.
    pub(crate) fn new(
        count: usize,
        effort: Effort,
        work: impl Fn(usize) -> T + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let (jobs, queue) = unbounded();
        let (sender, results) = unbounded();
        let work = Arc::new(work);
        let mut ordered = Self {
            jobs: Some(jobs),
            results,
            early: BTreeMap::new(),
            next: 0,
            submitted: 0,
            count,
            stop: Arc::default(),
            threads: Vec::new(),
        };
        for number in 0..effort.workers.clamp(1, count.max(1)) {
            let (queue, sender) = (queue.clone(), sender.clone());
            let (work, stop) = (Arc::clone(&work), Arc::clone(&ordered.stop));
            let thread = std::thread::Builder::new().name(format!("data-{number}"));
            // On failure, dropping the iterator ends the threads that did start.
            let thread = thread.spawn(move || serve(&queue, &sender, &stop, &*work))?;
            ordered.threads.push(thread);
        }
        for _ in 0..effort.ahead.max(1) {
            ordered.submit();
        }
        Ok(ordered)
    }
}

impl<T> Prefetch<T> {
    /// Hands the next job to the threads, if there is one.
    fn submit(&mut self) {
        if self.submitted == self.count {
            self.jobs = None;
        } else if let Some(jobs) = &self.jobs {
            // The threads hold the other end until `jobs` is dropped.
            if jobs.send(self.submitted).is_ok() {
                self.submitted += 1;
            }
        }
    }
}

impl<T> Iterator for Prefetch<T> {
    type Item = Result<T, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.count {
            return None;
        }
        let result = loop {
            if let Some(result) = self.early.remove(&self.next) {
                break result;
            }
            match self.results.recv() {
                Ok((position, result)) => self.early.insert(position, result),
                Err(_) => break Err("all loader threads have ended".to_owned()),
            };
        };
        self.next += 1;
        if result.is_err() {
            self.count = self.next;
            self.jobs = None;
        }
        self.submit();
        Some(result)
    }
}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A thread cannot panic outside of the work, whose panics are caught.
            let _ = thread.join();
        }
    }
}

fn serve<T>(
    queue: &Receiver<usize>,
    sender: &Sender<(usize, Result<T, String>)>,
    stop: &AtomicBool,
    work: &impl Fn(usize) -> T,
) {
    for position in queue {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let result = catch_unwind(AssertUnwindSafe(|| work(position)));
        let result = result.map_err(|panic| panic_message(&*panic));
        if sender.send((position, result)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn order_is_that_of_one_thread(
            count in 0usize..60, workers in 1usize..6, ahead in 1usize..9,
        ) {
            let work = |n: usize| {
                // Later pieces take less time, so that they overtake.
                (0..(60 - n) * 50).fold(n, |sum, k| std::hint::black_box(sum ^ k ^ k))
            };
            let results: Result<Vec<usize>, String> =
                Prefetch::new(count, Effort { workers, ahead }, work).unwrap().collect();
            prop_assert_eq!(results.unwrap(), (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn never_further_ahead_than_asked() {
        let started = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&started);
        let work = move |n| {
            counter.fetch_add(1, Ordering::SeqCst);
            n
        };
        let mut ordered = Prefetch::new(50, Effort { workers: 4, ahead: 5 }, work).unwrap();
        for taken in 0..50 {
            assert!(started.load(Ordering::SeqCst) <= taken + 5);
            assert_eq!(ordered.next(), Some(Ok(taken)));
        }
        assert_eq!(ordered.next(), None);
    }

    #[test]
    fn a_panic_comes_in_its_place_and_ends_it() {
        for workers in [1, 2, 4] {
            let work = |n: usize| if n == 3 { panic!("piece {n}\nbroke") } else { n };
            let ordered = Prefetch::new(9, Effort { workers, ahead: 8 }, work).unwrap();
            let results: Vec<_> = ordered.collect();
            let broke = Err("piece 3 broke".to_owned());
            assert_eq!(results, [Ok(0), Ok(1), Ok(2), broke], "{workers} workers");
        }
    }

    #[test]
    fn dropped_in_the_middle_it_ends_its_threads() {
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        let work = move |n: usize| (Arc::strong_count(&held), n);
        let mut ordered = Prefetch::new(1_000, Effort { workers: 3, ahead: 10 }, work).unwrap();
        assert!(ordered.next().is_some());
        drop(ordered);
        assert_eq!(Arc::strong_count(&alive), 1, "no thread holds the work any more");
    }
}
