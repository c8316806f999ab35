//! Presentation times to windows and to the moments of their frames; plain arithmetic.

use crate::IngestSettings;

/// From when to when, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) start: f64,
    pub(crate) end: f64,
}

impl Span {
    /// In seconds; 0 where it ends before it starts.
    pub(crate) fn length(self) -> f64 {
        (self.end - self.start).max(0.0)
    }
}

/// The clock of a file: time 0 is when the first of its two streams begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Clock {
    /// The file's own time at time 0, in seconds.
    pub(crate) origin: f64,
    /// From when on there are both sound and picture, and until when, in milliseconds.
    both: [u64; 2],
}

/// One window of a file, in milliseconds of its clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Window {
    /// Counted from 0, left-out windows included.
    pub(crate) number: usize,
    pub(crate) start: u64,
    pub(crate) length: u64,
}

impl Clock {
    /// The clock of two streams.
    pub(crate) fn new(sound: Span, picture: Span) -> Self {
        let origin = sound.start.min(picture.start);
        let from = sound.start.max(picture.start) - origin;
        let to = sound.end.min(picture.end) - origin;
        let milliseconds = |seconds: f64| (seconds.max(0.0) * 1e3).round() as u64;
        Self { origin, both: [milliseconds(from), milliseconds(to)] }
    }

    /// The windows of which at least `min_share` has both sound and picture.
    ///
    /// They begin at multiples of the stride. One that the end of sound or picture cuts is that much
    /// shorter; one that begins before sound or picture does is not.
    pub(crate) fn windows(self, settings: &IngestSettings) -> Vec<Window> {
        let (window, stride) = (settings.window_ms(), settings.stride_ms());
        let [from, to] = self.both;
        let enough = (window as f64 * settings.min_share).ceil() as u64;
        let cut = |number: u64| {
            let start = number * stride;
            let end = (start + window).min(to);
            let covered = end.saturating_sub(start.max(from));
            let length = end.saturating_sub(start);
            (covered >= enough.max(1)).then_some(Window { number: number as usize, start, length })
        };
        (0..to.div_ceil(stride)).filter_map(cut).collect()
    }
}

impl Window {
    /// The moments of its frames: the centers of `frames` equal parts, in milliseconds of the clock.
    pub(crate) fn moments(self, frames: usize) -> impl Iterator<Item = u64> {
        let frames = frames as u64;
        (0..frames).map(move |part| self.start + (2 * part + 1) * self.length / (2 * frames))
    }

    /// Where it lies in the file's own time, of a clock that begins at `origin` seconds of it.
    pub(crate) fn span(self, origin: f64) -> Span {
        let seconds = |milliseconds: u64| milliseconds as f64 / 1e3 + origin;
        Span { start: seconds(self.start), end: seconds(self.start + self.length) }
    }

    /// Where it begins and ends in sound of `rate` Hz, in samples of the clock.
    pub(crate) fn samples(self, rate: u32) -> [u64; 2] {
        let at = |milliseconds: u64| (milliseconds * u64::from(rate) + 500) / 1_000;
        [at(self.start), at(self.start + self.length)]
    }
}

/// All moments at which a frame is wanted, sorted, none twice.
pub(crate) fn all_moments(windows: &[Window], frames: usize) -> Vec<u64> {
    let mut moments: Vec<u64> = windows.iter().flat_map(|window| window.moments(frames)).collect();
    moments.sort_unstable();
    moments.dedup();
    moments
}

/// The same as an expression of FFmpeg's over `n`, the millisecond; its length does not grow with
/// the file's.
pub(crate) fn expression(windows: &[Window], settings: &IngestSettings) -> String {
    let stride = settings.stride_ms();
    let first = windows.first().map_or(0, |window| window.start);
    // Those behind are cut short, or begin where they end with the file, or anywhere.
    let regular = |(place, window): &(usize, &Window)| {
        window.start == first + *place as u64 * stride && window.length == settings.window_ms()
    };
    let (whole, cut) = windows.split_at(windows.iter().enumerate().take_while(regular).count());
    let mut terms = Vec::new();
    if let (Some(first), Some(last)) = (whole.first(), whole.last()) {
        for (from, to) in first.moments(settings.frames).zip(last.moments(settings.frames)) {
            terms.push(format!("between(n,{from},{to})*not(mod(n-{from},{stride}))"));
        }
    }
    let ends = cut.iter().flat_map(|window| window.moments(settings.frames));
    terms.extend(ends.map(|moment| format!("eq(n,{moment})")));
    sum(&terms)
}

/// The sum as a balanced tree: FFmpeg's parser refuses expressions that are a hundred deep.
fn sum(terms: &[String]) -> String {
    match terms {
        [] => String::new(),
        [term] => term.clone(),
        terms => {
            let (left, right) = terms.split_at(terms.len() / 2);
            format!("({}+{})", sum(left), sum(right))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings(window: f64, stride: f64, frames: usize) -> IngestSettings {
        IngestSettings { window, stride: Some(stride), frames, ..IngestSettings::default() }
    }

    fn spans(sound: [f64; 2], picture: [f64; 2]) -> Clock {
        let span = |[start, end]: [f64; 2]| Span { start, end };
        Clock::new(span(sound), span(picture))
    }

    #[test]
    fn windows_are_cut_where_the_shorter_stream_ends() {
        let clock = spans([0.5, 26.0], [0.0, 27.0]);
        let windows = clock.windows(&settings(10.0, 10.0, 10));
        let lengths: Vec<_> = windows.iter().map(|w| (w.number, w.start, w.length)).collect();
        assert_eq!(lengths, [(0, 0, 10_000), (1, 10_000, 10_000), (2, 20_000, 6_000)]);
        let moments: Vec<u64> = windows[2].moments(4).collect();
        assert_eq!(moments, [20_750, 22_250, 23_750, 25_250]);
        assert_eq!(windows[2].samples(44_100), [882_000, 1_146_600]);
    }

    #[test]
    fn a_window_that_is_mostly_empty_is_skipped() {
        let seconds =
            |sound, picture| spans(sound, picture).windows(&settings(10.0, 10.0, 10)).len();
        assert_eq!(seconds([0.0, 4.9], [0.0, 60.0]), 0);
        assert_eq!(seconds([0.0, 5.0], [0.0, 60.0]), 1);
        assert_eq!(seconds([6.0, 20.0], [0.0, 20.0]), 1, "the first lacks sound");
        assert_eq!(seconds([0.0, 5.0], [9.0, 20.0]), 0, "they never meet");
    }

    #[test]
    fn time_begins_with_the_first_stream_even_below_zero() {
        let clock = spans([-0.5, 9.5], [0.0, 10.0]);
        assert_eq!(clock.origin, -0.5);
        assert_eq!(clock.windows(&settings(10.0, 10.0, 10))[0].length, 10_000);
    }

    /// What FFmpeg's `between`, `mod`, `not` and `eq` make of the expression.
    fn selects(expression: &str, n: u64) -> bool {
        let numbers = |text: &str| -> Vec<u64> {
            let parts = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
            parts.map(|part| part.parse().unwrap()).collect()
        };
        expression.split('+').any(|term| match numbers(term)[..] {
            [moment] => n == moment,
            [from, to, start, stride] => {
                assert_eq!(from, start);
                (from..=to).contains(&n) && (n - from).is_multiple_of(stride)
            }
            _ => panic!("{term}"),
        })
    }

    proptest! {
        #[test]
        fn the_expression_selects_the_moments(
            (window, step) in (500u64..3_000).prop_flat_map(|w| (Just(w), w / 16 + 1..4_000)),
            frames in 1usize..12, late in 0f64..2.0, end in 0.1f64..15.0,
        ) {
            let settings = settings(window as f64 / 1e3, step as f64 / 1e3, frames);
            let windows = spans([late, end], [0.0, 14.0]).windows(&settings);
            let moments = all_moments(&windows, frames);
            let expression = expression(&windows, &settings);
            if windows.is_empty() {
                prop_assert!(expression.is_empty());
            } else {
                let selected: Vec<u64> = (0..15_000).filter(|n| selects(&expression, *n)).collect();
                prop_assert_eq!(selected, moments);
            }
        }

        #[test]
        fn so_it_does_of_windows_that_are_chosen_one_by_one(
            pieces in proptest::collection::vec((1u64..4, 1u64..4), 1..9),
        ) {
            let (mut windows, mut start) = (Vec::new(), 0);
            for (number, (length, gap)) in pieces.into_iter().enumerate() {
                windows.push(Window { number, start: 100 * start, length: 100 * length });
                start += length + gap - 1;
            }
            let step = windows.get(1).map_or(windows[0].length, |second| second.start);
            let settings = settings(windows[0].length as f64 / 1e3, step as f64 / 1e3, 1);
            let expression = expression(&windows, &settings);
            let selected: Vec<u64> = (0..5_000).filter(|n| selects(&expression, *n)).collect();
            prop_assert_eq!(selected, all_moments(&windows, 1));
        }
    }
}
