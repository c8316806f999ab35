//! Independent pieces of work on several threads, in no order, with what they tell handed to the
//! caller's; what must come in order is `prefetch`'s.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;

/// What a piece of work can tell, and whether it should stop.
#[derive(Debug)]
pub struct Teller<'a, E, X> {
    sender: Sender<Message<E, X>>,
    stop: &'a AtomicBool,
}

impl<E, X> Teller<'_, E, X> {
    /// Tells the caller's thread.
    pub fn tell(&self, event: E) {
        // The receiver outlives the threads.
        let _ = self.sender.send(Message::Event(event));
    }

    /// Whether another piece has failed, so that this one is in vain.
    pub fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
enum Message<E, X> {
    Event(E),
    Failed(X),
}

/// As many threads as were asked for, or as the machine has where that is 0.
pub fn threads(asked: usize) -> usize {
    let available = || thread::available_parallelism().map_or(1, usize::from);
    if asked == 0 { available() } else { asked }
}

/// Calls `work` with every number below `total`; `watch` gets what it tells.
///
/// # Errors
///
/// The first that `work` gives; no new piece is begun after it.
pub fn for_each<E: Send, X: Send>(
    total: usize,
    threads: usize,
    work: impl Fn(usize, &Teller<'_, E, X>) -> Result<(), X> + Sync,
    watch: &mut dyn FnMut(E),
) -> Result<(), X> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (sender, told) = channel();
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, total.max(1)) {
            let teller = Teller { sender: sender.clone(), stop: &stop };
            let (next, work) = (&next, &work);
            scope.spawn(move || {
                while !teller.is_over() {
                    let piece = next.fetch_add(1, Ordering::Relaxed);
                    if piece >= total {
                        return;
                    }
                    if let Err(error) = work(piece, &teller) {
                        teller.stop.store(true, Ordering::Relaxed);
                        let _ = teller.sender.send(Message::Failed(error));
                    }
                }
            });
        }
        drop(sender);
        let mut result = Ok(());
        for told in told {
            match told {
                Message::Event(event) => watch(event),
                Message::Failed(error) => result = result.and(Err(error)),
            }
        }
        result
    })
}

/// As [`for_each`] of work that tells no more than that it is done: `progress` gets (done, total) after each
/// piece.
///
/// # Errors
///
/// As [`for_each`].
pub fn for_each_counted<X: Send>(
    total: usize,
    threads: usize,
    work: impl Fn(usize) -> Result<(), X> + Sync,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<(), X> {
    let mut done = 0;
    let counted = |piece: usize, teller: &Teller<'_, (), X>| {
        work(piece)?;
        teller.tell(());
        Ok(())
    };
    for_each(total, threads, counted, &mut |()| {
        done += 1;
        progress(done, total);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_worked_once_and_told() {
        for threads in [1, 3, 50] {
            let mut told = Vec::new();
            let work = |piece, teller: &Teller<'_, usize, String>| {
                teller.tell(piece);
                Ok(())
            };
            for_each(20, threads, work, &mut |piece| told.push(piece)).unwrap();
            told.sort_unstable();
            assert_eq!(told, (0..20).collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_piece_is_counted_once() {
        for threads in [1, 3, 50] {
            let mut told = Vec::new();
            let work = |piece| if piece < 20 { Ok(()) } else { Err(piece) };
            for_each_counted(20, threads, work, &mut |done, total| told.push((done, total)))
                .unwrap();
            assert_eq!(told, (1..=20).map(|done| (done, 20)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_failure_ends_the_work_of_all() {
        let begun = AtomicUsize::new(0);
        let work = |piece, teller: &Teller<'_, (), String>| {
            begun.fetch_add(1, Ordering::Relaxed);
            if piece == 3 {
                return Err("piece three".to_owned());
            }
            while piece > 3 && !teller.is_over() {
                thread::yield_now();
            }
            Ok(())
        };
        let error = for_each(1_000, 3, work, &mut |()| {}).unwrap_err();
        assert_eq!(error, "piece three");
        assert!(begun.into_inner() < 10);
    }
}
