//! Where a file is damaged of which FFmpeg complains, so that the rest of it can be used.
//!
//! A complaint has no time. But what is lost of a sound, or in the container, is a gap between the times of
//! what is left; and a video is decoded once more, by one thread that tells the time of every picture between
//! its complaints. Damage to a picture lasts until the next one that needs no other.

use std::collections::BTreeSet;

use equiav_data::ffmpeg::process::Task;
use equiav_data::ffmpeg::{is_of_container, is_of_decoder};

use crate::Fault;
use crate::decode::probe::Probe;
use crate::decode::sound::Material;
use crate::decode::windows::Span;

/// What FFmpeg complained of, and where it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Damage {
    /// What was said, in one line.
    pub(crate) said: String,
    /// Where, in seconds of the file's own time; `None` where that cannot be told.
    pub(crate) spans: Option<Vec<Span>>,
}

/// What was said by the readers of a file's tracks, and by which parts of FFmpeg.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) complaints: String,
    pub(crate) sources: BTreeSet<String>,
}

impl Damage {
    /// The damage to the sound, where `heard` is what its readers complained of.
    pub(crate) fn to_sound(probe: &Probe, heard: &Heard) -> Option<Self> {
        let said = first(probe, heard)?;
        let decoder = |source: &String| is_of_decoder(source) && !probe.is_of_video(source);
        let complained = heard.sources.iter().chain(&probe.heard.sources).any(decoder);
        // A decoder that conceals what it lost leaves no gap.
        let known = !complained || !probe.sound_gaps.is_empty();
        Some(Self { said, spans: known.then(|| probe.sound_gaps.clone()) })
    }

    /// The damage to the picture, where `heard` is what its reader complained of.
    pub(crate) fn to_picture(
        material: &Material<'_>,
        probe: &Probe,
        heard: &Heard,
    ) -> Result<Option<Self>, Fault> {
        // Damage to the sound makes no hole of a pause between pictures.
        let is_of_picture = |source: &String| is_of_container(source) || probe.is_of_video(source);
        let concerned =
            !heard.complaints.is_empty() || probe.heard.sources.iter().any(is_of_picture);
        let said = first(probe, heard).filter(|_| concerned);
        let Some(said) = said else { return Ok(None) };
        let mut spans = probe.video_gaps.clone();
        if heard.sources.iter().any(|source| is_of_decoder(source)) {
            spans.extend(complained(material)?);
        }
        Ok(Some(Self { said, spans: Some(spans) }))
    }

    /// Whether something of `span`, in seconds of the file's own time, is damaged.
    pub(crate) fn concerns(&self, span: Span) -> bool {
        let within = |bad: &Span| bad.start < span.end && bad.end > span.start;
        self.spans.as_ref().is_none_or(|spans| spans.iter().any(within))
    }
}

fn first(probe: &Probe, heard: &Heard) -> Option<String> {
    let said = [&heard.complaints, &probe.heard.complaints].into_iter();
    said.into_iter().find(|said| !said.is_empty()).cloned()
}

/// Between which times the decoder of the video complains.
fn complained(material: &Material<'_>) -> Result<Vec<Span>, Fault> {
    let Material { ffmpeg, file, .. } = *material;
    let mut limits = material.limits;
    limits.threads = 1;
    let map = material.tracks.video();
    let output = ["-map", &map, "-fps_mode", "passthrough", "-c:v", "rawvideo", "-f", "framecrc"];
    let output = output.map(str::to_owned).into();
    let input = vec!["-debug_ts".to_owned()];
    let said = Task { ffmpeg, limits, file, input, output }.start()?.drain()?;
    Ok(said.places.iter().map(|[start, end]| Span { start: *start, end: *end }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(spans: &[[f64; 2]]) -> Vec<Span> {
        spans.iter().map(|[start, end]| Span { start: *start, end: *end }).collect()
    }

    #[test]
    fn only_what_it_touches_is_damaged() {
        let damage =
            Damage { said: "bad".to_owned(), spans: Some(spans(&[[4.0, 5.0], [9.0, 9.5]])) };
        let touched = [[0.0, 4.0], [0.0, 4.1], [5.0, 9.0], [9.4, 20.0]];
        let touched: Vec<bool> =
            spans(&touched).into_iter().map(|span| damage.concerns(span)).collect();
        assert_eq!(touched, [false, true, false, true]);
        assert!(Damage { spans: None, ..damage }.concerns(Span { start: 0.0, end: 1.0 }));
    }

    #[test]
    fn a_decoder_that_conceals_damages_the_whole_sound() {
        let heard = |source: &str| Heard {
            complaints: "bad".to_owned(),
            sources: [source.to_owned()].into(),
        };
        let video_codec = Some("h264".to_owned());
        let gaps = spans(&[[1.0, 1.5]]);
        let whole = Probe { video_codec, ..Probe::default() };
        let gappy = Probe { sound_gaps: gaps.clone(), ..Probe::default() };
        let damage = |probe: &Probe, source: &str| Damage::to_sound(probe, &heard(source));
        assert_eq!(Damage::to_sound(&whole, &Heard::default()), None);
        assert_eq!(damage(&whole, "mp3float").expect("damage").spans, None);
        assert_eq!(damage(&whole, "h264").expect("damage").spans, Some(Vec::new()));
        assert_eq!(damage(&whole, "matroska,webm").expect("damage").spans, Some(Vec::new()));
        assert_eq!(damage(&gappy, "aac").expect("damage").spans, Some(gaps));
        let av1 = Probe { video_codec: Some("av1".to_owned()), ..Probe::default() };
        assert_eq!(damage(&av1, "libdav1d").expect("damage").spans, Some(Vec::new()));
    }
}
