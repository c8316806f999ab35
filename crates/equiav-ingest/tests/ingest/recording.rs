//! A recording's sound and frames on one clock, against what FFmpeg's generators or a film put in.

use std::fs;

use equiav_frontend::Waveform;
use equiav_ingest::{Fault, Reason, VideoReader, VideoWriter};
use image::{Rgb, RgbImage};

use crate::media::{ffmpeg, make, moving};

/// The mean red, green and blue of the frames in the middle of `windows`.
fn colors(recording: &VideoReader<'_>, windows: &[[u64; 2]]) -> Vec<[f64; 3]> {
    let mut colors = Vec::new();
    let take = &mut |image: equiav_augment::Image| {
        let count = image.as_slice().len() as f64 / 3.0;
        let mut sums = [0.0; 3];
        for pixel in image.as_slice().chunks(3) {
            pixel.iter().zip(&mut sums).for_each(|(level, sum)| *sum += f64::from(*level) / count);
        }
        colors.push(sums);
        Ok(())
    };
    recording.frames(windows, 32, take).expect("frames");
    colors
}

#[test]
fn frames_are_those_of_their_moments_and_sound_is_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("red-then-blue.mkv");
    // Red for 1.5 s, then blue; the sound begins half a second late.
    make(
        &path,
        "-f lavfi -i color=red:s=64x48:r=10:d=1.5 -f lavfi -i color=blue:s=64x48:r=10:d=1.5 \
         -f lavfi -i sine=440:d=2.5:r=8000 -filter_complex [0][1]concat[v];[2]asetpts=PTS+0.5/TB[a] \
         -map [v] -map [a] -c:v mpeg4 -q:v 2 -c:a pcm_s16le",
    );
    let ffmpeg = ffmpeg();
    let recording = VideoReader::open(&ffmpeg, &path).expect("a recording");
    // One after another, and a last one that ends with the file.
    let windows = [[0, 800], [800, 1_600], [1_600, 2_400], [2_200, 3_000]];
    let colors = colors(&recording, &windows);
    let dominant: Vec<bool> = colors.iter().map(|[red, _, blue]| red > blue).collect();
    assert_eq!(dominant, [true, true, false, false], "{colors:?}");
    assert!((recording.picture_seconds().expect("a picture") - 3.0).abs() < 0.11);
    let (sound, _) = recording.sound().expect("a sound");
    assert!((sound.seconds() - 3.0).abs() < 0.05, "{} s", sound.seconds());
    let peak = |from: f64, to: f64| {
        let at = |seconds: f64| (seconds * f64::from(sound.rate)) as usize;
        sound.samples[at(from)..at(to)].iter().fold(0.0_f32, |peak, x| peak.max(x.abs()))
    };
    assert!(peak(0.0, 0.45) < 1e-3 && peak(0.6, 2.9) > 0.05, "silent until it begins");
}

#[test]
fn what_is_missing_or_damaged_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let ffmpeg = ffmpeg();
    let silent = folder.path().join("silent.mkv");
    make(&silent, "-f lavfi -i testsrc2=s=64x48:r=10:d=1 -c:v mpeg4");
    let recording = VideoReader::open(&ffmpeg, &silent).expect("a recording");
    assert_eq!(recording.sound_seconds(), None);
    let fault = recording.sound().expect_err("no sound");
    assert!(matches!(fault, Fault::Finding(finding) if finding.reason == Reason::NoAudio));
    let refusing = &mut |_| Err("not now".to_owned());
    let finding = recording.frames(&[[0, 1_000]], 32, refusing).expect_err("it was refused");
    assert!(finding.to_string().contains("not now"), "{finding}");

    let broken = folder.path().join("broken.mp4");
    moving(&broken, 2.0, "-c:v mpeg4 -c:a aac");
    let bytes = fs::read(&broken).expect("a video");
    fs::write(&broken, &bytes[..bytes.len() / 2]).expect("half a video");
    let found = VideoReader::open(&ffmpeg, &broken).map(|_| ());
    assert!(found.is_err_and(|fault| !fault.to_string().is_empty()));
}

#[test]
fn a_film_is_read_back_as_it_was_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let ffmpeg = ffmpeg();
    // Ten frames of 0.2 s with odd sides: red, then blue, when a tone begins, the last two green.
    let rate = 16_000;
    let tone = |n: usize| if n < rate { 0.0 } else { 0.5 * (n as f32 * 0.2).sin() };
    let sound = Waveform { samples: (0..2 * rate).map(tone).collect(), rate: rate as u32 };
    let write = |name: &str| {
        let out = folder.path().join(name);
        let mut film = VideoWriter::create(&ffmpeg, &out, [65, 49], 200, &sound).expect("a film");
        for number in 0..10 {
            let color = match number {
                0..5 => [220, 20, 20],
                5..8 => [20, 20, 220],
                _ => [20, 220, 20],
            };
            film.add(&RgbImage::from_pixel(65, 49, Rgb(color))).expect("a frame");
        }
        film.finish().expect("a film");
        out
    };
    let [first, second] = ["first.mp4", "second.mp4"].map(write);
    assert_eq!(fs::read(&first).expect("a film"), fs::read(&second).expect("a film"));
    let left: Vec<_> = fs::read_dir(folder.path()).expect("a folder").collect();
    assert_eq!(left.len(), 2, "nothing else is left: {left:?}");

    let recording = VideoReader::open(&ffmpeg, &first).expect("a recording");
    assert_eq!(recording.picture_seconds().map(|seconds| (seconds * 100.0).round()), Some(200.0));
    let windows = [[0, 400], [800, 900], [1_100, 1_200], [1_600, 2_000]];
    let [red, green, blue] = [[220.0, 20.0, 20.0], [20.0, 220.0, 20.0], [20.0, 20.0, 220.0]];
    for (color, expected) in colors(&recording, &windows).iter().zip([red, red, blue, green]) {
        let near =
            color.iter().zip(expected).all(|(level, expected)| (level - expected).abs() < 12.0);
        assert!(near, "{color:?} for {expected:?}");
    }
    let (heard, _) = recording.sound().expect("a sound");
    assert_eq!(heard.rate, 16_000);
    let loud: Vec<bool> =
        heard.samples.chunks(1_600).map(|part| part.iter().any(|x| x.abs() > 0.2)).collect();
    // AAC works in blocks of 64 ms.
    assert!(!loud[..9].contains(&true) && !loud[11..20].contains(&false), "{loud:?}");
}
