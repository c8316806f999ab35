//! Where the time of a thread goes: spans beside the work, booked under a name while something records.
//!
//! The work says `let _span = profiler::span(Stage::Filterbank);` and goes on. On a thread that records
//! nothing, which is every thread but that of a [`Recording`], a span is one look at an empty thread local;
//! so what is measured is the work itself, not a copy of it. It is no part of any result.
//!
//! Work on a device ends later than its call: [`span_until`] takes what waits for it.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

/// The name under which a [`Recording`] books the time of no span.
pub const OTHER: &str = "other";

/// What is being done for a sample.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// Bytes of sounds and pictures come from their files.
    Read,
    /// Bytes become samples.
    DecodeSound,
    /// Samples come to the front end's rate.
    Resample,
    /// Samples become a standardized log-mel spectrogram.
    Filterbank,
    /// Bytes become pixels.
    DecodeFrame,
    /// Pixels become the plain view: resized and cut to its center.
    PlainFrame,
    /// The plain spectrogram becomes the augmented one, drawing included.
    AugmentAudio,
    /// Pixels become the augmented view, drawing and the crop's resizing included.
    AugmentVisual,
    /// The centroid's parameter vectors are drawn.
    Vectors,
    /// Views become arrays of the model's layout, and those a batch.
    Assemble,
    /// Whatever no other stage claims.
    Other,
}

impl Stage {
    /// Every stage, in the order in which a sample meets them.
    pub const ALL: [Self; 11] = [
        Self::Read,
        Self::DecodeSound,
        Self::Resample,
        Self::Filterbank,
        Self::DecodeFrame,
        Self::PlainFrame,
        Self::AugmentAudio,
        Self::AugmentVisual,
        Self::Vectors,
        Self::Assemble,
        Self::Other,
    ];

    /// What it is called in a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read files",
            Self::DecodeSound => "decode sound",
            Self::Resample => "resample",
            Self::Filterbank => "filterbank",
            Self::DecodeFrame => "decode frame",
            Self::PlainFrame => "plain frame",
            Self::AugmentAudio => "augment audio",
            Self::AugmentVisual => "augment visual",
            Self::Vectors => "centroid vectors",
            Self::Assemble => "assemble",
            Self::Other => OTHER,
        }
    }
}

impl From<Stage> for &'static str {
    fn from(stage: Stage) -> Self {
        stage.name()
    }
}

/// How long each name took. Every moment belongs to one: that of the innermost span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpanTimes(Vec<(&'static str, Duration)>);

impl SpanTimes {
    /// The time spent in the spans of that name.
    pub fn of(&self, name: impl Into<&'static str>) -> Duration {
        let name = name.into();
        let booked = self.0.iter().find(|(known, _)| *known == name);
        booked.map_or(Duration::ZERO, |(_, time)| *time)
    }

    /// The time of the whole recording, [`OTHER`] included.
    pub fn total(&self) -> Duration {
        self.0.iter().map(|(_, time)| *time).sum()
    }

    fn add(&mut self, name: &'static str, time: Duration) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, booked)) => *booked += time,
            None => self.0.push((name, time)),
        }
    }
}

/// The stopwatch of a thread that records.
struct Stopwatch {
    name: &'static str,
    since: Instant,
    times: SpanTimes,
}

thread_local! {
    static STOPWATCH: RefCell<Option<Stopwatch>> = const { RefCell::new(None) };
}

/// Records this thread's spans until it is [finished](Self::finish) or dropped.
///
/// One that starts inside of another ends the outer; there is none.
#[derive(Debug)]
#[must_use]
pub struct Recording {
    /// It stays on its thread.
    thread: PhantomData<*const ()>,
}

impl Recording {
    /// Starts to record.
    pub fn start() -> Self {
        let times = SpanTimes::default();
        STOPWATCH.set(Some(Stopwatch { name: OTHER, since: Instant::now(), times }));
        Self { thread: PhantomData }
    }

    /// How long everything took since the start.
    pub fn finish(self) -> SpanTimes {
        switch(OTHER);
        // Dropping `self` empties what is left.
        STOPWATCH.take().map_or_else(SpanTimes::default, |stopwatch| stopwatch.times)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        STOPWATCH.set(None);
    }
}

/// A piece of work from its making to its drop.
#[derive(Debug)]
#[must_use = "a span ends where it is dropped"]
pub struct TimedSpan<W: FnMut() = fn()> {
    /// The name around this one, and what waits for the work; `None` where nothing records.
    around: Option<(&'static str, W)>,
    /// It stays on its thread.
    thread: PhantomData<*const ()>,
}

impl<W: FnMut()> Drop for TimedSpan<W> {
    fn drop(&mut self) {
        if let Some((around, wait)) = &mut self.around {
            // A device that has failed fails the wait too, and a second panic would end the process.
            if !std::thread::panicking() {
                wait();
            }
            switch(around);
        }
    }
}

/// Books what is done until the span's drop under `name`.
pub fn span(name: impl Into<&'static str>) -> TimedSpan {
    span_until(name, no_wait as fn())
}

/// As [`span`], of work that goes on behind its calls: `wait` returns once all that was begun is done. It
/// is called at both ends, and only where something records.
pub fn span_until<W: FnMut()>(name: impl Into<&'static str>, mut wait: W) -> TimedSpan<W> {
    let records = STOPWATCH.with_borrow(Option::is_some);
    if records {
        wait();
    }
    let around = if records { switch(name.into()) } else { None };
    TimedSpan { around: around.map(|around| (around, wait)), thread: PhantomData }
}

fn no_wait() {}

/// Books the time since the last switch and goes over to `name`; `None` where nothing records.
fn switch(name: &'static str) -> Option<&'static str> {
    STOPWATCH.with_borrow_mut(|stopwatch| {
        let stopwatch = stopwatch.as_mut()?;
        let now = Instant::now();
        stopwatch.times.add(stopwatch.name, now - stopwatch.since);
        stopwatch.since = now;
        Some(std::mem::replace(&mut stopwatch.name, name))
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::panic::catch_unwind;

    use super::*;

    /// Spins, since sleeping may take any time.
    fn busy(milliseconds: u64) {
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(milliseconds) {}
    }

    #[test]
    fn every_moment_belongs_to_the_innermost_span() {
        let started = Instant::now();
        let recording = Recording::start();
        {
            let _outer = span(Stage::DecodeSound);
            busy(2);
            {
                let _inner = span(Stage::Read);
                busy(3);
            }
            busy(2);
        }
        busy(1);
        let times = recording.finish();
        let elapsed = started.elapsed();
        let least = |stage: Stage, milliseconds| {
            assert!(times.of(stage) >= Duration::from_millis(milliseconds), "{times:?}");
        };
        least(Stage::DecodeSound, 4);
        least(Stage::Read, 3);
        least(Stage::Other, 1);
        assert!(times.total() <= elapsed, "{times:?} in {elapsed:?}");
        assert_eq!(times.of(Stage::Filterbank), Duration::ZERO);
    }

    #[test]
    fn nothing_is_kept_where_nothing_records() {
        drop(span(Stage::Read));
        assert_eq!(switch("read files"), None);
        let times = Recording::start().finish();
        assert_eq!(times.of(Stage::Read), Duration::ZERO);
        assert_eq!(switch("read files"), None, "a finished recording is over");
    }

    #[test]
    fn a_device_is_waited_for_at_both_ends_and_only_while_something_records() {
        let waits = Cell::new(0);
        let wait = || {
            busy(1);
            waits.set(waits.get() + 1);
        };
        drop(span_until("forward", wait));
        assert_eq!(waits.get(), 0);
        let recording = Recording::start();
        drop(span_until("forward", wait));
        assert_eq!(waits.get(), 2);
        let times = recording.finish();
        // The wait before it belongs to what was begun before.
        assert!(times.of(OTHER) >= Duration::from_millis(1), "{times:?}");
        assert!(times.of("forward") >= Duration::from_millis(1), "{times:?}");
    }

    #[test]
    fn a_panic_leaves_its_span_and_its_recording() {
        let recording = Recording::start();
        catch_unwind(|| {
            let _span = span(Stage::DecodeFrame);
            panic!("a decoder gives up")
        })
        .unwrap_err();
        busy(2);
        let times = recording.finish();
        assert!(times.of(Stage::Other) >= Duration::from_millis(2), "{times:?}");
        catch_unwind(|| {
            let _recording = Recording::start();
            panic!("the work gives up")
        })
        .unwrap_err();
        assert_eq!(switch("read files"), None, "nothing records any more");
    }
}
