//! Three hundred broken files: each is named with its reason, and nothing else happens.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use equiav_ingest::{Settings, scan};
use serde_json::{Value, json};

use crate::media::{ffmpeg, files, moving, report, run, samples};

const FILES: usize = 300;

/// Names that have broken programs before.
const HOSTILE: [&[u8]; 10] = [
    b"-i",
    b"--help",
    b"line\nfeed",
    b"quote\"'`$(touch x)",
    b"..%2F..",
    b"\xff\xfe\x80",
    b"concat:a|b",
    b"percent%03d",
    b"<script>alert",
    b"tab\tbell\x07 \\",
];

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.below(256) as u8).collect()
    }
}

/// The name of file `number`, hostile in two cases of three.
fn name(number: usize, ending: &str) -> OsString {
    let mut name = match number % 3 {
        0 => format!("plain{number}").into_bytes(),
        _ => [HOSTILE[number % HOSTILE.len()], format!("{number}").as_bytes()].concat(),
    };
    if number % 25 == 4 {
        name.resize(250 - ending.len(), b'l');
    }
    name.extend([b".", ending.as_bytes()].concat());
    OsString::from_vec(name)
}

/// What becomes of the bytes of `whole`, one of ten ways; `other` is of another format.
fn broken(kind: usize, whole: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    match kind {
        0 => bytes.truncate(dice.below(whole.len())),
        1 => bytes.truncate(whole.len() - 1 - dice.below(200)),
        2 | 3 => {
            for _ in 0..=dice.below(40) {
                bytes[dice.below(whole.len())] ^= 1 << dice.below(8);
            }
        }
        4 => bytes.clear(),
        5 => bytes = b"this is a text and no video\n".repeat(dice.below(500) + 1),
        6 => bytes = other.to_vec(),
        7 => bytes.truncate(64),
        8 => bytes = dice.bytes(3_000),
        _ => bytes = b"YUV4MPEG2 W65000 H65000 F25:1 C420\nFRAME\n0123456789".to_vec(),
    }
    bytes
}

/// Makes them in `folder`.
fn generate(folder: &Path) {
    let whole = tempfile::tempdir().expect("a folder");
    let formats = [
        ("mp4", "-c:v libx264 -c:a aac"),
        ("webm", "-c:v libvpx -c:a libopus"),
        ("mkv", "-c:v mpeg4 -c:a libvorbis"),
        ("avi", "-c:v mpeg4 -c:a mp2"),
        ("mpg", "-c:v mpeg1video -c:a mp2 -r 25"),
    ];
    let originals = formats.map(|(ending, codecs)| {
        let path = whole.path().join(format!("whole.{ending}"));
        moving(&path, 1.0, codecs);
        fs::read(path).expect("a file")
    });
    let mut dice = Dice(7);
    fs::create_dir(folder).expect("a folder");
    for number in 0..FILES {
        let format = number / 10 % formats.len();
        let other = &originals[(format + 1) % formats.len()];
        let bytes = broken(number % 10, &originals[format], other, &mut dice);
        fs::write(folder.join(name(number, formats[format].0)), bytes).expect("a file");
    }
}

/// Pictures and sounds that belong together and are broken, in a folder with a hostile name.
fn generate_pairs(folder: &Path) {
    let folder = folder.join("..\n..");
    fs::create_dir(&folder).expect("a folder");
    let mut huge = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\x01\0\0\0\x01\0\0\x08\x02\0\0\0".to_vec();
    huge.extend([0; 64]);
    for (name, bytes) in [
        ("huge.png", huge),
        ("huge.wav", b"RIFF\xff\xff\xff\xffWAVEfmt ".to_vec()),
        ("empty.jpg", Vec::new()),
        ("empty.mp3", Vec::new()),
        ("text.webp", b"no picture".to_vec()),
        ("text.ogg", b"OggS and then no sound".to_vec()),
    ] {
        fs::write(folder.join(name), bytes).expect("a file");
    }
}

#[test]
fn each_is_named_and_no_shard_is_half_written() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("in");
    generate(&folder);
    generate_pairs(&folder);
    let out = home.path().join("out");
    let settings = Settings {
        window: 0.5,
        frames: 2,
        time_limit: 30.0,
        files_per_shard: 64,
        ..Settings::default()
    };
    let ingested = run(&folder, &out, &settings);
    let lines = report(&ingested);
    assert_eq!(lines.len(), FILES + 3, "three pairs of two files each");
    let named: HashSet<&str> = lines.iter().map(|line| line["file"].as_str().unwrap()).collect();
    assert_eq!(named.len(), lines.len(), "no file is named twice");
    assert_eq!(lines.iter().filter(|line| line.get("sound").is_some()).count(), 3);
    for line in &lines {
        let findings = line["findings"].as_array().expect("a list");
        assert!(line["clips"] != 0 || !findings.is_empty(), "no reason: {line}");
        for finding in findings {
            assert!(!finding["detail"].as_str().unwrap().contains(['\n', '\x07']), "{line}");
        }
    }
    // Only what has just the wrong ending, or damage that no decoder can see, gives clips.
    let used: Vec<&Value> = lines.iter().filter(|line| line["clips"] != 0).collect();
    assert!((30..150).contains(&used.len()), "{} are used", used.len());
    let clips: u64 = used.iter().map(|line| line["clips"].as_u64().unwrap()).sum();
    assert_eq!(samples(&out).len() as u64, clips);
    let names: Vec<String> = files(&out).into_keys().collect();
    assert!(!names.iter().any(|name| name.contains("partial")), "{names:?}");
    assert_eq!(names.iter().filter(|name| name.ends_with(".tar")).count(), 5);
    assert!(!home.path().join("x").exists() && !Path::new("x").exists(), "a name was run");
    let scanned = scan(&folder, &settings, &ffmpeg(), &mut |_, _| {}).expect("a scan");
    let scanned: Vec<Value> = scanned.iter().map(|scanned| json!(scanned.report)).collect();
    // What FFmpeg puts in the place of lost blocks differs from run to run, and with it what stands still.
    let settled = |line: &Value| {
        let mut line = line.clone();
        let findings = line["findings"].as_array_mut().expect("a list");
        if findings.iter().any(|finding| finding["reason"] == "damaged") {
            findings.retain(|finding| finding["reason"] != "still");
        }
        line
    };
    for (scanned, line) in scanned.iter().zip(&lines) {
        assert_eq!(settled(scanned), settled(line), "a scan and an ingest see the same");
    }
    assert_eq!(scanned.len(), lines.len());
}
