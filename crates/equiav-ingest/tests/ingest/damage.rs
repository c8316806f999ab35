//! Damage in the middle of a file costs the clips that it touches, and no other.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use equiav_ingest::{IngestSettings, VideoReader};

use crate::media::{ffmpeg, make, report, run, samples};

/// Seconds of each video.
const SECONDS: usize = 20;

fn settings() -> IngestSettings {
    IngestSettings { window: 2.0, frames: 4, ..IngestSettings::default() }
}

/// A video with a picture that needs no other every second.
fn video(path: &Path, codecs: &str) {
    make(
        path,
        &format!(
            "-f lavfi -i testsrc2=s=160x120:r=10:d={SECONDS} -f lavfi -i sine=440:d={SECONDS} \
             -map 0:v -map 1:a {codecs} -g 10"
        ),
    );
}

/// The frames of every sample, by its key.
fn frames(shards: &Path) -> BTreeMap<String, Vec<Vec<u8>>> {
    let pictures = |members: BTreeMap<String, Vec<u8>>| {
        let pictures = members.into_iter().filter(|(suffix, _)| suffix.ends_with("jpg"));
        pictures.map(|(_, bytes)| bytes).collect()
    };
    samples(shards).into_iter().map(|(key, members)| (key, pictures(members))).collect()
}

/// Flips bits of some bytes from the middle of `bytes` on.
fn damage(bytes: &mut [u8]) {
    let middle = bytes.len() / 2;
    let mut dice = 5_u64;
    for _ in 0..30 {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes[middle + (dice >> 40) as usize % 3_000] ^= 1 << (dice >> 35 & 7);
    }
}

#[test]
fn the_rest_of_a_damaged_video_is_used_as_if_nothing_were() {
    for (name, codecs) in [
        ("a.mp4", "-c:v libx264 -c:a aac"),
        ("b.ts", "-c:v libx264 -c:a aac"),
        ("c.avi", "-c:v mpeg4 -q:v 3 -c:a mp2"),
        ("d.mkv", "-c:v mpeg4 -q:v 3 -c:a flac"),
    ] {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("in").join(name);
        video(&path, codecs);
        let (whole, out) = (home.path().join("whole"), home.path().join("out"));
        run(path.parent().expect("a folder"), &whole, &settings());
        let mut bytes = fs::read(&path).expect("a file");
        damage(&mut bytes);
        fs::write(&path, &bytes).expect("a file");
        let line = report(&run(path.parent().expect("a folder"), &out, &settings())).remove(0);
        let (whole, left) = (frames(&whole), frames(&out));
        assert_eq!(whole.len(), SECONDS / 2, "{name}");
        assert!((6..SECONDS / 2).contains(&left.len()), "{name}: {line}");
        for (key, pictures) in &left {
            assert!(whole[key] == *pictures, "{name}: {key} is not what it was: {line}");
        }
        let finding = &line["findings"][0];
        assert_eq!(finding["reason"], "damaged", "{line}");
        assert!(!finding["windows"].as_array().expect("a list").is_empty(), "{line}");
    }
}

#[test]
fn a_recording_that_begins_in_the_middle_loses_its_beginning_alone() {
    let home = tempfile::tempdir().expect("a folder");
    let path = home.path().join("in/a.ts");
    video(&path, "-c:v libx264 -c:a aac");
    let bytes = fs::read(&path).expect("a file");
    // Packets of a transport stream have 188 bytes; a third of the first ones is lost.
    let lost = bytes.len() / 188 / 3 * 188;
    fs::write(&path, &bytes[lost..]).expect("a file");
    let out = home.path().join("out");
    let line = report(&run(&home.path().join("in"), &out, &settings())).remove(0);
    assert!(line["clips"].as_u64().expect("a number") >= 5, "{line}");
}

#[test]
fn who_cuts_no_clips_is_told_where_the_damage_is() {
    let home = tempfile::tempdir().expect("a folder");
    let path = home.path().join("a.mp4");
    video(&path, "-c:v libx264 -c:a aac");
    let mut bytes = fs::read(&path).expect("a file");
    damage(&mut bytes);
    fs::write(&path, bytes).expect("a file");
    let ffmpeg = ffmpeg();
    let recording = VideoReader::open(&ffmpeg, &path).expect("a recording");
    let windows: Vec<[u64; 2]> =
        (0..SECONDS as u64).map(|n| [1_000 * n, 1_000 * n + 1_000]).collect();
    let mut count = 0;
    let mut take = |_| {
        count += 1;
        Ok(())
    };
    let seen = recording.frames(&windows, 100, &mut take).expect("frames");
    let (sound, heard) = recording.sound().expect("a sound");
    assert_eq!((count, sound.seconds().round() as usize), (SECONDS, SECONDS));
    let damaged = [seen, heard].concat();
    assert!(!damaged.is_empty());
    for [from, to] in damaged {
        assert!(from < to && (5_000..15_000).contains(&from) && to < 17_000, "{from} to {to} ms");
    }
}
