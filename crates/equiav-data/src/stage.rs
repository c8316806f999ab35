//! Where the time of a sample goes: a stopwatch that the sample path itself tells what it is at.
//!
//! The path says `stage::at(Stage::Filterbank, || ..)` around each piece of work. On a thread that
//! measures nothing, which is every thread but that of [`measure`], this is one look at an empty
//! thread local; so what is measured is the path, not a copy of it. It is no part of any result.

use std::cell::RefCell;
use std::time::{Duration, Instant};

/// What is being done for a sample.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// Bytes of sounds and pictures come from their files.
    Read,
    /// Bytes become samples.
    DecodeSound,
    /// Samples come to the front end's rate.
    Resample,
    /// Samples become a standardised log-mel spectrogram.
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
            Self::Other => "other",
        }
    }
}

/// How long each stage took. Every moment belongs to one stage: the innermost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stages([Duration; Stage::ALL.len()]);

impl Stages {
    /// The time spent at `stage`.
    pub fn of(&self, stage: Stage) -> Duration {
        self.0[stage as usize]
    }

    /// The time spent at all of them.
    pub fn total(&self) -> Duration {
        self.0.iter().sum()
    }
}

/// The stopwatch of a thread that measures.
struct Watch {
    at: Stage,
    since: Instant,
    spent: Stages,
}

thread_local! {
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

/// Does `work` and says how long its stages took on this thread.
///
/// A measurement inside of another one would end the outer; there is none.
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, Stages) {
    /// Stops the watch, also where `work` panics.
    struct Running;
    impl Drop for Running {
        fn drop(&mut self) {
            WATCH.set(None);
        }
    }
    let running = Running;
    WATCH.set(Some(Watch { at: Stage::Other, since: Instant::now(), spent: Stages::default() }));
    let result = work();
    switch(Stage::Other);
    let spent = WATCH.with_borrow(|watch| watch.as_ref().map(|watch| watch.spent));
    drop(running);
    (result, spent.unwrap_or_default())
}

/// Does `work`, which is a piece of `stage`.
pub(crate) fn at<T>(stage: Stage, work: impl FnOnce() -> T) -> T {
    /// Goes back to the stage around this one, also where `work` panics.
    struct Around(Option<Stage>);
    impl Drop for Around {
        fn drop(&mut self) {
            self.0.map(switch);
        }
    }
    let _around = Around(switch(stage));
    work()
}

/// Books the time since the last switch and goes over to `stage`; `None` where nothing is measured.
fn switch(stage: Stage) -> Option<Stage> {
    WATCH.with_borrow_mut(|watch| {
        let watch = watch.as_mut()?;
        let now = Instant::now();
        watch.spent.0[watch.at as usize] += now - watch.since;
        watch.since = now;
        Some(std::mem::replace(&mut watch.at, stage))
    })
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    /// Spins, since sleeping may take any time.
    fn busy(milliseconds: u64) {
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(milliseconds) {}
    }

    #[test]
    fn every_moment_belongs_to_the_innermost_stage() {
        let started = Instant::now();
        let ((), stages) = measure(|| {
            at(Stage::DecodeSound, || {
                busy(2);
                at(Stage::Read, || busy(3));
                busy(2);
            });
            busy(1);
        });
        let elapsed = started.elapsed();
        let least = |stage, milliseconds| {
            assert!(stages.of(stage) >= Duration::from_millis(milliseconds), "{stages:?}");
        };
        least(Stage::DecodeSound, 4);
        least(Stage::Read, 3);
        least(Stage::Other, 1);
        assert!(stages.total() <= elapsed, "{stages:?} in {elapsed:?}");
        assert_eq!(stages.of(Stage::Filterbank), Duration::ZERO);
    }

    #[test]
    fn nothing_is_kept_where_nothing_is_measured() {
        at(Stage::Read, || busy(1));
        assert_eq!(switch(Stage::Read), None);
        let ((), stages) = measure(|| ());
        assert_eq!(stages.of(Stage::Read), Duration::ZERO);
    }

    #[test]
    fn a_panic_leaves_its_stage_and_its_measurement() {
        let ((), stages) = measure(|| {
            catch_unwind(|| at(Stage::DecodeFrame, || panic!("a decoder gives up"))).unwrap_err();
            busy(2);
        });
        assert!(stages.of(Stage::Other) >= Duration::from_millis(2), "{stages:?}");
        catch_unwind(|| measure(|| panic!("the work gives up"))).unwrap_err();
        assert_eq!(switch(Stage::Read), None, "nothing is measured any more");
    }

    #[test]
    fn stages_stand_at_their_numbers() {
        for (number, stage) in Stage::ALL.into_iter().enumerate() {
            assert_eq!(stage as usize, number);
        }
    }
}
