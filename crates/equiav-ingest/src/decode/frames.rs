//! The frames of a file at the moments of its windows, on the file's clock, in RGB.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use equiav_data::ffmpeg::process::Running;
use equiav_data::ffmpeg::task::{Detail, Task};
use equiav_data::read_picture;
use image::RgbImage;
use image::imageops::{self, FilterType};

use crate::analyze::findings::SLOWEST;
use crate::decode::damage::Heard;
use crate::decode::probe::{REINIT, VideoTrack};
use crate::decode::sound::Material;
use crate::decode::windows::{Window, all_moments, expression};
use crate::{Fault, Finding, IngestSettings, Reason};

/// The most pixels of a frame.
const MOST_PIXELS: usize = 1 << 26;

/// Where the pictures of a file come from.
pub(crate) enum FrameSource {
    /// The frames of a video.
    Frames(Box<FrameStream>),
    /// The picture of a pair, which is every frame.
    Still(Arc<RgbImage>),
}

impl FrameSource {
    /// The frames of `window`; windows come in their order.
    pub(crate) fn window(&mut self, window: Window) -> Result<Vec<Arc<RgbImage>>, Fault> {
        match self {
            FrameSource::Frames(stream) => stream.window(window),
            FrameSource::Still(picture) => Ok(vec![Arc::clone(picture)]),
        }
    }

    /// What FFmpeg complained of.
    pub(crate) fn finish(self) -> Result<Heard, Fault> {
        match self {
            FrameSource::Frames(stream) => stream.finish(),
            FrameSource::Still(_) => Ok(Heard::default()),
        }
    }
}

/// The picture at `path`, scaled down to `short_side` where it is larger.
pub(crate) fn still(path: &Path, short_side: u32) -> Result<RgbImage, Fault> {
    let image = read_picture(path).map_err(|error| match error.machine {
        true => Fault::Machine(error.reason),
        false => Finding::new(Reason::Undecodable, error.reason).into(),
    })?;
    let (width, height) = (image.width() as u32, image.height() as u32);
    let pixels = image.as_slice().to_vec();
    let image = RgbImage::from_raw(width, height, pixels).expect("three levels for each pixel");
    let short = width.min(height);
    if short <= short_side {
        return Ok(image);
    }
    let scaled = |side: u32| {
        let side = u64::from(side) * u64::from(short_side);
        ((side + u64::from(short) / 2) / u64::from(short)).max(1) as u32
    };
    Ok(imageops::resize(&image, scaled(width), scaled(height), FilterType::CatmullRom))
}

/// A decoder that gives one frame for every moment.
pub(crate) struct FrameStream {
    running: Option<Running>,
    frames: usize,
    /// The moments whose frames were not read yet, the next one last.
    ahead: Vec<u64>,
    /// Frames that a window to come may want, by moment.
    held: BTreeMap<u64, Arc<RgbImage>>,
    /// The frame that was read last.
    latest: Option<Arc<RgbImage>>,
    /// From when on the last frame of the video is on display, in milliseconds of the clock.
    last: u64,
    /// What FFmpeg complained of, once it has ended.
    heard: Heard,
}

impl FrameStream {
    /// Starts to decode the frames of `windows`, of which there is at least one.
    pub(crate) fn open(
        material: &Material<'_>,
        track: VideoTrack,
        windows: &[Window],
        settings: &IngestSettings,
    ) -> Result<Self, Fault> {
        let origin = material.clock.origin;
        let mut ahead = all_moments(windows, settings.frames);
        let (mut limits, end) = (material.limits, track.span.end - origin);
        limits.silence += Duration::from_secs_f64(SLOWEST * longest_gap(&ahead, end));
        ahead.reverse();
        // A frame for every millisecond, the one on display then (no pixel is copied for it), of
        // which those at the moments are scaled.
        let filters = format!(
            "setpts=PTS-({origin:.9})/TB,fps=fps=1000:round=up:start_time=0,\
             select='{}',{},format=rgb24",
            expression(windows, settings),
            scale(settings.short_side)
        );
        let map = material.tracks.video();
        let output = ["-map", &map, "-vf", &filters, "-fps_mode", "passthrough"];
        let output = output.into_iter().chain(["-c:v", "ppm", "-f", "image2pipe"]);
        let output = output.map(str::to_owned).collect();
        let (ffmpeg, file, input) = (material.ffmpeg, material.file, REINIT.map(str::to_owned));
        let input = input.into();
        let running =
            Some(Task { ffmpeg, limits, file, detail: Detail::Complaints, input, output }.start()?);
        let last = ((track.last - origin).max(0.0) * 1e3) as u64;
        let (frames, held, heard) = (settings.frames, BTreeMap::new(), Heard::default());
        Ok(Self { running, frames, ahead, held, latest: None, last, heard })
    }

    pub(crate) fn window(&mut self, window: Window) -> Result<Vec<Arc<RgbImage>>, Fault> {
        self.held = self.held.split_off(&window.start);
        window.moments(self.frames).map(|moment| self.frame(moment)).collect()
    }

    /// The frame on display at `moment`.
    fn frame(&mut self, moment: u64) -> Result<Arc<RgbImage>, Fault> {
        while self.ahead.last().is_some_and(|next| *next <= moment) {
            let next = self.ahead.pop().unwrap_or(moment);
            let frame = self.read(next)?;
            self.held.insert(next, frame);
        }
        let held = self.held.get(&moment).map(Arc::clone);
        let missing = || Finding::new(Reason::Undecodable, format!("no frame at {moment} ms"));
        Ok(held.ok_or_else(missing)?)
    }

    /// Reads the next frame, which is that of `moment`.
    fn read(&mut self, moment: u64) -> Result<Arc<RgbImage>, Fault> {
        if let Some(mut running) = self.running.take() {
            match read_ppm(&mut running) {
                Ok(Some(image)) => {
                    let image = Arc::new(image);
                    (self.running, self.latest) = (Some(running), Some(Arc::clone(&image)));
                    return Ok(image);
                }
                Ok(None) => {
                    let said = running.finish()?;
                    self.heard = said.into();
                }
                Err(reason) => return Err(running.broken(reason).into()),
            }
        }
        // The last frame stays on display until the video ends.
        let shown = self.latest.as_ref().filter(|_| moment >= self.last).map(Arc::clone);
        let missing = || {
            let seconds = moment as f64 / 1e3;
            let complaints = &self.heard.complaints;
            let said = if complaints.is_empty() { "" } else { ": " };
            let detail = format!("no frame can be decoded at {seconds:.1} s{said}{complaints}");
            Finding::new(Reason::Undecodable, detail)
        };
        Ok(shown.ok_or_else(missing)?)
    }

    pub(crate) fn finish(self) -> Result<Heard, Fault> {
        match self.running {
            Some(running) => Ok(running.drain()?.into()),
            None => Ok(self.heard),
        }
    }
}

/// The longest time between two frames that are given, or from the last one to the video's `end`, in
/// seconds: FFmpeg decodes it without giving anything.
fn longest_gap(moments: &[u64], end: f64) -> f64 {
    let seconds = moments.iter().map(|moment| *moment as f64 / 1e3);
    let (mut before, mut longest) = (0.0, 0.0_f64);
    for moment in seconds.chain([end.clamp(0.0, 86_400.0)]) {
        longest = longest.max(moment - before);
        before = moment;
    }
    longest
}

/// A filter that makes pixels square and the short side at most `side`, and scales nothing up.
///
/// The flags choose the arithmetic that does not depend on the processor.
fn scale(side: u32) -> String {
    let factor = format!("min(1,{side}/min(iw*sar,ih))");
    format!(
        "scale=w='max(1,trunc(iw*sar*{factor}+0.5))':h='max(1,trunc(ih*{factor}+0.5))':\
         flags=bicubic+accurate_rnd+bitexact+full_chroma_int,setsar=1"
    )
}

/// Reads one picture in the format PPM; nothing at the end of the stream.
fn read_ppm(reader: &mut impl BufRead) -> Result<Option<RgbImage>, String> {
    let mut header = Vec::new();
    for _ in 0..3 {
        let line = reader.by_ref().take(32).read_until(b'\n', &mut header);
        line.map_err(|error| error.to_string())?;
    }
    if header.is_empty() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&header);
    let words: Vec<&str> = text.split_whitespace().collect();
    let ["P6", width, height, "255"] = words[..] else {
        return Err("FFmpeg's output is no picture".to_owned());
    };
    let sides = width.parse::<u32>().ok().zip(height.parse::<u32>().ok());
    let (width, height) = sides.ok_or("FFmpeg's output is no picture")?;
    let count = (width as usize).saturating_mul(height as usize);
    if count > MOST_PIXELS {
        return Err(format!("absurd dimensions {width} x {height}"));
    }
    let mut pixels = vec![0; count * 3];
    reader.read_exact(&mut pixels).map_err(|_| "FFmpeg's output ends within a picture")?;
    Ok(RgbImage::from_raw(width, height, pixels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_read_one_after_the_other() {
        let mut bytes: &[u8] = b"P6\n1 2\n255\n\x01\x02\x03\n\n\nP6\n1 1\n255\nabc";
        let first = read_ppm(&mut bytes).unwrap().unwrap();
        assert_eq!((first.dimensions(), first.as_raw()), ((1, 2), &vec![1, 2, 3, 10, 10, 10]));
        assert_eq!(read_ppm(&mut bytes).unwrap().unwrap().as_raw(), b"abc");
        assert_eq!(read_ppm(&mut bytes), Ok(None));
    }

    #[test]
    fn what_is_no_picture_is_refused_without_filling_the_memory() {
        let huge = b"P6\n100000 100000\n255\n".to_vec();
        for wrong in [&b"P6\n1 2\n255\nab"[..], b"P5\n1 1\n255\na", b"x", &huge, &[b'9'; 4_000]] {
            assert!(read_ppm(&mut &*wrong).is_err(), "{wrong:?}");
        }
    }
}
