//! Where the time of a step goes: the names of its phases, for the spans of [`equiav_data::profiler`].
//!
//! The step says `let _span = profiler::span(Phase::Losses, device);` and goes on. Only where something records
//! is a GPU waited for at the ends of each phase.

use equiav_data::profiler::{self, SpanTimes, TimedSpan};
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

impl From<Phase> for &'static str {
    fn from(phase: Phase) -> Self {
        phase.name()
    }
}

/// How long each phase of a step took.
pub type PhaseTimes = SpanTimes;

/// Books what is done until the span's drop under `phase`, which works on `device`.
pub(crate) fn span(phase: Phase, device: Device) -> TimedSpan<impl FnMut()> {
    profiler::span_until(phase, move || wait(device))
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
    use std::time::Duration;

    use equiav_data::profiler::Recording;

    use super::*;

    const LONG: Duration = Duration::from_millis(20);

    #[test]
    fn time_is_booked_on_its_phase_and_only_while_something_records() {
        let work = || {
            for phase in [Phase::Forward, Phase::Forward, Phase::Losses] {
                let _span = span(phase, Device::Cpu);
                sleep(if phase == Phase::Forward { LONG } else { Duration::ZERO });
            }
        };
        work();
        let recording = Recording::start();
        work();
        let phases: PhaseTimes = recording.finish();
        assert!(phases.of(Phase::Forward) >= 2 * LONG, "{phases:?}");
        assert!(phases.of(Phase::Losses) < LONG, "{phases:?}");
        assert_eq!(phases.of(Phase::Update), Duration::ZERO);
        let nothing = Recording::start().finish();
        assert_eq!(
            nothing.of(Phase::Forward),
            Duration::ZERO,
            "nothing is left of what went before"
        );
    }
}
