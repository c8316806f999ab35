//! Sound and picture of one moment come out at one moment, whatever the container did to them.

use std::path::Path;

use equiav_data::read_sound;
use equiav_ingest::IngestSettings;
use serde_json::Value;

use crate::media::{make, run, samples};

/// When the picture turns white and the tone begins, in seconds.
const EVENT: f64 = 2.32;
/// Frames a clip of a second has here.
const FRAMES: usize = 50;

/// A file of four seconds whose sound starts `late` seconds after its picture; `video` and `mux`
/// are further options.
fn event(path: &Path, late: f64, video: &str, mux: &str) {
    let (from, rest) = (EVENT - late, 4.0 - late);
    make(
        path,
        &format!(
            "-f lavfi -i color=black:s=64x48:r=25:d=4,drawbox=c=white:t=fill:enable='gte(t,{EVENT}-0.001)' \
             -f lavfi -i aevalsrc='if(gte(t,{from}),0.8*sin(2*PI*1000*t),0)':s=44100:d={rest} \
             -map 0:v {video} -filter:a asetpts=PTS+{late}/TB -map 1:a {mux}"
        ),
    );
}

/// Ingests the folder of `path` in clips of a second; when the event is heard and when it is seen.
fn heard_and_seen(path: &Path) -> (f64, f64) {
    let folder = path.parent().expect("a folder");
    let out = folder.with_extension("shards");
    let settings = IngestSettings {
        window: 1.0,
        frames: FRAMES,
        audio: equiav_ingest::AudioFormat::Wav,
        ..IngestSettings::default()
    };
    run(folder, &out, &settings);
    let (mut heard, mut seen) = (None, None);
    for members in samples(&out).values() {
        let facts: Value = serde_json::from_slice(&members["json"]).expect("JSON");
        let start = facts["start"].as_f64().expect("a time");
        let wav = out.join("sound.wav");
        std::fs::write(&wav, &members["wav"]).expect("a file");
        let sound = read_sound(&wav).expect("a sound");
        let onset = sound.samples.iter().position(|sample| sample.abs() > 0.4);
        heard = heard.or(onset.map(|onset| start + onset as f64 / 16_000.0));
        for frame in 0..FRAMES {
            let picture = image::load_from_memory(&members[&format!("{frame}.jpg")]);
            let pixel = picture.expect("a picture").to_rgb8().get_pixel(32, 24).0[0];
            let time = facts["frame_times"][frame].as_f64().expect("a time");
            seen = seen.or((pixel > 128).then_some(time));
        }
    }
    let report = std::fs::read_to_string(out.join("report.jsonl")).expect("a report");
    let event = heard.zip(seen);
    event.unwrap_or_else(|| panic!("heard {heard:?}, seen {seen:?}: {report}"))
}

/// The silent seconds before the event are dropped, so the first clip holds it.
#[track_caller]
fn check(path: &Path) {
    let (heard, seen) = heard_and_seen(path);
    let behind = seen - heard;
    // Frames are looked at every 20 ms, so the first white one is up to that much behind.
    assert!((-0.010..=0.030).contains(&behind), "{}: heard {heard}, seen {seen}", path.display());
}

#[test]
fn a_sound_that_starts_late_stays_with_its_picture() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, codecs) in [
        ("a.mp4", "-c:v mpeg4 -c:a aac"),
        ("b.mkv", "-c:v mpeg4 -c:a libvorbis"),
        ("c.webm", "-c:v libvpx -c:a libopus"),
        ("d.mov", "-c:v mpeg4 -c:a pcm_s16le"),
        // Formats whose time stamps may jump: FFmpeg shifts them by the streams it is asked for.
        ("e.mpg", "-c:v mpeg2video -c:a mp2"),
        ("f.ogv", "-c:v libtheora -c:a libvorbis"),
    ] {
        let path = folder.path().join(name.replace('.', "_")).join(name);
        event(&path, 0.5, "", codecs);
        check(&path);
    }
}

#[test]
fn negative_time_stamps_are_one_clock_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("in/a.mkv");
    let mux = "-c:v mpeg4 -c:a pcm_s16le -avoid_negative_ts disabled -output_ts_offset -0.7";
    event(&path, 0.5, "", mux);
    check(&path);
    let report = std::fs::read_to_string(folder.path().join("in.shards/report.jsonl"));
    assert!(report.expect("a report").contains("negative-time-stamps"));
}

#[test]
fn frames_at_changing_intervals_are_picked_by_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("in/a.mkv");
    // From the third second on one frame in twelve, the first white one among them.
    let video = "-filter:v select='lt(t,1)+not(mod(n-58,12))' -fps_mode vfr";
    event(&path, 0.0, video, "-c:v mpeg4 -c:a pcm_s16le");
    check(&path);
    let report = std::fs::read_to_string(folder.path().join("in.shards/report.jsonl"));
    assert!(report.expect("a report").contains("variable-frame-rate"));
}
