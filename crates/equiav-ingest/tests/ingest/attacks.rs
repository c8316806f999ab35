//! "Videos" that are texts naming other files: whatever they are called, nothing of those files is read.

use std::fs;
use std::path::Path;

use equiav_ingest::{Fault, IngestSettings, Reason, SourceKind, VideoReader, scan};
use serde_json::Value;

use crate::media::{ffmpeg, make, moving, report, run, samples};

/// All endings of videos and sounds, those of texts that name other files, and one of nothing.
const ENDINGS: [&str; 24] = [
    "mp4", "mkv", "webm", "mov", "avi", "ogv", "mpg", "mpeg", "m4v", "ts", "flv", "wmv", "3gp",
    "mp3", "wav", "flac", "ogg", "m4a", "opus", "mpd", "m3u8", "ffconcat", "sdp", "bin",
];

/// Texts that make FFmpeg open `private`, by a name for each.
fn attacks(private: &str) -> Vec<(&'static str, String)> {
    let dash = |base: &str, before: &str| {
        format!(
            "{before}<?xml version=\"1.0\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" \
             type=\"static\" mediaPresentationDuration=\"PT2S\" minBufferTime=\"PT1S\" \
             profiles=\"urn:mpeg:dash:profile:isoff-on-demand:2011\"><Period><AdaptationSet \
             mimeType=\"video/mp4\"><Representation id=\"1\" bandwidth=\"1\"><BaseURL>{base}</BaseURL>\
             </Representation></AdaptationSet></Period></MPD>\n"
        )
    };
    let playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n";
    vec![
        ("concat", format!("ffconcat version 1.0\nfile '{private}'\n")),
        ("concat-crlf", format!("ffconcat version 1.0\r\nfile '{private}'\r\n")),
        ("dash", dash(private, "")),
        ("dash-bom", dash(private, "\u{feff}")),
        // A control character at the start: no text any more, and a manifest to FFmpeg still.
        ("dash-binary", dash(private, "<!--\u{1}-->")),
        ("dash-url", dash(&format!("file:{private}"), "")),
        ("hls", format!("{playlist}{private}\n#EXT-X-ENDLIST\n")),
        ("hls-url", format!("{playlist}file:{private}\n#EXT-X-ENDLIST\n")),
        ("hls-concat", format!("{playlist}concat:{private}|{private}\n#EXT-X-ENDLIST\n")),
        (
            "hls-subfile",
            format!("{playlist}subfile,,start,0,end,9999,,:{private}\n#EXT-X-ENDLIST\n"),
        ),
        ("hls-map", format!("{playlist}#EXT-X-MAP:URI=\"{private}\"\n{private}\n#EXT-X-ENDLIST\n")),
        ("master", format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{private}\n")),
        ("m3u", format!("#EXTM3U\n{private}\n")),
        ("metadata", format!(";FFMETADATA1\ntitle={private}\n")),
        (
            "sdp",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n"
                .to_owned(),
        ),
        ("srt", format!("1\n00:00:00,000 --> 00:00:02,000\n{private}\n")),
        (
            "vobsub",
            "# VobSub index file, v7\nid: en, index: 0\ntimestamp: 00:00:00:000, filepos: 0\n"
                .to_owned(),
        ),
        (
            "imf",
            format!("<?xml version=\"1.0\"?><CompositionPlaylist>{private}</CompositionPlaylist>"),
        ),
        ("passwd", fs::read_to_string("/etc/passwd").unwrap_or_else(|_| "root:x:0:0".to_owned())),
    ]
}

/// A private video, of one color that nothing else has, and with a tone.
fn private(path: &Path) {
    make(
        path,
        "-f lavfi -i color=magenta:s=64x48:r=10:d=2 -f lavfi -i sine=440:d=2 -c:v mpeg4 -c:a aac",
    );
}

#[test]
fn a_text_is_no_video_under_any_ending() {
    let home = tempfile::tempdir().expect("a folder");
    let secret = home.path().join("private/secret.mp4");
    private(&secret);
    let folder = home.path().join("in");
    fs::create_dir(&folder).expect("a folder");
    let attacks = attacks(secret.to_str().expect("text"));
    for (place, (name, text)) in attacks.iter().enumerate() {
        // Every text under a few endings, every ending with a few texts.
        for (number, ending) in ENDINGS.iter().enumerate() {
            if (place + number) % 4 == 0 || *ending == "mp4" {
                let file = folder.join(format!("{name} {ending}.{ending}"));
                // No two are alike, or they would be duplicates.
                fs::write(&file, text.clone() + &"\n".repeat(number + 1)).expect("a file");
                // A sound is opened when a picture of its name lies beside it.
                if SourceKind::of(&file) == SourceKind::Sound {
                    image::RgbImage::new(32, 32).save(file.with_extension("png")).expect("a file");
                }
            }
        }
    }
    moving(&folder.join("honest.mp4"), 2.0, "-c:v mpeg4 -c:a aac");
    let settings =
        IngestSettings { window: 2.0, frames: 2, time_limit: 30.0, ..IngestSettings::default() };
    let out = home.path().join("out");
    let ingested = run(&folder, &out, &settings);
    for line in report(&ingested) {
        let file = line["file"].as_str().expect("a name");
        if file == "honest.mp4" {
            assert_eq!(line["clips"], 1, "{line}");
            continue;
        }
        assert_eq!(line["clips"], 0, "{line}");
        let finding = &line["findings"][0];
        assert_eq!(finding["reason"], "not-media", "{line}");
        assert!(finding["detail"].as_str().expect("text").starts_with("its content is "), "{line}");
    }
    sentinel(&out);

    // A file that is looked at by itself goes through the same door.
    let ffmpeg = ffmpeg();
    for (name, _) in &attacks {
        let path = folder.join(format!("{name} mp4.mp4"));
        match VideoReader::open(&ffmpeg, &path) {
            Err(Fault::Finding(finding)) => assert_eq!(finding.reason, Reason::NotMedia, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// Neither a frame nor a sample of the private file is in the shards.
fn sentinel(shards: &Path) {
    for (key, members) in samples(shards) {
        assert!(key.starts_with("honest"), "{key}");
        for (suffix, bytes) in &members {
            if suffix.ends_with("jpg") {
                let picture = image::load_from_memory(bytes).expect("a picture").to_rgb8();
                let magenta =
                    picture.pixels().filter(|p| p.0[0] > 200 && p.0[1] < 60 && p.0[2] > 200);
                let share = magenta.count() as f64 / (picture.width() * picture.height()) as f64;
                assert!(share < 0.5, "{key}.{suffix} shows the private video");
            }
        }
    }
}

/// The bytes of the one box `kind` of `whole`, with its place.
fn find(whole: &[u8], kind: &[u8; 4]) -> usize {
    whole.windows(4).position(|four| four == kind).expect("the box")
}

#[test]
fn a_quicktime_file_does_not_fetch_its_bytes_elsewhere() {
    let home = tempfile::tempdir().expect("a folder");
    let secret = home.path().join("in/secret.mov");
    make(
        &secret,
        "-f lavfi -i color=magenta:s=64x48:r=10:d=2 -f lavfi -i sine=440:d=2 -c:v mpeg4 -c:a pcm_s16le",
    );
    let mut bytes = fs::read(&secret).expect("a file");
    let private = home.path().join("private.bin");
    fs::rename(&secret, &private).expect("renamed");
    // The first reference says "in this file" (flags 1); now it says "in the file of this alias".
    let reference = find(&bytes, b"dref") + 12;
    let alias = alias(private.file_name().expect("a name").to_str().expect("text"));
    let mut entry = (12 + alias.len() as u32).to_be_bytes().to_vec();
    entry.extend(b"alis\0\0\0\0");
    entry.extend(&alias);
    let old = u32::from_be_bytes(bytes[reference - 4 + 4..reference + 4].try_into().expect("four"))
        as usize;
    bytes.splice(reference..reference + old, entry.iter().copied());
    let grown = entry.len() as i64 - old as i64;
    // The boxes around it are longer by that.
    for kind in [b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"] {
        let at = find(&bytes, kind) - 4;
        let size = u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four"));
        let size = (i64::from(size) + grown) as u32;
        bytes[at..at + 4].copy_from_slice(&size.to_be_bytes());
    }
    // Nothing of the material itself is left in it.
    let (from, to) = (find(&bytes, b"mdat") + 4, find(&bytes, b"moov") - 4);
    bytes[from..to].fill(0);
    fs::write(home.path().join("in/attack.mov"), bytes).expect("a file");
    fs::copy(&private, home.path().join("in/private.bin")).expect("a copy beside it");
    let settings = IngestSettings { window: 2.0, frames: 2, ..IngestSettings::default() };
    let scanned =
        scan(&home.path().join("in"), &settings, &ffmpeg(), &mut |_, _| {}).expect("a scan");
    let attack = scanned.iter().find(|one| one.report.file == "attack.mov").expect("it is named");
    let report: Value = serde_json::to_value(&attack.report).expect("JSON");
    assert_eq!(report["clips"], 0, "{report}");
}

/// An alias record that names a file in the same folder.
fn alias(name: &str) -> Vec<u8> {
    let mut record = vec![0; 150];
    record[4..6].copy_from_slice(&150_u16.to_be_bytes());
    record[7] = 2;
    record[50] = name.len() as u8;
    record[51..51 + name.len()].copy_from_slice(name.as_bytes());
    record[130..132].copy_from_slice(&1_u16.to_be_bytes());
    record[132..134].copy_from_slice(&1_u16.to_be_bytes());
    // Type 2, an absolute path, and type -1, the end.
    let mut tail = 2_u16.to_be_bytes().to_vec();
    tail.extend((name.len() as u16).to_be_bytes());
    tail.extend(name.as_bytes());
    tail.extend(vec![0; name.len() % 2]);
    tail.extend([0xff, 0xff, 0, 0]);
    record.extend(tail);
    let length = record.len() as u16;
    record[4..6].copy_from_slice(&length.to_be_bytes());
    record
}
