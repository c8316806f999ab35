//! Where the windows of a long file lie; plain arithmetic.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

/// Milliseconds of one frame of the filterbank.
pub(super) const FRAME: u64 = 10;

/// Milliseconds of the filterbank's first frame.
const FIRST: u64 = 25;

/// From when to when, in milliseconds of a file.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Span {
    /// When it begins.
    pub start: u64,
    /// When it ends.
    pub end: u64,
}

impl Span {
    /// Start and end in seconds.
    pub fn seconds(self) -> [f64; 2] {
        [self.start as f64 / 1e3, self.end as f64 / 1e3]
    }
}

/// How long files are cut. What is not longer than a window is one, padded as the front end does.
///
/// Of a longer file, windows begin at 0 and at every multiple of the stride as long as they end within
/// the file; where something is left behind the last, one more ends with the file. So all of them are
/// full, and nothing is passed over.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Cutting {
    /// Frames of a window, 10 ms each.
    pub window: usize,
    /// Frames from the start of one window to that of the next.
    pub stride: usize,
}

impl Cutting {
    /// Windows of `window` frames, one every `stride` seconds, or one after another.
    ///
    /// # Errors
    ///
    /// If `stride` is shorter than a sixteenth of a window, or longer than a window.
    pub(super) fn new(window: usize, stride: Option<f64>) -> anyhow::Result<Self> {
        let seconds = window as f64 / 100.0;
        let stride = match stride {
            None => window,
            Some(asked) => {
                let least = (seconds / 16.0).max(0.01);
                ensure!(
                    (least..=seconds).contains(&asked),
                    "a stride of {asked} s: expected {least} to {seconds} s, the length of a window"
                );
                ((asked * 100.0).round() as usize).clamp(1, window)
            }
        };
        Ok(Self { window, stride })
    }

    /// The first frames of the windows of a file of `frames` frames.
    pub(super) fn starts(self, frames: usize) -> impl Iterator<Item = usize> {
        let last = frames.saturating_sub(self.window);
        let rest = (!last.is_multiple_of(self.stride)).then_some(last);
        (0..=last).step_by(self.stride).chain(rest)
    }

    /// The windows of a file of `milliseconds`.
    pub(super) fn spans(self, milliseconds: u64) -> impl Iterator<Item = Span> {
        // As many frames as a sound of that length has.
        let frames = 1 + milliseconds.saturating_sub(FIRST) / FRAME;
        self.starts(frames as usize).map(move |first| self.span(first, milliseconds))
    }

    /// The time of the window whose first frame is `first`, in a file of `milliseconds`.
    pub(super) fn span(self, first: usize, milliseconds: u64) -> Span {
        let start = first as u64 * FRAME;
        let end = start + self.window as u64 * FRAME;
        // The last window reaches the end, which may lie within a frame.
        let end = if end + FIRST > milliseconds { milliseconds } else { end };
        Span { start, end: end.max(start) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(frames: usize, window: usize, stride: usize) -> Vec<usize> {
        Cutting { window, stride }.starts(frames).collect()
    }

    #[test]
    fn windows_are_full_and_leave_nothing_out() {
        assert_eq!(starts(1, 128, 128), [0]);
        assert_eq!(starts(128, 128, 128), [0]);
        assert_eq!(starts(129, 128, 128), [0, 1]);
        assert_eq!(starts(256, 128, 128), [0, 128]);
        assert_eq!(starts(300, 128, 64), [0, 64, 128, 172]);
        for frames in 1..500 {
            for stride in [7, 50, 100] {
                let starts = starts(frames, 100, stride);
                assert!(
                    starts.windows(2).all(|pair| pair[0] < pair[1] && pair[1] <= pair[0] + stride)
                );
                let last = *starts.last().expect("a window");
                assert_eq!(last + 100.min(frames), frames, "the last ends with the file");
            }
        }
    }

    #[test]
    fn times_end_with_the_file() {
        let cutting = Cutting::new(128, None).expect("a cutting");
        let spans = |milliseconds| {
            let pair = |span: Span| (span.start, span.end);
            cutting.spans(milliseconds).map(pair).collect::<Vec<_>>()
        };
        assert_eq!(spans(700), [(0, 700)]);
        assert_eq!(spans(1_295), [(0, 1_295)]);
        assert_eq!(spans(1_305), [(0, 1_280), (10, 1_305)]);
        assert_eq!(spans(3_000), [(0, 1_280), (1_280, 2_560), (1_700, 3_000)]);
    }

    #[test]
    fn a_stride_has_a_range() {
        assert_eq!(Cutting::new(128, Some(0.64)).expect("a stride").stride, 64);
        for wrong in [0.0, 0.05, 1.29, f64::NAN, -1.0] {
            let message = Cutting::new(128, Some(wrong)).expect_err("no stride").to_string();
            assert!(message.contains("expected 0.08 to 1.28 s"), "{message}");
        }
    }
}
