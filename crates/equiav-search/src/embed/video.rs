//! The moments of a video: each is a frame and as much of the sound around it as a model hears at once.

use std::path::Path;

use anyhow::{Context, anyhow};
use equiav_augment::Image;
use equiav_data::ffmpeg::Ffmpeg;
use equiav_frontend::{Filterbank, FrontEnd, Waveform};
use equiav_ingest::VideoReader;

use super::views::{short_side, within_length};

/// A video with sound and picture, the sound in memory.
#[derive(Debug)]
pub struct Video<'a> {
    path: &'a Path,
    recording: VideoReader<'a>,
    /// As long as the picture at least: behind its own end it is silent.
    sound: Waveform,
    /// Samples that the model hears at once.
    heard: usize,
    /// When the last frame ends, in milliseconds.
    end: u64,
    short_side: u32,
}

/// A frame, and the sound around it.
#[derive(Debug)]
pub struct Moment {
    /// Where the video is shorter than what the model hears, the whole of it.
    pub sound: Waveform,
    /// The frame on display.
    pub picture: Image,
}

/// Gets moments, one after another.
type Take<'a> = dyn FnMut(Moment) -> anyhow::Result<()> + 'a;

impl<'a> Video<'a> {
    /// Opens the video at `path` for a model of `front_end`.
    ///
    /// # Errors
    ///
    /// If `path` is missing, cannot be decoded, is longer than an hour, or lacks sound or picture.
    pub fn open(ffmpeg: &'a Ffmpeg, path: &'a Path, front_end: &FrontEnd) -> anyhow::Result<Self> {
        let opened = || {
            if !path.exists() {
                return Err("no such file".to_owned());
            }
            let recording = VideoReader::open(ffmpeg, path).map_err(|why| why.to_string())?;
            within_length(recording.sound_seconds().unwrap_or(0.0))?;
            let seconds = recording.picture_seconds().ok_or("it has no picture")?;
            within_length(seconds)?;
            // Damage is heard and seen in its place, and takes nothing from the rest.
            let (mut sound, _) = recording.sound().map_err(|why| why.to_string())?;
            // A single frame may have no duration.
            let end = ((seconds * 1e3).round() as u64).max(1);
            let length = samples(end, sound.rate).max(sound.samples.len());
            sound.samples.resize(length, 0.0);
            let heard = Filterbank::new(sound.rate, front_end.mels).samples(front_end.frames);
            let short_side = short_side(front_end.image);
            Ok(Self { path, recording, sound, heard, end, short_side })
        };
        opened().map_err(|why| anyhow!("{}: {why}", path.display()))
    }

    /// The one channel that is heard, from the beginning to the last frame's end; silent where it has none.
    pub fn soundtrack(&self) -> Waveform {
        let Waveform { samples: all, rate } = &self.sound;
        Waveform { samples: all[..samples(self.end, *rate)].to_vec(), rate: *rate }
    }

    /// How many moments of `step` milliseconds there are.
    pub fn count(&self, step: u64) -> usize {
        self.end.div_ceil(step.max(1)) as usize
    }

    /// The moment in the middle.
    ///
    /// # Errors
    ///
    /// If the picture cannot be decoded.
    pub fn middle(&self) -> anyhow::Result<Moment> {
        let mut middle = None;
        self.moments(self.end, &mut |moment| {
            middle = Some(moment);
            Ok(())
        })?;
        middle.with_context(|| format!("{}: no frame", self.path.display()))
    }

    /// Gives `take` the moment in the middle of each `step` milliseconds, from first to last.
    ///
    /// # Errors
    ///
    /// If a picture cannot be decoded, or `take` fails.
    pub fn moments(&self, step: u64, take: &mut Take<'_>) -> anyhow::Result<()> {
        let step = step.max(1);
        let windows = (0..self.end).step_by(step as usize);
        let windows: Vec<[u64; 2]> =
            windows.map(|start| [start, self.end.min(start + step)]).collect();
        let (mut middles, mut failed) = (windows.iter().map(|[from, to]| (from + to) / 2), None);
        let mut give = |picture| {
            let sound = self.around(middles.next().unwrap_or(self.end));
            take(Moment { sound, picture }).map_err(|why| {
                let reason = why.to_string();
                failed = Some(why);
                reason
            })
        };
        match (self.recording.frames(&windows, self.short_side, &mut give), failed) {
            (_, Some(why)) => Err(why),
            (Err(why), None) => Err(anyhow!("{}: {why}", self.path.display())),
            (Ok(_), None) => Ok(()),
        }
    }

    /// The sound around `middle`, in milliseconds; at both ends it is as long as elsewhere.
    fn around(&self, middle: u64) -> Waveform {
        let Waveform { samples: all, rate } = &self.sound;
        let last = all.len().saturating_sub(self.heard);
        let from = samples(middle, *rate).saturating_sub(self.heard / 2).min(last);
        let to = all.len().min(from + self.heard);
        Waveform { samples: all[from..to].to_vec(), rate: *rate }
    }
}

/// So many of `rate` Hz are heard in these `milliseconds`.
fn samples(milliseconds: u64, rate: u32) -> usize {
    (milliseconds * u64::from(rate) / 1_000) as usize
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use equiav_augment::Profile;

    use super::*;
    use crate::embed::find_ffmpeg;

    /// From 1.5 to 2.5 s of 4 s blue with a tone, else red and silent; the sound lasts for `seconds`.
    fn made(ffmpeg: &Ffmpeg, path: &Path, seconds: f64) {
        let arguments = format!(
            "-nostdin -y -v error -f lavfi -i color=red:s=64x48:r=10:d=4 -f lavfi \
             -i aevalsrc='0.5*sin(2764*t)*between(t,1.5,2.5)':d={seconds}:s=8000 \
             -vf drawbox=c=blue:t=fill:enable='between(t,1.5,2.45)' \
             -c:v mpeg4 -q:v 2 -c:a pcm_s16le"
        );
        let mut make = Command::new(&ffmpeg.program);
        let made = make.args(arguments.split_whitespace()).arg(path).output();
        let made = made.expect("FFmpeg runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    fn front_end() -> FrontEnd {
        FrontEnd {
            sample_rate: Some(16_000),
            frames: 50,
            mels: 16,
            mean: 0.0,
            std: 1.0,
            image: 32,
            profile: Profile::Corrected,
            window: None,
        }
    }

    fn is_blue(picture: &Image) -> bool {
        let [red, blue] = [0, 2].map(|color| picture.as_slice()[color]);
        assert!(blue > 200 && red < 50 || red > 200 && blue < 50, "{red}, {blue}");
        blue > red
    }

    #[test]
    fn each_moment_is_a_frame_and_the_sound_around_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tone-with-blue.mkv");
        let ffmpeg = find_ffmpeg().expect("FFmpeg: `cargo xtask ffmpeg` fetches one");
        made(&ffmpeg, &path, 4.0);
        let video = Video::open(&ffmpeg, &path, &front_end()).expect("a video");
        let heard = 200 + 49 * 80;
        let loud = |part: &[f32]| part.iter().any(|sample| sample.abs() > 0.05);
        let Moment { sound, picture } = video.middle().expect("the middle");
        assert_eq!((sound.rate, sound.samples.len()), (8_000, heard));
        assert!(sound.samples.chunks(80).all(loud), "the tone, from one end to the other");
        assert!(is_blue(&picture));

        let mut seen = Vec::new();
        let mut take = |Moment { sound, picture }: Moment| {
            assert_eq!(sound.samples.len(), heard, "as long at both ends");
            let share = sound.samples.chunks(80).filter(|part| loud(part)).count() * 80;
            seen.push((is_blue(&picture), share as f64 / heard as f64));
            Ok(())
        };
        video.moments(300, &mut take).expect("all moments");
        // Their middles are 0.15, 0.45, .. 3.75 s, and 3.95 s of the last, which is cut short.
        let blue: Vec<bool> = seen.iter().map(|(blue, _)| *blue).collect();
        let expected: Vec<bool> = (0..14).map(|n| (5..=7).contains(&n)).collect();
        assert_eq!(blue, expected);
        // Heard are 515 ms about them, and the tone in the middle second alone.
        for (number, share) in [(3, 0.0), (4, 0.209), (6, 1.0), (8, 0.403), (9, 0.0), (13, 0.0)] {
            assert!((seen[number].1 - share).abs() < 0.03, "{number}: {seen:?}");
        }

        assert_eq!(video.soundtrack().samples.len(), 32_000);
        let stopped = video.moments(300, &mut |_| anyhow::bail!("enough"));
        assert_eq!(stopped.expect_err("stopped").to_string(), "enough");

        // Behind the end of a shorter sound there is silence, and not the sound again.
        made(&ffmpeg, &path, 2.0);
        let video = Video::open(&ffmpeg, &path, &front_end()).expect("a video");
        let mut heard_loud = Vec::new();
        let mut take = |Moment { sound, .. }: Moment| {
            heard_loud.push(loud(&sound.samples));
            Ok(())
        };
        video.moments(1_000, &mut take).expect("all moments");
        assert_eq!(heard_loud, [false, true, false, false]);
        assert_eq!(video.soundtrack().samples.len(), 32_000);

        let missing = folder.path().join("none.mkv");
        let none = Video::open(&ffmpeg, &missing, &front_end()).expect_err("missing");
        assert!(none.to_string().ends_with("none.mkv: no such file"), "{none}");
    }
}
