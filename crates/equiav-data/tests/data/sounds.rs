//! Sounds as programs, pipes and crashes leave them: each case with the samples that other readers find.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use equiav_data::{MediaError, decode_sound, read_sound, read_sound_start};
use equiav_frontend::Waveform;

use crate::corpus::{tone, write_wav};

/// How many samples the wavs of `fixtures/cases` hold.
const SAMPLES: usize = 30_400;

/// A file of `fixtures/cases`.
fn case(name: &str) -> Vec<u8> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/cases"));
    fs::read(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn plain() -> Vec<u8> {
    case("01-wav-unknown-length/ref.wav")
}

/// A wav of `fixtures/cases`, of which only what stands around the samples is kept.
fn wav_case(name: &str) -> Vec<u8> {
    let mut bytes = case(&format!("{name}.head"));
    bytes.extend_from_slice(&plain()[44..]);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/cases");
    bytes.extend(fs::read(format!("{folder}/{name}.tail")).unwrap_or_default());
    bytes
}

/// What is read of a file of any name, and of a member of a shard.
fn read(bytes: &[u8]) -> Result<Waveform, MediaError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("any");
    fs::write(&path, bytes).unwrap();
    let read = read_sound(&path);
    let decoded = decode_sound(bytes.to_vec(), Path::new("shard.tar: any"));
    match (&read, decoded) {
        (Ok(read), Ok(decoded)) => assert_eq!(*read, decoded),
        (Err(read), Err(decoded)) => {
            // Which of its complaints FFmpeg comes to make varies.
            let own = |error: &MediaError| error.reason.split("; FFmpeg").next().map(str::to_owned);
            assert_eq!(own(read), own(&decoded));
        }
        (read, decoded) => panic!("{read:?} from a file, {decoded:?} from memory"),
    }
    if let Ok(whole) = &read {
        let start = read_sound_start(&path, 0.5).unwrap();
        let half = whole.samples.len().min(whole.rate as usize / 2);
        assert_eq!(start.samples, whole.samples[..half]);
        let longer = read_sound_start(&path, whole.seconds() + 0.01).unwrap();
        assert_eq!(longer, *whole, "what is behind a sound is no part of its start");
    }
    read
}

fn samples(bytes: &[u8]) -> usize {
    read(bytes).unwrap().samples.len()
}

fn reason(bytes: &[u8]) -> String {
    read(bytes).map(|read| read.samples.len()).unwrap_err().reason
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn wavs_with_wrong_lengths_and_odd_chunks_hold_the_plain_samples() {
    let expected = read(&plain()).unwrap();
    assert_eq!((expected.samples.len(), expected.rate), (SAMPLES, 16_000));
    for name in [
        "01-wav-unknown-length/ffmpeg-pipe.wav",
        "01-wav-unknown-length/pipe-ffffffff.wav",
        "01-wav-unknown-length/recorder-zero.wav",
        "01-wav-unknown-length/riff-too-small-by-8.wav",
        "01-wav-unknown-length/riff-zero.wav",
        "01-wav-unknown-length/sox-pipe.wav",
        "01-wav-unknown-length/too-big-by-16.wav",
        "02-wav-rf64/rf64.wav",
        "04-wav-chunks/bext-junk.wav",
        "04-wav-chunks/half-a-frame-more.wav",
        "04-wav-chunks/id3-chunk.wav",
        "04-wav-chunks/list-after.wav",
        "04-wav-chunks/list-broken.wav",
        "04-wav-chunks/list-even.wav",
        "04-wav-chunks/list-odd.wav",
        "04-wav-chunks/trailing-garbage.wav",
    ] {
        assert_eq!(read(&wav_case(name)).unwrap(), expected, "{name}");
    }
}

/// A wav of `chunks`, whose RIFF chunk says that `told` bytes follow; the right number if `None`.
fn riff(name: &[u8; 4], told: Option<u32>, chunks: &[&[u8]]) -> Vec<u8> {
    let body = chunks.concat();
    let told = told.unwrap_or(4 + body.len() as u32).to_le_bytes();
    joined(&[name, &told, b"WAVE", &body])
}

/// A chunk that says it is `told` bytes long.
fn chunk(name: &[u8; 4], told: u32, content: &[u8]) -> Vec<u8> {
    joined(&[name, &told.to_le_bytes(), content])
}

#[test]
fn lengths_of_pipes_and_crashes_are_passed_over_and_those_of_cut_files_are_not() {
    let plain = plain();
    let expected = read(&plain).unwrap();
    let (format, sound) = (&plain[12..36], &plain[44..]);
    let bytes = sound.len() as u32;
    let right = 36 + bytes;
    let file =
        |data: u32, whole: u32| riff(b"RIFF", Some(whole), &[format, &chunk(b"data", data, sound)]);
    for data in
        [0, bytes, 0x7fff_0000, 0x7fff_f000, 0x7fff_ffff, 0x8000_0000, 0xffff_ff00, u32::MAX]
    {
        for whole in [0, 2, 36, right - 8, right, right + 8, 0x7fff_f024, u32::MAX] {
            assert_eq!(read(&file(data, whole)).unwrap(), expected, "{data:#x} in {whole:#x}");
        }
    }
    // The whole is there by the file's own count, or it is not.
    for more in [2, 16, 1_000] {
        assert_eq!(read(&file(bytes + more, right)).unwrap(), expected, "{more}");
        for whole in [0, 36, right + more, u32::MAX] {
            let told = (bytes + more) / 2;
            let text = format!("truncated: 30400 of {told} samples");
            assert_eq!(reason(&file(bytes + more, whole)), text);
        }
    }
    let list = chunk(b"LIST", 12, b"INFOISFT\0\0\0\0");
    let empty = chunk(b"data", 0, b"");
    for chunks in [&[format, &empty][..], &[format, &empty, &list]] {
        assert_eq!(reason(&riff(b"RIFF", None, chunks)), "holds no sample");
    }
    assert_eq!(reason(&plain[..20]), "truncated: it ends in the middle");
    assert_eq!(reason(&riff(b"RIFF", None, &[format, &list])), "corrupt: it has no `data` chunk");
}

#[test]
fn chunks_with_wrong_lengths_do_not_keep_the_sound_away() {
    let plain = plain();
    let expected = read(&plain).unwrap();
    let (format, data) = (&plain[12..36], &plain[36..]);
    let info = b"INFOISFT\x05\0\0\0abcde";
    for (told, content, what) in [
        (info.len() as u32, &info[..], "an odd length without its pad byte"),
        (5_000, info, "a length that leads into the samples"),
        (5_000_000, info, "a length that leads out of the file"),
        (0, &info[..16], "no length"),
        (4, &info[..16], "the length of its first field"),
    ] {
        let bytes = riff(b"RIFF", None, &[format, &chunk(b"LIST", told, content), data]);
        assert_eq!(read(&bytes).unwrap(), expected, "{what}");
    }
    for (odd, pad) in [(603, &b""[..]), (603, b"\0")] {
        for name in [b"bext", b"qqqq", b"id3 "] {
            let odd = joined(&[&chunk(name, odd, &vec![b'x'; 603]), pad]);
            assert_eq!(read(&riff(b"RIFF", None, &[format, &odd, data])).unwrap(), expected);
        }
    }
    assert_eq!(read(&riff(b"RIFF", None, &[data, format])).unwrap(), expected, "format last");
    let tag = b"ID3\x03\0\0\0\0\0\x0a0123456789";
    assert_eq!(read(&joined(&[tag, &plain])).unwrap(), expected, "a tag in front");
}

#[test]
fn long_wavs_are_read_by_their_long_lengths() {
    let plain = plain();
    let expected = read(&plain).unwrap();
    let (format, sound) = (&plain[12..36], &plain[44..]);
    let sizes = |samples: u64| {
        let numbers = [samples + 72, samples, samples / 2].map(u64::to_le_bytes).concat();
        chunk(b"ds64", 28, &joined(&[&numbers, &[0; 4]]))
    };
    let data = chunk(b"data", u32::MAX, sound);
    for name in [b"RF64", b"BW64"] {
        for samples in [sound.len() as u64, 0] {
            let bytes = riff(
                name,
                Some(u32::MAX),
                &[&sizes(samples), format, &data, b"axml\x04\0\0\0<x/>"],
            );
            let read = read(&bytes).unwrap();
            assert_eq!(read.samples[..SAMPLES], expected.samples, "{samples}");
            // Without a length, all that follows may be sound.
            assert_eq!(read.samples.len(), if samples > 0 { SAMPLES } else { SAMPLES + 6 });
        }
    }
    let cut = riff(b"RF64", Some(u32::MAX), &[&sizes(100_000), format, &data]);
    assert_eq!(reason(&cut), "truncated: 30400 of 50000 samples");
}

#[test]
fn formats_of_samples_are_what_their_blocks_say() {
    let plain = plain();
    let expected = read(&plain).unwrap();
    let (sound, _) = plain[44..].as_chunks::<2>();
    let format = |tag: u16, bits: u16, block: u16, extra: &[u8]| {
        let mut fields = joined(&[&tag.to_le_bytes(), &1u16.to_le_bytes()]);
        fields.extend(16_000u32.to_le_bytes());
        fields.extend(0u32.to_le_bytes());
        fields.extend(joined(&[&block.to_le_bytes(), &bits.to_le_bytes(), extra]));
        chunk(b"fmt ", fields.len() as u32, &fields)
    };
    let extensible = |tag: u16| {
        let guid = b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71";
        joined(&[b"\x16\0\x10\0\0\0\0\0", &tag.to_le_bytes(), guid])
    };
    let wide = |bytes: usize| -> Vec<u8> {
        sound.iter().flat_map(|two| [&vec![0; bytes - 2][..], two].concat()).collect()
    };
    let floats: Vec<u8> = expected.samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let doubles: Vec<u8> =
        expected.samples.iter().flat_map(|sample| f64::from(*sample).to_le_bytes()).collect();
    for (format, data, what) in [
        (format(1, 16, 2, b"\0\0"), wide(2), "18 bytes of format"),
        (format(1, 16, 2, &[0; 34]), wide(2), "50 bytes of format"),
        (format(1, 16, 0, b""), wide(2), "no block size"),
        (format(1, 20, 3, b""), wide(3), "20 bits in 24"),
        (format(1, 24, 4, b""), wide(4), "24 bits in 32"),
        (format(1, 32, 4, b""), wide(4), "32 bits"),
        (format(3, 32, 4, b"\0\0"), floats.clone(), "floats"),
        (format(3, 64, 8, b""), doubles, "doubles"),
        (format(0xfffe, 24, 3, &extensible(1)), wide(3), "extensible, 24 bits"),
        (format(0xfffe, 32, 4, &extensible(3)), floats, "extensible, floats"),
    ] {
        let data = chunk(b"data", data.len() as u32, &data);
        assert_eq!(read(&riff(b"RIFF", None, &[&format, &data])).unwrap(), expected, "{what}");
    }
    let coded = chunk(b"data", 4, &[0xff, 0x80, 0x00, 0xd5]);
    for (tag, expected) in
        [(6, [848.0, 5_504.0, -5_504.0, 8.0]), (7, [0.0, 32_124.0, -32_124.0, 716.0])]
    {
        let format = format(tag, 8, 1, b"");
        let read = decode_sound(riff(b"RIFF", None, &[&format, &coded]), Path::new("a")).unwrap();
        let whole = read.samples.iter().map(|sample| sample * 32_768.0);
        assert_eq!(whole.collect::<Vec<_>>(), expected, "format {tag}, by ITU-T G.711");
    }
    let silent = chunk(b"data", 4, &[0; 4]);
    for (format, expected) in [
        (format(1, 0, 0, b""), "its `fmt ` chunk says that a sample has no bits"),
        (format(2, 4, 256, &[0; 34]), "is a wav of Microsoft ADPCM sound"),
        (format(0x55, 0, 1, &[0; 14]), "is a wav of mp3 sound"),
        (format(1, 64, 8, b""), "is a wav of 64-bit samples"),
        (format(0x1234, 16, 2, b""), "is a wav of format 0x1234"),
    ] {
        let reason = reason(&riff(b"RIFF", None, &[&format, &silent]));
        assert!(reason.starts_with(expected), "{reason}");
    }
}

#[test]
fn mp3s_are_decoded_to_their_end() {
    let vbr = case("08-mp3-tags/vbr.mp3");
    // The first frame holds no sound, but what the file says of its length.
    let plain = &vbr[417..];
    let loud = case("08-mp3-tags/vbr-no-header-loud-start-10s.mp3");
    let art = joined(&[b"ID3\x03\0\0\0\0\x40\0", &vec![0xff; 8_192]]);
    let old = joined(&[b"TAG", &[b'a'; 125]]);
    let fields = |flags: u32| {
        let numbers = [2_000u32, 32 + 100, 1, flags].map(u32::to_le_bytes).concat();
        joined(&[b"APETAGEX", &numbers, &[0; 8]])
    };
    let ape = joined(&[&fields(0xa000_0000), &[b'x'; 100], &fields(0x8000_0000)]);
    let lyrics = b"LYRICSBEGININD0000200LYR00005hello000025LYRICS200";
    let frames = |number: usize| number * 1_152;
    for (bytes, expected, what) in [
        (vbr.clone(), 83_790, "plain"),
        (plain.to_vec(), frames(74), "without a header"),
        (loud, frames(384), "without a header, loud at its start"),
        (case("08-mp3-tags/mpeg25-8khz.mp3"), 15_200, "MPEG 2.5"),
        (case("07-mp3-mono-then-stereo/mixed.mp3"), frames(76), "mono, then stereo"),
        // As FFmpeg counts: the second header is a frame without sound, and padding stays.
        (joined(&[&vbr, &vbr]), frames(149) - 1_105, "doubled"),
        (joined(&[&vbr, &old, &art, &vbr]), frames(149) - 1_105, "doubled with its tags"),
        (joined(&[plain, plain]), frames(148), "doubled, without a header"),
        (joined(&[&art, &vbr]), 83_790, "art"),
        (joined(&[&art, &art, &vbr]), 83_790, "art twice"),
        (joined(&[&art, &vbr, &ape, &old]), 83_790, "art, APE, ID3v1"),
        (joined(&[&ape, &vbr]), 83_790, "APE in front"),
        (joined(&[&vbr, lyrics, &old]), 83_790, "lyrics"),
        (joined(&[plain, &ape, &old]), frames(74), "without a header, APE, ID3v1"),
        (joined(&[&[0; 3_000], &vbr]), 83_790, "zeros in front"),
        (joined(&[&vbr, &[0; 3_000]]), 83_790, "zeros behind"),
        (joined(&[&vec![0xff; 3_000], &vbr]), 83_790, "no sound in front"),
        (joined(&[b"ID3\x03\0\0\0\x7f\x7f\x7f", &[0; 50], &vbr]), 83_790, "a tag too long"),
        (plain[..plain.len() - 50].to_vec(), frames(73), "half a frame at the end"),
    ] {
        assert_eq!(samples(&bytes), expected, "{what}");
    }
    // It promises more than is there.
    assert_eq!(reason(&vbr[..9_617]), "truncated: 40367 of 83790 samples");
}

#[test]
fn an_mp3_that_changes_channels_is_its_first_one() {
    let read = read(&case("07-mp3-mono-then-stereo/mixed.mp3")).unwrap();
    // Silence between would be a lost half; both halves hold a tone.
    let loud =
        |half: &[f32]| half.iter().map(|sample| sample * sample).sum::<f32>() / half.len() as f32;
    let (first, second) = read.samples.split_at(read.samples.len() / 2);
    assert!(loud(first) > 1e-3 && loud(second) > 1e-3, "{} and {}", loud(first), loud(second));
}

#[test]
fn tags_around_a_flac_are_no_part_of_it() {
    let flac =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sounds/tone.flac")).unwrap();
    let expected = read(&flac).unwrap();
    let tag = b"ID3\x03\0\0\0\0\0\x0a0123456789";
    let old = joined(&[b"TAG", &[b'a'; 125]]);
    for bytes in [joined(&[tag, &flac]), joined(&[&flac, &old]), joined(&[tag, &flac, &old])] {
        assert_eq!(read(&bytes).unwrap(), expected);
    }
    // Through FFmpeg, which finds the end of the last frame.
    let text = b"and then something else entirely ".repeat(99);
    assert_eq!(read(&joined(&[&flac, &text])).unwrap(), expected);
}

#[test]
fn chained_oggs_are_read_one_behind_another() {
    let ogg =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sounds/tone.ogg")).unwrap();
    let one = read(&ogg).unwrap().samples;
    let two = read(&joined(&[&ogg, &ogg])).unwrap().samples;
    assert_eq!(two.len(), 2 * one.len());
    assert_eq!(two[..one.len()], one);
    assert_eq!(two[one.len()..], one);
    let cut = joined(&[&ogg, &ogg[..ogg.len() - 100]]);
    let reason = decode_sound(cut, Path::new("a")).map(|cut| cut.samples.len()).unwrap_err().reason;
    assert!(reason.starts_with("truncated"), "{reason}");
}

#[test]
fn what_is_no_sound_is_called_what_it_is() {
    // A generator of bits that no reader may take for a sound.
    let mut state = 1u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(300_000)
    .collect();
    let page =
        format!("\n<!DOCTYPE html><html><body>{}", "This video is not available. ".repeat(400));
    for (bytes, expected) in [
        (&noise[..], "is no known format: noise, or samples without a header"),
        (page.as_bytes(), "is an HTML page, no sound"),
        (b"{\"error\": 404}", "is a text in JSON, no sound"),
        (b"the wide world", "is a text, no sound"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS, no sound"),
        (b"#EXTM3U\nfile:///etc/passwd\n", "is a playlist, no sound"),
        (&[0; 5_000], "is nothing but zero bytes, no sound"),
        (b"PK\x03\x04\x14\0", "is a zip archive, no sound"),
        (b"ID3\x03\0\0\0\0\0\x01x, and then nothing", "is an ID3 tag and no sound that is known"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.mp3", "a.wav", "a.opus", "a"] {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            let reason = read_sound(&path).unwrap_err().reason;
            assert!(reason.starts_with(expected), "{reason}");
        }
    }
}

#[test]
fn the_content_decides_whatever_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let sounds = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sounds");
    for name in ["tone.flac", "tone.mp3", "tone.ogg"] {
        let expected = read_sound(&sounds.join(name)).unwrap();
        for other in ["a.wav", "a.mp3", "a.txt", "a"] {
            let path = folder.path().join(other);
            fs::copy(sounds.join(name), &path).unwrap();
            assert_eq!(read_sound(&path).unwrap(), expected, "{name} as {other}");
        }
    }
}

#[test]
fn a_wav_of_any_number_of_bytes_is_read_to_its_last_whole_frame() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    write_wav(&path, &tone(440.0, 3_000), 16_000);
    let whole = read_sound(&path).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    // A pipe does not know its length, and ends anywhere.
    bytes[4..8].copy_from_slice(&[0xff; 4]);
    bytes[40..44].copy_from_slice(&[0xff; 4]);
    for length in (46..bytes.len()).step_by(997) {
        let read = decode_sound(bytes[..length].to_vec(), &path).unwrap();
        assert_eq!(read.samples, whole.samples[..(length - 44) / 2]);
    }
    let mut cursor = Cursor::new(Vec::new());
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 8_000,
        bits_per_sample: 24,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::new(&mut cursor, spec).unwrap();
    for number in 0..2_000 {
        writer.write_sample(number * 4_000).unwrap();
    }
    writer.finalize().unwrap();
    let read = read(cursor.get_ref()).unwrap();
    let expected = (0..1_000).map(|number| (8_000 * number) as f32 / 8_388_608.0);
    assert_eq!(
        (read.samples, read.rate),
        (expected.collect(), 8_000),
        "hound writes 24 bits extensible"
    );
}
