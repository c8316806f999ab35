//! The sound of a file, window by window, on the file's clock; one channel at the file's own rate.

use std::io::{self, Read};
use std::path::Path;

use equiav_data::ffmpeg::Ffmpeg;
use equiav_data::ffmpeg::process::Running;
use equiav_data::ffmpeg::task::{Detail, Limits, Task};

use crate::Fault;
use crate::decode::damage::Heard;
use crate::decode::probe::{REINIT, SoundTrack};
use crate::decode::tracks::Tracks;
use crate::decode::windows::{Clock, Window};

/// Samples that are read at once.
const BLOCK: usize = 4_096;

/// What of which file is to be read.
pub(crate) struct Material<'a> {
    pub(crate) ffmpeg: &'a Ffmpeg,
    pub(crate) limits: Limits,
    pub(crate) file: &'a Path,
    pub(crate) tracks: Tracks,
    pub(crate) clock: Clock,
}

/// A decoder of one channel whose sample `n` is heard at `n / rate` seconds of the clock.
pub(crate) struct SoundStream {
    running: Running,
    rate: u32,
    /// Decoded samples that a window to come may want.
    samples: Vec<f32>,
    /// The position of the first of them.
    first: u64,
}

impl SoundStream {
    /// Starts to decode channel `channel` of the file.
    pub(crate) fn open(
        material: &Material<'_>,
        track: SoundTrack,
        channel: usize,
    ) -> Result<Self, Fault> {
        let (origin, rate) = (material.clock.origin, track.rate);
        // A stream that begins late, pauses or overlaps is filled and trimmed by its time stamps.
        let filters = format!(
            "asetpts=PTS-({origin:.9})/TB,pan=mono|c0=c{channel},\
             aresample={rate}:async=1:min_hard_comp=0.01:first_pts=0"
        );
        let map = material.tracks.sound();
        let output = ["-map", &map, "-af", &filters, "-c:a", "pcm_f32le", "-f", "f32le"];
        let output = output.map(str::to_owned).into();
        let Material { ffmpeg, limits, file, .. } = *material;
        let input = REINIT.map(str::to_owned).into();
        let running =
            Task { ffmpeg, limits, file, detail: Detail::Complaints, input, output }.start()?;
        Ok(Self { running, rate, samples: Vec::new(), first: 0 })
    }

    /// The samples of `window`, with silence where there are none; windows come in their order.
    pub(crate) fn window(&mut self, window: Window) -> Result<Vec<f32>, Fault> {
        let [from, to] = window.samples(self.rate);
        self.read_to(to)?;
        let skipped = usize::try_from(from - self.first).unwrap_or(usize::MAX);
        self.samples.drain(..skipped.min(self.samples.len()));
        self.first = from;
        let length = (to - from) as usize;
        let mut samples: Vec<f32> = self.samples.iter().take(length).copied().collect();
        samples.resize(length, 0.0);
        Ok(samples)
    }

    /// What FFmpeg complained of, after the rest was read.
    pub(crate) fn finish(self) -> Result<Heard, Fault> {
        Ok(self.running.drain()?.into())
    }

    /// Reads until sample `position` is there or the stream ends.
    fn read_to(&mut self, position: u64) -> Result<(), Fault> {
        let mut bytes = vec![0; BLOCK * 4];
        while self.first + (self.samples.len() as u64) < position {
            let read = fill(&mut self.running, &mut bytes);
            let read = read.map_err(|error| Fault::Machine(format!("FFmpeg's output: {error}")))?;
            let (samples, _) = bytes[..read].as_chunks::<4>();
            self.samples.extend(samples.iter().map(|sample| f32::from_le_bytes(*sample)));
            if read < bytes.len() {
                break;
            }
        }
        Ok(())
    }
}

/// Reads until `buffer` is full or the stream ends; how much that was.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
