//! What goes in, what comes out, and what is said about it.

use equiav_data::read_sound;
use equiav_ingest::{Action, IngestSettings, Reason, SourceKind, find_sources, ingest, page, scan};
use serde_json::{Value, json};

use crate::media::{ffmpeg, files, make, moving, report, run, samples};

fn seconds(window: f64) -> IngestSettings {
    IngestSettings { window, frames: 4, ..IngestSettings::default() }
}

/// A folder with one file of every kind and fault.
fn zoo() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    moving(&path("a/two.mp4"), 4.6, "-c:v libx264 -c:a aac");
    std::fs::copy(path("a/two.mp4"), path("b copy.mp4")).expect("a copy");
    make(&path("c mute.mkv"), "-f lavfi -i testsrc2=s=64x48:r=10:d=3 -c:v mpeg4");
    make(&path("d heard.webm"), "-f lavfi -i sine=440:d=3 -c:a libopus");
    let silent = "-f lavfi -i testsrc2=s=64x48:r=10:d=2 -f lavfi -i aevalsrc=0:d=2";
    make(&path("e silent.avi"), &format!("{silent} -c:v mpeg4 -c:a mp2"));
    let still = "-f lavfi -i color=red:s=64x48:r=10:d=2 -f lavfi -i sine=440:d=2";
    make(&path("f still.mov"), &format!("{still} -c:v mpeg4 -c:a pcm_s16le"));
    moving(&path("g short.ogv"), 0.7, "-c:v libtheora -c:a libvorbis");
    make(&path("h pair.png"), "-f lavfi -i testsrc2=s=64x900:r=1:d=1 -frames:v 1");
    make(&path("h pair.opus"), "-f lavfi -i sine=440:d=2 -c:a libopus");
    std::fs::write(path("i notes.txt"), "not a medium").expect("a file");
    folder
}

#[test]
fn every_file_is_named_once_with_what_became_of_it() {
    let folder = zoo();
    let out = tempfile::tempdir().expect("a folder");
    let ingested = run(folder.path(), out.path(), &seconds(2.0));
    let became = |line: &Value| {
        let findings = line["findings"].as_array().expect("a list");
        let reasons: Vec<&str> = findings.iter().map(|f| f["reason"].as_str().unwrap()).collect();
        (line["file"].as_str().unwrap().to_owned(), line["clips"].as_u64().unwrap(), reasons.join())
    };
    let lines = report(&ingested);
    let became: Vec<_> = lines.iter().map(became).collect();
    let expect = |file: &str, clips, reasons: &str| (file.to_owned(), clips, reasons.to_owned());
    assert_eq!(
        became,
        [
            expect("a/two.mp4", 2, ""),
            expect("b copy.mp4", 0, "duplicate"),
            expect("c mute.mkv", 0, "no-audio"),
            expect("d heard.webm", 0, "no-video"),
            expect("e silent.avi", 0, "silent"),
            expect("f still.mov", 1, "still"),
            expect("g short.ogv", 0, "too-short"),
            expect("h pair.png", 1, ""),
            expect("i notes.txt", 0, "not-media"),
        ]
    );
    assert_eq!((ingested.summary.files, ingested.summary.used, ingested.summary.clips), (9, 3, 4));
    assert_eq!(lines[7]["sound"], "h pair.opus");
    let keys: Vec<_> = samples(out.path()).into_keys().collect();
    let two = ["a/two_mp4-00000", "a/two_mp4-00001"];
    assert_eq!(keys, [two[0], two[1], "f%20still_mov-00000", "h%20pair_png-00000"]);
}

trait Join {
    fn join(&self) -> String;
}

impl Join for Vec<&str> {
    fn join(&self) -> String {
        self.as_slice().join(" ")
    }
}

#[test]
fn a_clip_holds_its_sound_its_frames_and_where_it_was_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    moving(&folder.path().join("in/a.mp4"), 3.4, "-c:v libx264 -c:a aac -ar 44100");
    let out = folder.path().join("out");
    run(&folder.path().join("in"), &out, &seconds(2.0));
    let samples = samples(&out);
    for (key, length, times) in [
        ("a_mp4-00000", 32_000, json!([0.25, 0.75, 1.25, 1.75])),
        ("a_mp4-00001", 22_400, json!([2.175, 2.525, 2.875, 3.225])),
    ] {
        let members = &samples[key];
        let facts: Value = serde_json::from_slice(&members["json"]).expect("JSON");
        assert_eq!((&facts["source"], &facts["frame_times"]), (&json!("a.mp4"), &times), "{key}");
        let flac = folder.path().join("sound.flac");
        std::fs::write(&flac, &members["flac"]).expect("a file");
        let sound = read_sound(&flac).expect("a sound");
        assert_eq!(sound.rate, 16_000);
        assert_eq!(sound.samples.len(), length, "{key}");
        let picture = image::load_from_memory(&members["3.jpg"]).expect("a picture");
        assert_eq!((picture.width(), picture.height()), (64, 48), "no frame is scaled up");
    }
}

#[test]
fn a_channel_is_chosen_and_a_missing_one_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let tones = "aevalsrc=0.8*sin(2*PI*300*t)|0.8*sin(2*PI*1200*t):c=stereo:d=2";
    let input = format!("-f lavfi -i testsrc2=s=64x48:r=10:d=2 -f lavfi -i {tones}");
    make(&folder.path().join("in/a.mov"), &format!("{input} -c:v mpeg4 -c:a pcm_s16le"));
    let crossings = |channel: usize| {
        let out = folder.path().join(format!("out{channel}"));
        run(&folder.path().join("in"), &out, &IngestSettings { channel, ..seconds(2.0) });
        let flac = folder.path().join("sound.flac");
        std::fs::write(&flac, &samples(&out)["a_mov-00000"]["flac"]).expect("a file");
        let samples = read_sound(&flac).expect("a sound").samples;
        samples.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count()
    };
    // Two seconds of 300 Hz and of 1200 Hz, less one at an end.
    assert!((599..=600).contains(&crossings(0)), "the first channel");
    assert!((2_399..=2_400).contains(&crossings(1)), "the second channel");
    let out = folder.path().join("out2");
    let ingested =
        run(&folder.path().join("in"), &out, &IngestSettings { channel: 2, ..seconds(2.0) });
    let finding = &report(&ingested)[0]["findings"][0];
    assert!(finding["detail"].as_str().unwrap().contains("no channel 2"), "{finding}");
}

#[test]
fn large_frames_are_scaled_and_pixels_made_square() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = "-f lavfi -i testsrc2=s=640x480:r=5:d=2,setsar=2/1 -f lavfi -i sine=440:d=2";
    make(&folder.path().join("in/a.mp4"), &format!("{input} -c:v mpeg4 -c:a aac"));
    let out = folder.path().join("out");
    run(&folder.path().join("in"), &out, &IngestSettings { short_side: 120, ..seconds(2.0) });
    let picture = image::load_from_memory(&samples(&out)["a_mp4-00000"]["0.jpg"]).unwrap();
    assert_eq!((picture.width(), picture.height()), (320, 120));
}

#[test]
fn threads_and_a_second_run_change_no_byte() {
    let folder = zoo();
    let outs = [1, 3].map(|workers| {
        let out = tempfile::tempdir().expect("a folder");
        let settings = IngestSettings {
            workers,
            files_per_shard: 2,
            stride: Some(1.0),
            window: 2.0,
            ..seconds(2.0)
        };
        let first = run(folder.path(), out.path(), &settings);
        assert_eq!((first.shards, first.skipped), (5, 0));
        let before = files(out.path());
        let second = run(folder.path(), out.path(), &settings);
        assert_eq!((second.shards, second.skipped), (5, 5));
        assert_eq!(before, files(out.path()));
        before
    });
    assert_eq!(outs[0], outs[1]);
}

#[test]
fn a_policy_decides_and_fail_names_the_file() {
    let folder = zoo();
    let mut settings = seconds(2.0);
    settings.policy.set("silent=keep").unwrap();
    settings.policy.set("still=drop").unwrap();
    let out = tempfile::tempdir().expect("a folder");
    run(folder.path(), out.path(), &settings);
    let keys: Vec<_> = samples(out.path()).into_keys().collect();
    assert!(keys.contains(&"e%20silent_avi-00000".to_owned()), "{keys:?}");
    assert!(!keys.contains(&"f%20still_mov-00000".to_owned()), "{keys:?}");
    settings.policy.set("no-audio=fail").unwrap();
    let out = tempfile::tempdir().expect("a folder");
    let error = ingest(folder.path(), out.path(), &settings, &ffmpeg(), &mut |_, _| {});
    let message = error.unwrap_err().to_string();
    assert!(message.contains("`c mute.mkv`: no-audio"), "{message}");
    assert!(!files(out.path()).keys().any(|name| name.ends_with(".tar")), "no half shard");
}

#[test]
fn a_scan_says_the_same_as_an_ingest_and_shows_it() {
    let folder = zoo();
    let out = tempfile::tempdir().expect("a folder");
    let ingested = run(folder.path(), out.path(), &seconds(2.0));
    let mut settings = seconds(2.0);
    let mut told = Vec::new();
    let mut watch = |done, all| told.push((done, all));
    let scanned = scan(folder.path(), &settings, &ffmpeg(), &mut watch).expect("a scan");
    assert_eq!(told, (1..=9).map(|done| (done, 9)).collect::<Vec<_>>());
    let lines: Vec<Value> = scanned.iter().map(|scanned| json!(scanned.report)).collect();
    assert_eq!(lines, report(&ingested));
    assert!(scanned[0].thumbnail.is_some() && scanned[2].thumbnail.is_none());
    let page = page("zoo", &scanned);
    assert_eq!(page.matches("data:image/jpeg;base64,").count(), 3, "one for each used file");
    settings.policy.set("silent=fail").unwrap();
    let scanned = scan(folder.path(), &settings, &ffmpeg(), &mut |_, _| {}).expect("a scan");
    assert_eq!(settings.policy.action(Reason::Silent), Action::Fail);
    let refused: Vec<_> = scanned
        .iter()
        .filter(|scanned| scanned.refused(&settings.policy).next().is_some())
        .map(|scanned| scanned.report.file.as_str())
        .collect();
    assert_eq!(refused, ["e silent.avi"]);
}

#[test]
fn an_output_within_the_input_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.mp4"), "x").expect("a file");
    let out = folder.path().join("shards");
    let error = ingest(folder.path(), &out, &seconds(2.0), &ffmpeg(), &mut |_, _| {});
    assert!(error.unwrap_err().to_string().contains("lies within the folder of videos"));
    let sources = find_sources(folder.path()).unwrap();
    assert_eq!((sources.len(), &sources[0].kind), (1, &SourceKind::Video));
}
