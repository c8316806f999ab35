//! A file's streams and when they are presented, from FFmpeg's list of packets; decodes no picture.

use std::io::BufRead;
use std::path::Path;

use equiav_data::ffmpeg::task::{Detail, Limits, Task};
use equiav_data::ffmpeg::{Ffmpeg, FfmpegError, Said};

use crate::decode::damage::Heard;
use crate::decode::tracks::Tracks;
use crate::decode::windows::Span;
use crate::{Fault, Finding, Reason};

/// What FFmpeg's list of packets says where a packet has no time stamp.
const NO_TIME: i64 = i64::MIN;
/// The flag of packets that are decoded but not presented.
const DISCARDED: u32 = 4;
/// The most packets of a file: 46 hours at 60 frames a second.
const MOST_PACKETS: usize = 10_000_000;
/// The longest file, in seconds; more is a wrong time stamp.
const LONGEST: f64 = 86_400.0;
/// The shortest gap in a sound that is no rounding of time stamps, in seconds.
const SOUND_GAP: f64 = 0.005;
/// The shortest gap in a video whose packets are lost, in seconds.
const VIDEO_GAP: f64 = 0.02;
/// How far an interval between frames may be from the usual one, as a share of it.
const TOLERANCE: f64 = 0.2;
/// The share of such intervals above which the frame rate is called variable.
const IRREGULAR: f64 = 0.02;

/// Keeps FFmpeg from beginning its filters anew, and with them its count of time, where a track changes.
pub(crate) const REINIT: [&str; 2] = ["-reinit_filter", "0"];

/// What a file holds.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    pub(crate) sound: Option<SoundTrack>,
    pub(crate) video: Option<VideoTrack>,
    /// The tracks that these are.
    pub(crate) tracks: Tracks,
    /// What FFmpeg complained of.
    pub(crate) heard: Heard,
    /// Where the decoded sound has gaps, in seconds of the file's own time.
    pub(crate) sound_gaps: Vec<Span>,
    /// Where the packets of the video have gaps.
    pub(crate) video_gaps: Vec<Span>,
    /// FFmpeg's name of the video's codec, where it is known.
    pub(crate) video_codec: Option<String>,
}

impl Probe {
    /// Whether a part of FFmpeg that complains decodes the video.
    pub(crate) fn is_of_video(&self, source: &str) -> bool {
        // Its decoder may be named after it: `libdav1d` decodes `av1`.
        let codec = self.video_codec.as_deref();
        source.starts_with("vist#") || codec.is_some_and(|codec| source.contains(codec))
    }
}

/// The sound track that is heard by default, as decoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SoundTrack {
    /// In Hz.
    pub(crate) rate: u32,
    pub(crate) channels: usize,
    /// When the first sample is presented, and when the last one ends, in seconds.
    pub(crate) span: Span,
}

/// The video track that is shown by default and is no cover picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct VideoTrack {
    /// As coded, in pixels.
    pub(crate) size: [u32; 2],
    pub(crate) frames: usize,
    /// When the first frame is presented, and when the last one ends, in seconds.
    pub(crate) span: Span,
    /// When the last frame is presented.
    pub(crate) last: f64,
    /// The share of intervals between frames that are not as the usual one.
    pub(crate) irregular: f64,
}

impl VideoTrack {
    /// Whether the frame rate is to be called variable.
    pub(crate) fn is_variable(&self) -> bool {
        self.irregular > IRREGULAR
    }
}

/// Asks FFmpeg about `file`.
pub(crate) fn probe(ffmpeg: &Ffmpeg, limits: Limits, file: &Path) -> Result<Probe, Fault> {
    let (first, said) = listed(ffmpeg, limits, file, Tracks::FIRST)?;
    // Most files are done with: their default tracks are the first of their kind.
    let tracks = Tracks::by_default(&said.told);
    let (streams, said) = match tracks == Tracks::FIRST {
        true => (first, said),
        false => listed(ffmpeg, limits, file, tracks)?,
    };
    let (sound, video) = (streams.sound()?, streams.video()?);
    let video_codec = tracks.video_codec(&said.told);
    let heard = said.into();
    let gaps = |is: fn(&Stream) -> bool, least| {
        streams.0.iter().find(|stream| is(stream)).map(|stream| stream.gaps(least))
    };
    let sound_gaps = gaps(|stream| stream.is_sound, SOUND_GAP).unwrap_or_default();
    let video_gaps = gaps(|stream| stream.is_video, VIDEO_GAP).unwrap_or_default();
    Ok(Probe { sound, video, tracks, heard, sound_gaps, video_gaps, video_codec })
}

/// What FFmpeg lists of `tracks`, and what it said.
fn listed(
    ffmpeg: &Ffmpeg,
    limits: Limits,
    file: &Path,
    tracks: Tracks,
) -> Result<(Streams, Said), Fault> {
    // Pictures are only listed, sound is decoded: what its decoder skips at the start is known then.
    let (video, sound) = (format!("{}?", tracks.video()), format!("{}?", tracks.sound()));
    let output = ["-map", &video, "-map", &sound, "-c:v", "copy", "-c:a", "pcm_s16le"];
    let output = output.into_iter().chain(["-f", "framecrc"]).map(str::to_owned).collect();
    let input = REINIT.map(str::to_owned).into();
    let detail = Detail::Streams;
    let mut running = Task { ffmpeg, limits, file, detail, input, output }.start()?;
    let (mut streams, mut line) = (Streams::default(), String::new());
    loop {
        line.clear();
        match running.read_line(&mut line) {
            Ok(0) => break,
            Ok(_) => streams.read(line.trim())?,
            Err(error) => return Err(Fault::Machine(format!("FFmpeg's output: {error}"))),
        }
    }
    let said = match running.finish() {
        Ok(said) => said,
        // Neither track is no failure to read the file, but FFmpeg's word for it is one.
        Err(FfmpegError::Undecodable(why)) if why.contains("does not contain any stream") => {
            Said::default()
        }
        Err(error) => return Err(error.into()),
    };
    match Fault::said(Reason::Damaged, &said.complaints) {
        Fault::Finding(finding) if finding.reason == Reason::FormatChange => Err(finding.into()),
        _ => Ok((streams, said)),
    }
}

/// What the list has said so far, by number of the output's stream.
#[derive(Debug, Default)]
struct Streams([Stream; 2]);

#[derive(Debug, Default)]
struct Stream {
    is_video: bool,
    is_sound: bool,
    /// Seconds per unit of time.
    unit: f64,
    rate: u32,
    size: [u32; 2],
    packets: Vec<Packet>,
}

#[derive(Clone, Copy, Debug)]
struct Packet {
    start: i64,
    duration: i64,
    bytes: i64,
}

impl Streams {
    /// Takes in one line: `#key STREAM: value` or `STREAM, dts, pts, duration, bytes, hash, ...`.
    fn read(&mut self, line: &str) -> Result<(), Finding> {
        let header = line.strip_prefix('#').and_then(|line| line.split_once(": "));
        if let Some((key, value)) = header {
            let (key, number) = key.split_once(' ').unwrap_or((key, ""));
            let stream = number.parse().ok().and_then(|number: usize| self.0.get_mut(number));
            if let Some(stream) = stream {
                stream.describe(key, value.trim());
            }
            return Ok(());
        }
        let mut fields = line.split(',').map(str::trim);
        let number = fields.next().and_then(|field| field.parse::<usize>().ok());
        let Some(stream) = number.and_then(|number| self.0.get_mut(number)) else {
            return Ok(());
        };
        if stream.packets.len() >= MOST_PACKETS {
            let detail = format!("it has more than {MOST_PACKETS} packets");
            return Err(Finding::new(Reason::Undecodable, detail));
        }
        stream.packets.extend(packet(fields));
        Ok(())
    }

    fn sound(&self) -> Result<Option<SoundTrack>, Finding> {
        let Some(stream) = self.0.iter().find(|stream| stream.is_sound) else {
            return Ok(None);
        };
        let Some((span, _)) = stream.span()? else { return Ok(None) };
        // Two bytes a sample and channel.
        let first = stream.packets.iter().find(|packet| packet.duration > 0);
        let channels = first.map_or(0, |packet| packet.bytes / (2 * packet.duration));
        let channels = usize::try_from(channels).unwrap_or(0);
        Ok((stream.rate > 0).then_some(SoundTrack { rate: stream.rate, channels, span }))
    }

    fn video(&self) -> Result<Option<VideoTrack>, Finding> {
        let Some(stream) = self.0.iter().find(|stream| stream.is_video) else {
            return Ok(None);
        };
        let Some((span, last)) = stream.span()? else { return Ok(None) };
        let frames = stream.packets.len();
        let irregular = stream.irregular();
        Ok(Some(VideoTrack { size: stream.size, frames, span, last, irregular }))
    }
}

fn packet<'a>(mut fields: impl Iterator<Item = &'a str>) -> Option<Packet> {
    let mut number = || fields.next().and_then(|field| field.parse::<i64>().ok());
    let (decoded, start, duration, bytes) = (number()?, number()?, number()?, number()?);
    let flags = fields.find_map(|field| field.strip_prefix("F=0x"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags, 16).ok()).unwrap_or(0);
    let start = if start == NO_TIME { decoded } else { start };
    (flags & DISCARDED == 0 && start != NO_TIME).then_some(Packet { start, duration, bytes })
}

impl Stream {
    fn describe(&mut self, key: &str, value: &str) {
        let pair = |separator: char| {
            let (left, right) = value.split_once(separator)?;
            Some((left.parse::<u32>().ok()?, right.parse::<u32>().ok()?))
        };
        match key {
            "media_type" => {
                (self.is_video, self.is_sound) = (value == "video", value == "audio");
            }
            "tb" => self.unit = pair('/').map_or(0.0, |(n, d)| f64::from(n) / f64::from(d.max(1))),
            "sample_rate" => self.rate = value.parse().unwrap_or(0),
            "dimensions" => self.size = pair('x').map_or([0, 0], |(width, height)| [width, height]),
            _ => {}
        }
    }

    /// When it is presented, and when its last packet begins; nothing if it has no packet.
    fn span(&self) -> Result<Option<(Span, f64)>, Finding> {
        let starts = self.packets.iter().map(|packet| packet.start);
        let Some((first, last)) = starts.clone().min().zip(starts.max()) else {
            return Ok(None);
        };
        let ends = self.packets.iter().map(|packet| packet.start.saturating_add(packet.duration));
        let end = ends.max().unwrap_or(last).max(last);
        let seconds = |time: i64| time as f64 * self.unit;
        let span = Span { start: seconds(first), end: seconds(end) };
        if !(span.length() <= LONGEST && span.start.abs() < 1e9) {
            let detail =
                format!("its time stamps span {:.0} s, expected a day at most", span.length());
            return Err(Finding::new(Reason::Undecodable, detail));
        }
        Ok(Some((span, seconds(last))))
    }

    /// Between which packets more than `least` seconds and twice the usual distance are missing.
    fn gaps(&self, least: f64) -> Vec<Span> {
        let mut packets = self.packets.clone();
        packets.sort_unstable_by_key(|packet| packet.start);
        let mut intervals: Vec<i64> =
            packets.windows(2).map(|pair| pair[1].start - pair[0].start).collect();
        intervals.sort_unstable();
        let usual = intervals.get(intervals.len() / 2).copied().unwrap_or(0);
        let seconds = |time: i64| time as f64 * self.unit;
        let mut gaps = Vec::new();
        for pair in packets.windows(2) {
            // A picture may have no duration.
            let length = if self.is_sound { pair[0].duration } else { pair[0].duration.max(usual) };
            let end = pair[0].start.saturating_add(length);
            let missing = pair[1].start.saturating_sub(end);
            if seconds(missing) > least && (self.is_sound || missing > usual) {
                gaps.push(Span { start: seconds(end), end: seconds(pair[1].start) });
            }
        }
        gaps
    }

    /// The share of intervals that are off the median one by more than [`TOLERANCE`] of it and more
    /// than the rounding of a time stamp.
    fn irregular(&self) -> f64 {
        let mut starts: Vec<i64> = self.packets.iter().map(|packet| packet.start).collect();
        starts.sort_unstable();
        let mut intervals: Vec<i64> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        if intervals.is_empty() {
            return 0.0;
        }
        intervals.sort_unstable();
        let usual = intervals[intervals.len() / 2];
        let allowed = (usual as f64 * TOLERANCE).max(2.0);
        let off = |interval: &&i64| (**interval - usual).abs() as f64 > allowed;
        intervals.iter().filter(off).count() as f64 / intervals.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "#software: Lavf63
#tb 0: 1/1000
#media_type 0: video
#dimensions 0: 160x120
#tb 1: 1/8000
#media_type 1: audio
#sample_rate 1: 8000
0,        -80,          0,       40,      727, 0x3574f9c0
1,       4000,       4000,      576,     2304, 0x00000000
0,        -40,         80,       40,       27, 0x3574f9c0, F=0x0
0,          0,         40,       40,       27, 0x3574f9c0, F=0x0, S=1, Skip Samples,       10, 0x0
0,         40,       -120,       40,       27, 0x3574f9c0, F=0x4
1,       4576,       4576,      100,      400, 0x00000000
0,        120, -9223372036854775808, 40,   27, 0x3574f9c0
";

    fn read(list: &str) -> Streams {
        let mut streams = Streams::default();
        list.lines().for_each(|line| streams.read(line).unwrap());
        streams
    }

    #[test]
    fn streams_are_known_by_their_packets() {
        let streams = read(LIST);
        let sound = streams.sound().unwrap().unwrap();
        assert_eq!((sound.rate, sound.channels), (8000, 2));
        assert_eq!(sound.span, Span { start: 0.5, end: 0.5845 });
        let video = streams.video().unwrap().unwrap();
        assert_eq!((video.size, video.frames), ([160, 120], 4));
        assert_eq!((video.span, video.last), (Span { start: 0.0, end: 0.16 }, 0.12));
        assert!(!video.is_variable());
    }

    #[test]
    fn changing_intervals_are_a_variable_rate() {
        let mut list = LIST.to_owned();
        for start in [300, 310, 500, 900] {
            list.push_str(&format!("0, {start}, {start}, 40, 27, 0x0\n"));
        }
        assert!(read(&list).video().unwrap().unwrap().is_variable());
    }

    #[test]
    fn gaps_are_where_packets_are_missing() {
        let mut list = LIST.to_owned();
        for start in [160, 200, 400, 440] {
            list.push_str(&format!("0, {start}, {start}, 40, 27, 0x0\n"));
        }
        list.push_str("1, 5000, 5000, 100, 400, 0x0\n");
        let streams = read(&list);
        assert_eq!(streams.0[0].gaps(VIDEO_GAP), [Span { start: 0.24, end: 0.4 }]);
        assert_eq!(streams.0[1].gaps(SOUND_GAP), [Span { start: 0.584_5, end: 0.625 }]);
    }

    #[test]
    fn absurd_time_stamps_are_refused() {
        let list = format!("{LIST}0, 9000000000000, 9000000000000, 40, 27, 0x0\n");
        let finding = read(&list).video().unwrap_err();
        assert!(finding.detail.contains("a day at most"), "{finding}");
        assert_eq!(read("").sound().unwrap(), None);
        assert_eq!(read("#tb 7: 1/0\n9, x\n,,,\n#\n\n").video().unwrap(), None);
    }
}
