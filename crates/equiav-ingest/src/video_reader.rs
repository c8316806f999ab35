//! The sound of one file and some of its frames, on one clock, for whoever cuts no clips.

use std::path::Path;

use equiav_augment::Image;
use equiav_data::ffmpeg::Ffmpeg;
use equiav_data::ffmpeg::task::Limits;
use equiav_frontend::Waveform;
use ndarray::Array3;

use crate::analyze::findings;
use crate::decode::damage::Damage;
use crate::decode::frames::FrameStream;
use crate::decode::probe::{Probe, probe};
use crate::decode::sound::{Material, SoundStream};
use crate::decode::windows::{Clock, Window};
use crate::{Fault, Finding, IngestSettings, Reason};

/// How long FFmpeg may give nothing, in seconds.
const PATIENCE: f64 = 120.0;
/// How long a file may last whose length is not known yet, in seconds.
const LONGEST: f64 = 3_600.0;
/// The channel that is heard, counted from 0: the one that is read from sound files too.
const CHANNEL: usize = 0;

/// A file that FFmpeg has looked at. Time 0 is when the first of its two streams begins.
#[derive(Debug)]
pub struct VideoReader<'a> {
    ffmpeg: &'a Ffmpeg,
    file: &'a Path,
    probe: Probe,
    clock: Clock,
}

impl<'a> VideoReader<'a> {
    /// Has FFmpeg look at `file`.
    ///
    /// # Errors
    ///
    /// If it cannot be decoded or has neither sound nor picture. Damage to a part of it is told with that.
    pub fn open(ffmpeg: &'a Ffmpeg, file: &'a Path) -> Result<Self, Fault> {
        let probe = probe(ffmpeg, limits(LONGEST), file)?;
        let sound = probe.sound.map(|track| track.span);
        let picture = probe.video.map(|track| track.span);
        let none = || Finding::new(Reason::Undecodable, "neither sound nor picture");
        let first = sound.or(picture).ok_or_else(none)?;
        let clock = Clock::new(sound.unwrap_or(first), picture.unwrap_or(first));
        Ok(Self { ffmpeg, file, probe, clock })
    }

    /// When its sound ends, in seconds; `None` without one.
    pub fn sound_seconds(&self) -> Option<f64> {
        self.probe.sound.map(|track| track.span.end - self.clock.origin)
    }

    /// When its last frame ends, in seconds; `None` without one.
    pub fn picture_seconds(&self) -> Option<f64> {
        self.probe.video.map(|track| track.span.end - self.clock.origin)
    }

    /// The first channel of its sound from time 0 on, at its own rate, silent where there is none; and from
    /// when to when, in milliseconds, it is damaged.
    ///
    /// # Errors
    ///
    /// If it has no sound, or its sound cannot be decoded, or is damaged and nobody can tell where.
    pub fn sound(&self) -> Result<(Waveform, Vec<[u64; 2]>), Fault> {
        let none = || Finding::new(Reason::NoAudio, "no sound track");
        let track = self.probe.sound.ok_or_else(none)?;
        let seconds = track.span.end - self.clock.origin;
        let material = self.material(seconds);
        let mut stream = SoundStream::open(&material, track, CHANNEL)?;
        let length = (seconds * 1e3).round() as u64;
        let samples = stream.window(Window { number: 0, start: 0, length })?;
        let damage = Damage::to_sound(&self.probe, &stream.finish()?);
        Ok((Waveform { samples, rate: track.rate }, self.damaged(damage)?))
    }

    /// Gives `take` the frame on display in the middle of each of `windows`, which are pairs of start
    /// and end in milliseconds, in their order; each begins after the one before it.
    ///
    /// No frame's short side is longer than `short_side` pixels, at least 16. Gives from when to when, in
    /// milliseconds, the picture is damaged, which is known at its end.
    ///
    /// # Errors
    ///
    /// If it has no picture, one of these cannot be decoded, or `take` fails.
    pub fn frames(
        &self,
        windows: &[[u64; 2]],
        short_side: u32,
        take: &mut dyn FnMut(Image) -> Result<(), String>,
    ) -> Result<Vec<[u64; 2]>, Fault> {
        let none = || Finding::new(Reason::NoVideo, "no video track");
        let track = self.probe.video.ok_or_else(none)?;
        let windows: Vec<Window> = numbered(windows).collect();
        let Some(first) = windows.first() else { return Ok(Vec::new()) };
        let step = windows.get(1).map_or(first.length, |second| second.start - first.start);
        let settings = IngestSettings {
            window: first.length.max(1) as f64 / 1e3,
            stride: Some(step.max(1) as f64 / 1e3),
            frames: 1,
            short_side: short_side.max(16),
            ..IngestSettings::default()
        };
        let seconds = track.span.end - self.clock.origin;
        let material = self.material(seconds);
        let mut stream = FrameStream::open(&material, track, &windows, &settings)?;
        for window in &windows {
            let frames = stream.window(*window)?;
            for frame in frames {
                let shape = (frame.height() as usize, frame.width() as usize, 3);
                let pixels = Array3::from_shape_vec(shape, frame.as_raw().clone());
                let image = Image::new(pixels.expect("three levels for each pixel"));
                take(image).map_err(|reason| Finding::new(Reason::Undecodable, reason))?;
            }
        }
        let damage = Damage::to_picture(&material, &self.probe, &stream.finish()?)?;
        self.damaged(damage)
    }

    /// Where `damage` is, in milliseconds.
    fn damaged(&self, damage: Option<Damage>) -> Result<Vec<[u64; 2]>, Fault> {
        let Some(Damage { said, spans }) = damage else { return Ok(Vec::new()) };
        let spans = spans.ok_or_else(|| Fault::said(Reason::Damaged, &said))?;
        let origin = self.clock.origin;
        let at = |seconds: f64| ((seconds - origin) * 1e3).clamp(0.0, 1e11);
        Ok(spans.iter().map(|span| [at(span.start) as u64, at(span.end).ceil() as u64]).collect())
    }

    fn material(&self, seconds: f64) -> Material<'_> {
        let (ffmpeg, file, clock, tracks) = (self.ffmpeg, self.file, self.clock, self.probe.tracks);
        Material { ffmpeg, limits: limits(seconds), file, tracks, clock }
    }
}

/// Of a file that lasts for `seconds`.
fn limits(seconds: f64) -> Limits {
    findings::limits(PATIENCE, seconds, IngestSettings::default().memory_limit_mb)
}

fn numbered(windows: &[[u64; 2]]) -> impl Iterator<Item = Window> {
    let window = |(number, [start, end]): (usize, &[u64; 2])| Window {
        number,
        start: *start,
        length: end - start,
    };
    windows.iter().enumerate().map(window)
}
