//! The middle of a video: what a model hears and sees at once.

use std::path::Path;

use anyhow::anyhow;
use equiav_augment::Image;
use equiav_data::{Filterbank, FrontEnd, Waveform};
use equiav_ingest::Recording;

use super::views::{SHORT_SIDE, find_ffmpeg, within_length};

/// The frame in the middle of `video`, and the sound around it, as long as `front_end` hears at once.
///
/// # Errors
///
/// If there is no FFmpeg, or `video` is missing, cannot be decoded, is longer than an hour, or lacks sound or
/// picture.
pub fn middle(video: &Path, front_end: &FrontEnd) -> anyhow::Result<(Waveform, Image)> {
    read(video, front_end).map_err(|reason| anyhow!("{}: {reason}", video.display()))
}

fn read(video: &Path, front_end: &FrontEnd) -> Result<(Waveform, Image), String> {
    if !video.exists() {
        return Err("no such file".to_owned());
    }
    let ffmpeg = find_ffmpeg()?;
    let recording = Recording::open(&ffmpeg, video).map_err(|why| why.to_string())?;
    within_length(recording.sound_seconds().unwrap_or(0.0))?;
    let Waveform { samples, rate } = recording.sound().map_err(|why| why.to_string())?;
    let seconds = recording.picture_seconds().unwrap_or(0.0);

    let heard = Filterbank::new(rate, front_end.mels).samples(front_end.frames);
    let center = (seconds / 2.0 * f64::from(rate)) as usize;
    let from = center.saturating_sub(heard / 2).min(samples.len().saturating_sub(heard));
    let around = samples[from..samples.len().min(from + heard)].to_vec();

    let mut picture = None;
    let mut take = |frame| {
        picture = Some(frame);
        Ok(())
    };
    let whole = [0, (seconds * 1e3).round() as u64];
    let short_side = SHORT_SIDE.max(front_end.image) as u32;
    recording.frames(&[whole], short_side, &mut take).map_err(|why| why.to_string())?;
    Ok((Waveform { samples: around, rate }, picture.ok_or("no frame")?))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use equiav_augment::Profile;

    use super::*;

    #[test]
    fn it_is_the_frame_in_the_middle_and_the_sound_around_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tone-with-blue.mkv");
        // From 1.5 to 2.5 s of 4 s blue with a tone, else red and silent.
        let arguments = "-nostdin -v error -f lavfi -i color=red:s=64x48:r=10:d=4 \
                         -f lavfi -i sine=440:d=4:r=8000 -filter_complex \
                         [0]drawbox=c=blue:t=fill:enable='between(t,1.5,2.5)'[v];\
                         [1]volume=0:enable='not(between(t,1.5,2.5))'[a] \
                         -map [v] -map [a] -c:v mpeg4 -q:v 2 -c:a pcm_s16le";
        let ffmpeg = find_ffmpeg().expect("FFmpeg: `cargo xtask ffmpeg` fetches one");
        let mut make = Command::new(ffmpeg.program);
        let made = make.args(arguments.split_whitespace()).arg(&path).output();
        let made = made.expect("FFmpeg runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let front_end = FrontEnd {
            sample_rate: Some(16_000),
            frames: 50,
            mels: 16,
            mean: 0.0,
            std: 1.0,
            image: 32,
            profile: Profile::Corrected,
            window: None,
        };
        let (sound, picture) = middle(&path, &front_end).expect("the middle");
        assert_eq!((sound.rate, sound.samples.len()), (8_000, 200 + 49 * 80));
        let loud = |part: &[f32]| part.iter().any(|sample| sample.abs() > 0.05);
        assert!(sound.samples.chunks(80).all(loud), "the tone, from one end to the other");
        let [red, blue] = [0, 2].map(|color| picture.as_slice()[color]);
        assert!(blue > 200 && red < 50, "{red}, {blue}");
        let none = middle(&folder.path().join("none.mkv"), &front_end).expect_err("missing");
        assert!(none.to_string().ends_with("none.mkv: no such file"), "{none}");
    }
}
