//! Where a file is damaged of which FFmpeg complains, so that the rest of it can be used.
//!
//! A complaint has no time. But what is lost of a sound, or in the container, is a gap between the times of
//! what is left; and a video is decoded once more, which tells the time of every picture between
//! its complaints. Damage to a picture lasts until the next one that needs no other.

use std::collections::BTreeSet;

use equiav_data::ffmpeg::task::{Detail, Task};
use equiav_data::ffmpeg::{Said, is_of_container, is_of_decoder};

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
    /// How many lines decoders complained in.
    pub(crate) decoder_lines: usize,
}

impl From<Said> for Heard {
    fn from(Said { complaints, sources, decoder_lines, .. }: Said) -> Self {
        Self { complaints, sources, decoder_lines }
    }
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
        let spans = probe.video_gaps.clone();
        let spans = match heard.decoder_lines {
            0 => Some(spans),
            lines => complained(material, lines)?.map(|complained| [spans, complained].concat()),
        };
        Ok(Some(Self { said, spans }))
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

/// Between which times the decoder of the video complains, which has done so in so many `lines`; nothing where it cannot
/// be told.
fn complained(material: &Material<'_>, lines: usize) -> Result<Option<Vec<Span>>, Fault> {
    /// A complaint is lost where it comes between the parts of another line, which happens to one file in some hundreds.
    const TRIES: usize = 8;
    for _ in 0..TRIES {
        let said = timed(material)?;
        if said.decoder_lines >= lines {
            let span = |[start, end]: &[f64; 2]| Span { start: *start, end: *end };
            return Ok(Some(said.places.iter().map(span).collect()));
        }
    }
    Ok(None)
}

/// What is said of the video by a decoder that tells the time of every picture.
fn timed(material: &Material<'_>) -> Result<Said, Fault> {
    let Material { ffmpeg, file, limits, .. } = *material;
    let map = material.tracks.video();
    let output = ["-map", &map, "-fps_mode", "passthrough", "-c:v", "rawvideo", "-f", "framecrc"];
    let output = output.map(str::to_owned).into();
    let input = vec!["-debug_ts".to_owned()];
    Ok(Task { ffmpeg, limits, file, detail: Detail::Streams, input, output }.start()?.drain()?)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use equiav_data::ffmpeg::Ffmpeg;

    use super::*;
    use crate::analyze::findings::limits;
    use crate::decode::tracks::Tracks;
    use crate::decode::windows::Clock;

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
    fn a_complaint_that_is_lost_between_other_lines_is_asked_for_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let (program, file) = (folder.path().join("program"), folder.path().join("file"));
        fs::write(&file, [0; 64]).expect("a file");
        let ffmpeg = Ffmpeg { program, version: String::new() };
        let places = |times_lost: usize| {
            let script = format!(
                "#!/bin/sh\ncd '{}'\necho >>calls\n\
                 test $(wc -l <calls) -gt {times_lost} && echo '[mpeg4 @ 0x1] [error] ac-tex damaged' >&2 ||\n\
                 echo '[info]   Stream #0:0: Videoac-tex damaged' >&2\n\
                 echo '[dec:mpeg4 @ 0x1] [info] decoder -> pts:2 pts_time:0.2 keyframe:0' >&2\n",
                folder.path().display()
            );
            fs::write(&ffmpeg.program, script).expect("a program");
            fs::set_permissions(&ffmpeg.program, Permissions::from_mode(0o755))
                .expect("executable");
            let _ = fs::remove_file(folder.path().join("calls"));
            let (span, limits) = (Span { start: 0.0, end: 1.0 }, limits(60.0, 1.0, 512));
            let (tracks, clock) = (Tracks::FIRST, Clock::new(span, span));
            let material = Material { ffmpeg: &ffmpeg, limits, file: &file, tracks, clock };
            complained(&material, 1).expect("an end")
        };
        let whole = spans(&[[f64::NEG_INFINITY, f64::INFINITY]]);
        assert_eq!(places(0), Some(whole.clone()));
        assert_eq!(places(3), Some(whole));
        assert_eq!(places(100), None);
    }

    #[test]
    fn a_decoder_that_conceals_damages_the_whole_sound() {
        let heard = |source: &str| Heard {
            complaints: "bad".to_owned(),
            sources: [source.to_owned()].into(),
            decoder_lines: 0,
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
