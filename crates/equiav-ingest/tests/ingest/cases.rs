//! Files on which the program was wrong once, each with what is right.

use std::fs;
use std::path::{Path, PathBuf};

use equiav_augment::Image;
use equiav_ingest::{IngestSettings, VideoReader};
use image::RgbImage;

use crate::media::{ffmpeg, make, moving, report, run, samples};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/cases").join(name)
}

/// A folder `in` with copies of these fixtures, below `home`.
fn copies(home: &Path, names: &[&str]) -> PathBuf {
    let folder = home.join("in");
    fs::create_dir_all(&folder).expect("a folder");
    for name in names {
        let path = fixture(name);
        fs::copy(&path, folder.join(path.file_name().expect("a name"))).expect("a copy");
    }
    folder
}

fn settings(frames: usize) -> IngestSettings {
    IngestSettings { window: 2.0, frames, ..IngestSettings::default() }
}

/// The first frame of every clip, in their order.
fn pictures(shards: &Path) -> Vec<RgbImage> {
    let picture = |bytes: &[u8]| image::load_from_memory(bytes).expect("a picture").to_rgb8();
    samples(shards).values().map(|members| picture(&members["0.jpg"])).collect()
}

/// Which of red, green and blue is strongest in the middle.
fn strongest(picture: &RgbImage) -> usize {
    let pixel = picture.get_pixel(picture.width() / 2, picture.height() / 2).0;
    (0..3).max_by_key(|channel| pixel[*channel]).expect("three")
}

#[test]
fn frames_keep_their_times_where_the_size_changes() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = copies(home.path(), &["19-size-changes/changes.webm"]);
    for (out, frames) in [("one", 1), ("three", 3)] {
        let out = home.path().join(out);
        let made = run(&folder, &out, &settings(frames));
        let colors: Vec<usize> = pictures(&out).iter().map(strongest).collect();
        assert_eq!(colors, [0, 0, 2, 2, 1, 1], "{:?}", report(&made));
    }
}

#[test]
fn a_sound_that_changes_is_refused_by_that_name() {
    let home = tempfile::tempdir().expect("a folder");
    let parts = [("a.ts", "-c:a mp2 -ac 1 -ar 44100", 0), ("b.ts", "-c:a mp2 -ac 2 -ar 48000", 3)];
    let parts = parts.map(|(name, codec, start)| {
        let path = home.path().join(name);
        moving(&path, 3.0, &format!("-c:v mpeg2video -r 25 {codec} -output_ts_offset {start}"));
        fs::read(path).expect("a file")
    });
    let folder = copies(home.path(), &[]);
    fs::write(folder.join("a.ts"), parts.concat()).expect("a file");
    let line = report(&run(&folder, &home.path().join("out"), &settings(2))).remove(0);
    assert_eq!(line["findings"][0]["reason"], "format-change", "{line}");
}

#[test]
fn ffmpeg_is_asked_and_not_the_ending() {
    let home = tempfile::tempdir().expect("a folder");
    let names = ["21-endings/b.ts", "21-endings/c.3gp", "21-endings/g.aac"];
    let folder = copies(home.path(), &names);
    fs::copy(folder.join("c.3gp"), folder.join("d.unknown")).expect("a copy");
    fs::copy(folder.join("c.3gp"), folder.join("e")).expect("a copy");
    for (name, codecs) in [
        ("f.m2ts", "-c:v mpeg2video -r 25 -c:a mp2"),
        ("g.flv", "-c:v flv1 -c:a libmp3lame"),
        ("h.wmv", "-c:v wmv2 -c:a wmav2"),
        ("i.vob", "-c:v mpeg2video -r 25 -c:a mp2 -f vob"),
    ] {
        moving(&folder.join(name), 6.0, codecs);
    }
    let line = |name: &str, clips: u64| (name.to_owned(), clips);
    let out = home.path().join("out");
    let lines = report(&run(&folder, &out, &settings(2)));
    let found: Vec<_> = lines
        .iter()
        .map(|one| {
            line(one["file"].as_str().expect("a name"), one["clips"].as_u64().expect("clips"))
        })
        .collect();
    let videos = ["b.ts", "c.3gp", "d.unknown", "e", "f.m2ts"].map(|name| line(name, 3)).to_vec();
    let rest = [line("g.aac", 0), line("g.flv", 3), line("h.wmv", 3), line("i.vob", 3)];
    assert_eq!(found, [videos, rest.to_vec()].concat(), "{lines:#?}");

    let aiff = folder.join("j.aiff");
    make(&aiff, "-f lavfi -i sine=440:d=6");
    let ffmpeg = ffmpeg();
    for path in [folder.join("g.aac"), aiff] {
        let recording = VideoReader::open(&ffmpeg, &path).expect("a sound");
        assert!(recording.picture_seconds().is_none());
        let (sound, damaged) = recording.sound().expect("a sound");
        assert!((sound.seconds() - 6.0).abs() < 0.1 && damaged.is_empty(), "{} s", sound.seconds());
    }
}

#[test]
fn the_default_track_is_taken() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = copies(home.path(), &[]);
    for name in ["a.mkv", "b.mp4"] {
        make(
            &folder.join(name),
            "-f lavfi -i color=red:s=64x48:r=10:d=2 -f lavfi -i color=blue:s=64x48:r=10:d=2 \
             -f lavfi -i aevalsrc=0:d=2 -f lavfi -i sine=880:d=2 -map 0 -map 1 -map 2 -map 3 \
             -c:v mpeg4 -c:a aac -disposition:v:0 0 -disposition:v:1 default -disposition:a:0 0 \
             -disposition:a:1 default",
        );
    }
    let out = home.path().join("out");
    let made = run(&folder, &out, &settings(1));
    // The first sound is silent, and would leave no clip.
    let colors: Vec<usize> = pictures(&out).iter().map(strongest).collect();
    assert_eq!(colors, [2, 2], "{:?}", report(&made));
}

#[test]
fn a_video_on_its_side_stands_upright() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = copies(home.path(), &["15-exif-orientation/turned-by-tag.mp4"]);
    let out = home.path().join("out");
    run(&folder, &out, &IngestSettings { window: 1.0, ..settings(1) });
    let shown = pictures(&out).remove(0);
    let right = image::open(fixture("15-exif-orientation/ref.png")).expect("a picture").to_rgb8();
    assert_eq!(shown.dimensions(), right.dimensions());
    let levels = shown.as_raw().iter().zip(right.as_raw());
    let difference: u64 = levels.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    let mean = difference as f64 / shown.as_raw().len() as f64;
    assert!(mean < 12.0, "{mean} levels off");
    let ffmpeg = ffmpeg();
    let path = folder.join("turned-by-tag.mp4");
    let recording = VideoReader::open(&ffmpeg, &path).expect("a recording");
    let mut take = |frame: Image| {
        assert_eq!((frame.width(), frame.height()), (160, 120));
        Ok(())
    };
    recording.frames(&[[0, 1_000]], 360, &mut take).expect("a frame");
}
