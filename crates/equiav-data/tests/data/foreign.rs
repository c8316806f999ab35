//! A corpus of sounds that only FFmpeg reads, from its manifest to batches and through shards.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use equiav_augment::Profile;
use equiav_data::shard::{pack, verify};
use equiav_data::{
    Clips, Dataset, DatasetConfig, Loader, LoaderOptions, Manifest, read_sound, read_sound_start,
    statistics,
};
use serde_json::json;

use crate::corpus::Corpus;

fn case(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/cases/09-wrong-names");
    fs::read(Path::new(folder).join(name)).unwrap()
}

/// A corpus of opus and AAC; the samples of no clip are as they were in a wav.
fn corpus() -> Corpus {
    let mut corpus = Corpus::new(4);
    let root = corpus.folder.path().to_owned();
    let names = ["c0.opus", "c1.opus", "c2.m4a", "c3.sound"];
    let entries: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(clip, name)| {
            let source = if clip == 2 { "m4a-named.mp3" } else { "opus-in.ogg" };
            fs::write(root.join("wav").join(name), case(source)).unwrap();
            json!({"video_id": format!("c{clip}"), "wav": format!("wav/{name}"),
                   "video_path": "frames", "frames": 3, "labels": "/m/a"})
        })
        .collect();
    let path = root.join("opus.json");
    fs::write(&path, json!({ "data": entries }).to_string()).unwrap();
    corpus.manifest = Manifest::read(&path).unwrap();
    corpus
}

#[test]
fn a_corpus_of_opus_is_measured_loaded_and_packed_as_any_other() {
    let corpus = corpus();
    let front_end = corpus.config(Profile::Corrected, 0).front_end;
    let found = statistics(&corpus.manifest.clone().into(), &front_end).unwrap();
    assert_eq!((found.clips, found.skipped.len(), found.silent), (4, 0, 0));
    assert!((found.durations.median - 1.9).abs() < 0.03, "{:?}", found.durations);

    let folder = corpus.folder.path().join("shards");
    let three = NonZeroUsize::new(3).unwrap();
    let packed = pack(&corpus.manifest, &folder, three, &mut |_, _| {}).unwrap();
    assert_eq!((packed.clips, packed.skipped.len()), (4, 0));
    let tar = fs::read(folder.join("clips-000000.tar")).unwrap();
    for member in [&b"c0.opus\0"[..], b"c1.opus\0", b"c2.m4a\0"] {
        assert!(tar.windows(member.len()).any(|name| name == member), "{member:?}");
    }
    let verified = verify(&folder.join("clips-000000.tar"));
    assert_eq!((verified.samples, &verified.faults), (3, &Vec::new()));

    let files = corpus.dataset(Profile::Corrected, 0);
    let clips = Clips::open(folder.to_str().unwrap()).unwrap();
    let config = DatasetConfig { clips, ..corpus.config(Profile::Corrected, 0) };
    let shards = Arc::new(Dataset::new(config).unwrap());
    for clip in 0..4 {
        assert_eq!(files.example(1, clip).unwrap(), shards.example(1, clip).unwrap());
    }
    let options = LoaderOptions { workers: 2, max_unreadable: 0.0, ..LoaderOptions::default() };
    let loader = Loader::new(shards, 0, vec![3, 1, 2, 0], 2, options).unwrap();
    let batches: Vec<_> = loader.map(|batch| batch.unwrap().clips).collect();
    assert_eq!(batches, [[3, 1], [2, 0]]);
}

#[test]
fn only_sounds_are_packed() {
    let corpus = Corpus::new(3);
    fs::write(corpus.sound(1), "<!DOCTYPE html><html>not available</html>").unwrap();
    let folder = corpus.folder.path().join("shards");
    let packed = pack(&corpus.manifest, &folder, NonZeroUsize::MIN, &mut |_, _| {}).unwrap();
    assert_eq!((packed.clips, packed.skipped.len()), (2, 1));
    assert!(packed.skipped[0].contains("c1.wav: is an HTML page"), "{:?}", packed.skipped);
}

#[test]
fn sounds_for_ffmpeg_are_read_whatever_their_names() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.opus", "a.ogg", "a.wav", "a"] {
        let path = folder.path().join(name);
        fs::write(&path, case("opus-in.ogg")).unwrap();
        let sound = read_sound(&path).unwrap();
        assert_eq!((sound.samples.len(), sound.rate), (91_200, 48_000), "{name}");
        let start = read_sound_start(&path, 0.25).unwrap();
        assert_eq!(start.samples, sound.samples[..12_000], "{name}");
    }
    for name in ["a.m4a", "a.mp3", "a.wav"] {
        let path = folder.path().join(name);
        fs::write(&path, case("m4a-named.mp3")).unwrap();
        let sound = read_sound(&path).unwrap();
        // Whether the encoder's padding at the end is cut depends on FFmpeg's version.
        assert_eq!(sound.rate, 16_000);
        assert!((30_400..=30_720).contains(&sound.samples.len()), "{}", sound.samples.len());
    }
    let (path, cut) = (folder.path().join("cut.m4a"), case("m4a-named.mp3"));
    fs::write(&path, &cut[..cut.len() / 2]).unwrap();
    let reason = read_sound(&path).map(|sound| sound.samples.len()).unwrap_err().reason;
    assert!(reason.starts_with("is an m4a file; FFmpeg: "), "{reason}");
}

#[test]
fn whole_numbers_of_other_containers_are_the_same_samples() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/cases/01-wav-unknown-length");
    let plain = fs::read(Path::new(folder).join("ref.wav")).unwrap();
    let (sound, _) = plain[44..].as_chunks::<2>();
    let swapped: Vec<u8> = sound.iter().flat_map(|[low, high]| [*high, *low]).collect();
    let long = |number: usize| (number as u32).to_be_bytes();
    // One channel of 16 bits at 16 kHz, the rate as an extended floating-point number.
    let common = [b"\0\x01", &long(sound.len())[..], b"\0\x10\x40\x0c\xfa\0\0\0\0\0\0\0"].concat();
    let chunk = |name: &[u8], content: &[u8]| [name, &long(content.len()), content].concat();
    let samples = [&[0; 8][..], &swapped].concat();
    let body = [b"AIFF".to_vec(), chunk(b"COMM", &common), chunk(b"SSND", &samples)].concat();
    let aiff = chunk(b"FORM", &body);
    let au =
        [b".snd", &long(24)[..], &long(swapped.len()), &long(3), &long(16_000), &long(1), &swapped];
    let expected = read_sound(&Path::new(folder).join("ref.wav")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    for bytes in [aiff, au.concat()] {
        fs::write(&path, &bytes).unwrap();
        assert_eq!(read_sound(&path).unwrap(), expected);
        // FFmpeg itself takes the half for all there is.
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let reason = read_sound(&path).map(|sound| sound.samples.len()).unwrap_err().reason;
        assert_eq!(reason, "truncated: it ends in the middle");
    }
}
