//! Three hundred broken files: each is named with its reason, and nothing else happens.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use equiav_ingest::{IngestSettings, scan};
use serde_json::{Value, json};

use crate::media::{ffmpeg, files, moving, report, run, samples};

const FILES: usize = 300;

/// Names that have broken programs before.
const HOSTILE: [&[u8]; 13] = [
    b"-i",
    b"--help",
    b"line\nfeed",
    b"quote\"'`",
    b"$(touch was-run)",
    b"`touch was-run`",
    b";touch was-run;",
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

/// Each way of breaking a file, by its number above, has the outcome that belongs to it.
fn check_kinds(lines: &[Value]) {
    let ending = |number: usize| ["mp4", "webm", "mkv", "avi", "mpg"][number / 10 % 5];
    let files = (0..FILES).map(|number| (PathBuf::from(name(number, ending(number))), number % 10));
    let pairs =
        ["empty.jpg", "huge.png", "text.webp"].map(|name| (Path::new("..\n..").join(name), 10));
    let mut files: Vec<(PathBuf, usize)> = files.chain(pairs).collect();
    files.sort();
    let mut whole = 0;
    for ((path, kind), line) in files.iter().zip(lines) {
        let ending = path.extension().expect("an ending").to_str().expect("text");
        assert!(line["file"].as_str().expect("text").ends_with(ending), "another file: {line}");
        let reason = line["findings"][0]["reason"].as_str();
        match (kind, line["clips"].as_u64()) {
            // Bytes may be broken where no decoder looks.
            (0..=3, _) => {}
            (4 | 7 | 8 | 10, Some(0)) => assert!(reason.is_some(), "{line}"),
            (5 | 9, Some(0)) => {
                assert!(matches!(reason, Some("not-media" | "duplicate")), "{line}");
            }
            // Whole, under the ending of another format, and one of six with the same bytes.
            (6, Some(0)) => assert_eq!(reason, Some("duplicate"), "{line}"),
            (6, Some(2)) => whole += 1,
            _ => panic!("broken in way {kind}: {line}"),
        }
    }
    assert_eq!(whole, 5, "one of each format");
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

/// The names are dangerous: a shell that meets one without quotes runs what is in it.
#[test]
fn a_shell_would_run_these_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let names = HOSTILE.iter().filter_map(|name| std::str::from_utf8(name).ok());
    for name in names.filter(|name| name.contains("touch")) {
        let script = format!("true {name}0.mp4");
        Command::new("sh")
            .args(["-c", &script])
            .current_dir(folder.path())
            .output()
            .expect("a shell");
        let made =
            fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("one").path());
        let made: Vec<_> = made.collect();
        assert!(!made.is_empty(), "`{name}` is harmless");
        made.iter().for_each(|path| fs::remove_file(path).expect("removed"));
    }
}

/// Whether two readings of a file see the same. Of a damaged one a decoder's complaints differ now and then, by how many
/// blocks are lost and by where they begin; one of both then sees all that the other does.
fn same(a: &Value, b: &Value) {
    let damage = |line: &Value| -> Option<HashSet<u64>> {
        let findings = line["findings"].as_array().expect("a list").iter();
        let mut damaged = findings.filter(|finding| finding["reason"] == "damaged").peekable();
        damaged.peek()?;
        let windows = damaged.filter_map(|finding| finding["windows"].as_array()).flatten();
        Some(windows.filter_map(Value::as_u64).collect())
    };
    match (damage(a), damage(b)) {
        (Some(one), Some(other)) => {
            assert!(one.is_subset(&other) || other.is_subset(&one), "{a} {b}");
            assert_eq!((&a["file"], &a["media"]), (&b["file"], &b["media"]));
        }
        _ => assert_eq!(a, b),
    }
}

#[test]
fn each_is_named_and_no_shard_is_half_written() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("in");
    generate(&folder);
    generate_pairs(&folder);
    let out = home.path().join("out");
    let settings = IngestSettings {
        window: 0.5,
        frames: 2,
        time_limit: 30.0,
        files_per_shard: 64,
        workers: 8,
        ..IngestSettings::default()
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
    check_kinds(&lines);
    let used: Vec<&Value> = lines.iter().filter(|line| line["clips"] != 0).collect();
    let clips: u64 = used.iter().map(|line| line["clips"].as_u64().unwrap()).sum();
    assert_eq!(samples(&out).len() as u64, clips);
    let names: Vec<String> = files(&out).into_keys().collect();
    assert!(!names.iter().any(|name| name.contains("partial")), "{names:?}");
    assert_eq!(names.iter().filter(|name| name.ends_with(".tar")).count(), 5);
    assert!(
        !Path::new("was-run").exists() && !home.path().join("was-run").exists(),
        "a name was run"
    );
    let alone = IngestSettings { workers: 1, ..settings };
    let scanned = scan(&folder, &alone, &ffmpeg(), &mut |_, _| {}).expect("a scan");
    let scanned: Vec<Value> = scanned.iter().map(|scanned| json!(scanned.report)).collect();
    for (scanned, line) in scanned.iter().zip(&lines) {
        same(scanned, line);
    }
    assert_eq!(scanned.len(), lines.len());
}
