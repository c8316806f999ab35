//! One file from its name to its clips, with all that is wrong about it; writes nothing.

pub(crate) mod clip;
pub(crate) mod cut;
pub(crate) mod findings;

use std::path::Path;
use std::sync::Arc;

use equiav_frontend::Resampler;
use image::RgbImage;

use crate::analyze::clip::Clip;
use crate::analyze::cut::WindowedFile;
use crate::analyze::findings::{FindingLog, Stop, Tools};
use crate::decode::damage::Heard;
use crate::decode::frames::{FrameSource, FrameStream, still};
use crate::decode::probe::{Probe, SoundTrack, VideoTrack, probe};
use crate::decode::sound::{Material, SoundStream};
use crate::decode::windows::{Clock, Window};
use crate::sources::is_resource_fork;
use crate::{
    Fault, FileReport, Finding, IngestError, IngestSettings, Media, Reason, SourceFile, SourceKind,
};

/// How fast a disk is at least, in bytes per second; a large file has that much longer.
const SLOW_DISK: f64 = 1e7;

/// How long a file may last whose length is not known yet, in seconds.
const LONGEST: f64 = 3_600.0;

/// Where clips go; its error ends everything.
pub(crate) type Take<'a> = dyn FnMut(Clip) -> Result<(), IngestError> + 'a;

/// Cuts `source` into clips, each of which goes to `take`.
///
/// Of what went to `take`, only the windows count whose numbers stand beside the report: what is wrong with
/// a file may turn up at its end.
///
/// # Errors
///
/// A finding whose policy is to fail, and whatever `take` gives.
pub(crate) fn analyze(
    source: &SourceFile,
    duplicate: Option<&str>,
    tools: Tools<'_>,
    take: &mut Take<'_>,
) -> Result<(FileReport, Vec<usize>), IngestError> {
    let sound = match &source.kind {
        SourceKind::Pair { name, .. } => Some(name.clone()),
        _ => None,
    };
    let (file, findings) = (source.name.clone(), Vec::new());
    let report = FileReport { file, sound, clips: 0, media: None, findings };
    let mut log = FindingLog { tools, report };
    let kept = match run(source, duplicate, &mut log, take) {
        Ok(kept) => kept,
        Err(Stop::Skipped) => Vec::new(),
        Err(Stop::Error(error)) => return Err(error),
    };
    log.report.clips = kept.len();
    Ok((log.report, kept))
}

/// The two streams of a file that clips are cut from.
struct Tracks {
    sound: SoundTrack,
    shown: Shown,
}

enum Shown {
    Video(VideoTrack),
    Still(RgbImage),
}

impl Tracks {
    fn clock(&self) -> Clock {
        match &self.shown {
            Shown::Video(video) => Clock::new(self.sound.span, video.span),
            Shown::Still(_) => Clock::new(self.sound.span, self.sound.span),
        }
    }
}

/// Examines the file and returns the numbers of the windows whose clips count.
fn run(
    source: &SourceFile,
    duplicate: Option<&str>,
    log: &mut FindingLog<'_>,
    take: &mut Take<'_>,
) -> Result<Vec<usize>, Stop> {
    let settings = log.tools.settings;
    let (file, picture) = log.expect(files(source))?;
    if let Some(first) = duplicate {
        log.add(Finding::new(Reason::Duplicate, format!("the same bytes as `{first}`")))?;
    }
    let reading = source.bytes as f64 / SLOW_DISK;
    let limits = log.limits(reading, LONGEST);
    let probed = probe(log.tools.ffmpeg, limits, file);
    let probe = log.expect(probed.map_err(|fault| unknown(source, fault)))?;
    let media = media(&probe);
    log.report.media = Some(media);
    let tracks = log.expect(tracks(&probe, picture, settings))?;
    time_stamps(&tracks, log)?;
    let clock = tracks.clock();
    let windows = clock.windows(settings);
    if windows.is_empty() {
        return log.expect(Err(too_short(media, settings)));
    }
    let (ffmpeg, limits) = (log.tools.ffmpeg, log.limits(reading, media.seconds));
    let material = Material { ffmpeg, limits, file, tracks: probe.tracks, clock };
    let streams = log.expect(Streams::open(&material, tracks, &windows, settings))?;
    let mut file_windows =
        WindowedFile { windows: &windows, material: &material, probe: &probe, log };
    file_windows.cut(streams, take)
}

/// The file that is heard, and the picture where that is another file.
fn files(source: &SourceFile) -> Result<(&Path, Option<&Path>), Finding> {
    match &source.kind {
        SourceKind::Other if is_resource_fork(&source.path) => Err(Finding::new(
            Reason::NotMedia,
            "what macOS keeps of another file (a resource fork)",
        )),
        // An unknown ending says nothing about the content.
        SourceKind::Video | SourceKind::Other => Ok((&source.path, None)),
        SourceKind::Pair { sound, .. } => Ok((sound, Some(&source.path))),
        SourceKind::Picture => {
            Err(Finding::new(Reason::NoAudio, "a picture without a sound beside it"))
        }
        SourceKind::Sound => {
            Err(Finding::new(Reason::NoVideo, "a sound without a picture beside it"))
        }
        SourceKind::Irregular(reason) => Err(Finding::new(Reason::Undecodable, reason.clone())),
    }
}

/// What FFmpeg cannot read and whose ending promises nothing is no medium.
fn unknown(source: &SourceFile, fault: Fault) -> Fault {
    match fault {
        Fault::Finding(finding)
            if source.kind == SourceKind::Other && finding.reason == Reason::Undecodable =>
        {
            Finding::new(Reason::NotMedia, finding.detail).into()
        }
        other => other,
    }
}

fn media(probe: &Probe) -> Media {
    let spans = [probe.sound.map(|sound| sound.span), probe.video.map(|video| video.span)];
    let spans = || spans.iter().flatten();
    let start = spans().map(|span| span.start).fold(f64::INFINITY, f64::min);
    let end = spans().map(|span| span.end).fold(f64::NEG_INFINITY, f64::max);
    Media {
        seconds: ((end - start).max(0.0) * 1e3).round() / 1e3,
        rate: probe.sound.map_or(0, |sound| sound.rate),
        channels: probe.sound.map_or(0, |sound| sound.channels),
        size: probe.video.map_or([0; 2], |video| video.size),
        frames: probe.video.map_or(0, |video| video.frames),
    }
}

fn tracks(
    probe: &Probe,
    picture: Option<&Path>,
    settings: &IngestSettings,
) -> Result<Tracks, Fault> {
    let no_sound = || match probe.heard.complaints.as_str() {
        "" => Finding::new(Reason::NoAudio, "no sound track"),
        said => Finding::new(Reason::NoAudio, format!("no sound track that decodes: {said}")),
    };
    let sound = probe.sound.ok_or_else(no_sound)?;
    if settings.channel >= sound.channels {
        let (channel, channels) = (settings.channel, sound.channels);
        let detail = format!("no channel {channel} (counted from 0) among {channels}");
        return Err(Finding::new(Reason::NoAudio, detail).into());
    }
    let shown = match (picture, probe.video) {
        (Some(path), _) => Shown::Still(still(path, settings.short_side)?),
        (None, Some(video)) => Shown::Video(video),
        (None, None) => return Err(Finding::new(Reason::NoVideo, "no video track").into()),
    };
    Ok(Tracks { sound, shown })
}

/// FindingLog what is unusual about when things are presented.
fn time_stamps(tracks: &Tracks, log: &mut FindingLog<'_>) -> Result<(), Stop> {
    if let Shown::Video(video) = &tracks.shown
        && video.is_variable()
    {
        let percent = 100.0 * video.irregular;
        let detail = format!("{percent:.0} % of the intervals between frames are unusual");
        log.add(Finding::new(Reason::VariableFrameRate, detail))?;
    }
    let origin = tracks.clock().origin;
    // Less is the rounding of a container's unit of time.
    if origin < -1e-3 {
        let detail = format!("it begins at {origin:.3} s");
        log.add(Finding::new(Reason::NegativeTimeStamps, detail))?;
    }
    Ok(())
}

fn too_short(media: Media, settings: &IngestSettings) -> Finding {
    let needed = settings.window * settings.min_share;
    let detail = format!("{} s, of which {needed} s need both sound and picture", media.seconds);
    Finding::new(Reason::TooShort, detail)
}

/// Both decoders of a file at work.
pub(crate) struct Streams {
    sound: SoundStream,
    pictures: FrameSource,
    resampler: Resampler,
}

impl Streams {
    fn open(
        material: &Material<'_>,
        tracks: Tracks,
        windows: &[Window],
        settings: &IngestSettings,
    ) -> Result<Self, Fault> {
        let sound = SoundStream::open(material, tracks.sound, settings.channel)?;
        let pictures = match tracks.shown {
            Shown::Still(picture) => FrameSource::Still(Arc::new(picture)),
            Shown::Video(video) => {
                let frames = FrameStream::open(material, video, windows, settings)?;
                FrameSource::Frames(Box::new(frames))
            }
        };
        let resampler = Resampler::new(tracks.sound.rate, settings.sample_rate);
        Ok(Self { sound, pictures, resampler })
    }

    pub(crate) fn clip(&mut self, window: Window) -> Result<Clip, Fault> {
        let samples = self.resampler.apply(&self.sound.window(window)?);
        let pictures = self.pictures.window(window)?;
        Ok(Clip { window, samples, pictures })
    }

    /// What FFmpeg complained of in the end.
    pub(crate) fn finish(self) -> Result<[Heard; 2], Fault> {
        Ok([self.pictures.finish()?, self.sound.finish()?])
    }
}
