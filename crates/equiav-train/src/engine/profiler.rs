//! Where the time of a step goes: a stopwatch that the step itself tells what it is at.
//!
//! The step says `profiler::at(Phase::Losses, device, || ..)` around each piece of work. On a thread that
//! measures nothing, which is every thread but that of `measure`, this is one look at an empty
//! thread local; so what is measured is the step, not a copy of it. Only where something is measured
//! is a GPU waited for at the ends of each phase.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use tch::Device;

/// A phase of a step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// The batch comes to the device.
    Feed,
    /// Views become embeddings.
    Forward,
    /// Embeddings come from all processes to all.
    Gather,
    /// Embeddings become losses.
    Losses,
    /// Losses become gradients, averaged over all processes.
    Backward,
    /// Gradients become weights, clipping included.
    Update,
}

impl Phase {
    /// Every phase, in the order of a step.
    pub const ALL: [Self; 6] =
        [Self::Feed, Self::Forward, Self::Gather, Self::Losses, Self::Backward, Self::Update];

    /// What it is called in a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Feed => "feed",
            Self::Forward => "forward",
            Self::Gather => "gather",
            Self::Losses => "losses",
            Self::Backward => "backward",
            Self::Update => "update",
        }
    }
}

/// How long each phase of a step took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Phases([Duration; Phase::ALL.len()]);

impl Phases {
    /// The time spent at `phase`.
    pub fn of(&self, phase: Phase) -> Duration {
        self.0[phase as usize]
    }

    /// The time spent at all of them.
    pub fn total(&self) -> Duration {
        self.0.iter().sum()
    }
}

thread_local! {
    static SPENT: RefCell<Option<Phases>> = const { RefCell::new(None) };
}

/// Does `work` and says how long the phases of the steps in it took on this thread.
///
/// A measurement inside of another one would end the outer; there is none.
pub(crate) fn measure<T>(work: impl FnOnce() -> T) -> (T, Phases) {
    /// Ends the measurement, also where `work` panics.
    struct Measuring;
    impl Drop for Measuring {
        fn drop(&mut self) {
            SPENT.set(None);
        }
    }
    let measuring = Measuring;
    SPENT.set(Some(Phases::default()));
    let result = work();
    let spent = SPENT.with_borrow(|spent| *spent);
    drop(measuring);
    (result, spent.unwrap_or_default())
}

/// Does `work`, which is a piece of `phase` on `device`; phases do not lie inside each other.
pub(crate) fn at<T>(phase: Phase, device: Device, work: impl FnOnce() -> T) -> T {
    if SPENT.with_borrow(Option::is_none) {
        return work();
    }
    wait(device);
    let started = Instant::now();
    let result = work();
    wait(device);
    let time = started.elapsed();
    SPENT.with_borrow_mut(|spent| {
        if let Some(spent) = spent {
            spent.0[phase as usize] += time;
        }
    });
    result
}

/// Waits until `device` has done what it was given; a processor has when it returns.
fn wait(device: Device) {
    if let Device::Cuda(index) = device {
        tch::Cuda::synchronize(index as i64);
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    const LONG: Duration = Duration::from_millis(20);

    #[test]
    fn time_is_booked_on_its_phase_and_only_while_measured() {
        let work = || {
            at(Phase::Forward, Device::Cpu, || sleep(LONG));
            at(Phase::Losses, Device::Cpu, || ());
            at(Phase::Forward, Device::Cpu, || sleep(LONG));
        };
        work();
        let ((), phases) = measure(work);
        assert!(phases.of(Phase::Forward) >= 2 * LONG, "{phases:?}");
        assert!(phases.of(Phase::Losses) < LONG, "{phases:?}");
        assert_eq!(phases.of(Phase::Update), Duration::ZERO);
        assert_eq!(measure(|| ()).1, Phases::default(), "nothing is left of what went before");
    }
}
