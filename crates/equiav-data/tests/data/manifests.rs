//! Lists of clips: what is accepted, what is refused and with which words.

use std::path::Path;

use equiav_data::{Clip, DataError, Manifest, Pictures};
use serde_json::{Value, json};

use crate::corpus::Corpus;

fn read(text: &str) -> Result<Manifest, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.json");
    std::fs::write(&path, text).unwrap();
    Manifest::read(&path)
}

fn check(data: Value, expected: &str) {
    let error = read(&json!({ "data": data }).to_string()).unwrap_err();
    let message = error.to_string();
    assert!(message.ends_with(&format!("list.json: {expected}")), "{message}");
    assert_eq!(message.lines().count(), 1);
}

#[test]
fn published_entries_are_read() {
    let text = r#"{"data": [
        {"video_id": "--4gqARaEJE", "wav": "/data/a.flac", "video_path": "frames",
         "labels": "/m/068hy,/m/07q6cd_", "pitch": 440.5},
        {"video_id": "b", "wav": "b.wav", "image": "b.png"}
    ], "note": "extra keys are tolerated"}"#;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.json");
    std::fs::write(&path, text).unwrap();
    let [first, second]: [Clip; 2] = Manifest::read(&path).unwrap().clips.try_into().unwrap();
    assert_eq!(first.sound, Path::new("/data/a.flac"));
    assert_eq!(first.labels, ["/m/068hy", "/m/07q6cd_"]);
    assert_eq!(first.factors["pitch"], json!(440.5));
    let frames = folder.path().join("frames");
    assert_eq!(first.frame_path(9), frames.join("frame_9/--4gqARaEJE.jpg"));
    assert_eq!((first.frames(), first.middle_frame()), (10, 5));
    assert_eq!(second.pictures, Pictures::Still(folder.path().join("b.png")));
    assert_eq!((second.frames(), second.middle_frame(), second.labels.len()), (1, 0, 0));
}

#[test]
fn faults_name_the_file_the_entry_and_the_key() {
    let good = json!({"video_id": "a", "wav": "a.wav", "video_path": "f"});
    let with = |key: &str, value: Value| {
        let mut entry = good.clone();
        entry[key] = value;
        json!([good, entry])
    };
    check(json!([]), "`data` is empty: there is no clip to use");
    check(json!({}), "`data` must be a list of clips");
    check(json!([7]), "entry 0: must be an object with `video_id` and `wav`");
    check(json!([{"wav": "a.wav", "image": "a.png"}]), "entry 0: missing key `video_id`");
    check(json!([{"video_id": "x", "image": "a.png"}]), "entry 0 (`x`): missing key `wav`");
    let still = "entry 0 (`x`): missing key `video_path` (or `image` for a still picture)";
    check(json!([{"video_id": "x", "wav": "a"}]), still);
    check(with("video_id", json!(3)), "entry 1: `video_id` must be text, not a number");
    check(with("wav", json!("")), "entry 1 (`a`): `wav` must not be empty");
    check(with("wav", json!("a\0b")), "entry 1 (`a`): `wav` must not hold a zero character");
    check(with("labels", json!(1)), "entry 1 (`a`): `labels` must be text or a list, not a number");
    check(with("frames", json!(0)), "entry 1 (`a`): `frames` must be a number from 1 to 1000000");
    check(
        with("x", json!(1)),
        "entry 1 (`a`): `video_id` comes a second time; every clip needs its own",
    );
    let outside = "entry 1 (`../../etc`): `video_id` must not lead out of its folder with `..`";
    check(with("video_id", json!("../../etc")), outside);
    let absolute = "entry 1 (`/etc/x`): `video_id` names the frames below `video_path`, so it must be \
                    relative, not an absolute path";
    check(with("video_id", json!("/etc/x")), absolute);
    for (text, expected) in [
        ("{", "no JSON: EOF while parsing"),
        ("[]", "`data` is empty"),
        ("", "is empty"),
        ("7", "missing key `data`"),
        ("{\"x\": 1}", "missing key `data`"),
        ("{\"x\": NaN}", "line 1 column 7: `NaN` is no value of JSON: write null"),
        ("{\n\"x\":\n -Infinity}", "line 3 column 3: `Infinity` is no value of JSON"),
        ("{\"video_id\": \"a\"}\n{\"video_id\":", "no JSON: EOF"),
    ] {
        let message = read(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    let missing = Manifest::read(Path::new("no/such.json")).unwrap_err();
    assert!(matches!(&missing, DataError::Io { .. }));
    assert!(missing.to_string().starts_with("no/such.json: "), "{missing}");
}

#[test]
fn ids_with_slashes_name_frames_in_folders_and_a_still_takes_any_id() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.json");
    let entries = json!([
        {"video_id": "day/1", "wav": "a.wav", "video_path": "f"},
        {"video_id": "/data/../x.mp4", "wav": "a.wav", "image": "a.png"},
    ]);
    std::fs::write(&path, json!({ "data": entries }).to_string()).unwrap();
    let manifest = Manifest::read(&path).unwrap();
    assert_eq!(manifest.clips[0].frame_path(2), folder.path().join("f/frame_2/day/1.jpg"));
    assert_eq!(manifest.clips[1].frame_path(2), folder.path().join("a.png"));
}

#[test]
fn lists_of_other_editors_and_programs_are_read_or_told_apart() {
    let case = |name: &str| {
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/cases/23-manifests");
        Manifest::read(&cases.join(name)).map_err(|error| error.to_string())
    };
    let plain = case("plain.json").unwrap();
    assert_eq!((plain.clips.len(), plain.clips[2].id.as_str()), (3, "clip2"));
    for name in ["bom.json", "crlf.json", "list.json", "lines.json", "utf16.json"] {
        assert_eq!(case(name).as_ref(), Ok(&plain), "{name}");
    }
    assert_eq!(case("dash-ids.json").unwrap().clips[1].id, "--clip1");
    for (name, expected) in [
        ("nan.json", "`NaN` is no value of JSON: write null"),
        ("empty-image.json", "entry 0 (`clip0`): `image` must not be empty"),
        ("number-id.json", "entry 0: `video_id` must be text, not a number"),
        ("twice.json", "entry 3 (`clip0`): `video_id` comes a second time"),
    ] {
        let error = case(name).unwrap_err();
        assert!(error.contains(expected) && error.contains(name), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn written_lists_are_read_the_same_and_move_with_their_folder() {
    let corpus = Corpus::new(3);
    let mut manifest = corpus.manifest.clone();
    manifest.clips[1].pictures = Pictures::Still(corpus.folder.path().join("p, q.png"));
    manifest.clips[1].labels = vec!["a,b".to_owned(), "c".to_owned()];
    manifest.clips[2].factors.insert("size".to_owned(), json!(0.5));
    manifest.clips[2].sound = "/elsewhere/sound.wav".into();
    let path = corpus.folder.path().join("again.json");
    manifest.write(&path).unwrap();
    assert_eq!(Manifest::read(&path).unwrap(), manifest);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(corpus.folder.path().to_str().unwrap()), "{text}");
    let other = tempfile::tempdir().unwrap();
    let moved = other.path().join("again.json");
    std::fs::copy(&path, &moved).unwrap();
    let moved = Manifest::read(&moved).unwrap();
    assert_eq!(moved.clips[0].sound, other.path().join("wav/c0.wav"));
    assert_eq!(moved.digest(), manifest.digest());
}

#[test]
fn the_digest_is_that_of_the_list() {
    let corpus = Corpus::new(3);
    let digest = corpus.manifest.digest();
    assert_eq!(digest.len(), 12);
    assert!(digest.chars().all(|digit| digit.is_ascii_hexdigit()));
    let changed = |change: fn(&mut Manifest)| {
        let mut manifest = corpus.manifest.clone();
        change(&mut manifest);
        manifest.digest()
    };
    assert_eq!(changed(|_| {}), digest);
    assert_ne!(changed(|manifest| manifest.clips.swap(0, 1)), digest);
    assert_ne!(changed(|manifest| manifest.clips[0].labels.clear()), digest);
    assert_ne!(changed(|manifest| manifest.clips[2].id.push('x')), digest);
    assert_ne!(changed(|manifest| drop(manifest.clips.pop())), digest);
}

#[test]
fn found_counts_clips_with_both_files() {
    let corpus = Corpus::new(4);
    assert_eq!(corpus.manifest.found().to_string(), "4 of 4 clips found");
    std::fs::remove_file(corpus.sound(1)).unwrap();
    for frame in 0..2 {
        let path = corpus.folder.path().join(format!("frames/frame_{frame}/c3.jpg"));
        std::fs::remove_file(path).unwrap();
    }
    let found = corpus.manifest.found();
    assert_eq!(found.to_string(), "2 of 4 clips found");
    assert_eq!(found.missing, [1, 3]);
}
