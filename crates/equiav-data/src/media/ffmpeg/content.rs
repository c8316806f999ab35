//! Which containers FFmpeg may open, and what a file is called that it may not.
//!
//! A playlist, a list to concatenate or a manifest is a "video" that names other files. FFmpeg knows it by
//! its content, whatever the file is called, and would read whatever it names: so only containers whose
//! bytes are all in one file are let through. Of these, QuickTime's references to other files are off
//! unless FFmpeg is told otherwise.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The containers and plain streams that are read, by FFmpeg's names. `srt` and `ass` are asked for when
/// an avi holds subtitles; neither names another file.
pub(super) const FORMATS: &str = "mov,matroska,avi,ogg,mpeg,mpegvideo,mpegts,asf,asf_o,flv,live_flv,mxf,nut,\
     rm,dv,ivf,obu,av1,h261,h263,h264,hevc,vvc,m4v,vc1,cavsvideo,wav,w64,flac,mp3,aac,loas,ac3,eac3,\
     aiff,amr,amrnb,amrwb,au,caf,dts,dtshd,truehd,mlp,ape,tta,wv,mpc,mpc8,voc,qcp,dsf,iff,shn,oma,gxf,nistsphere,sox,xwma,srt,ass";
/// How much of a file is looked at, in bytes.
const START: u64 = 4_096;

/// What texts begin with, after blanks, in lower case, and what they are then called.
const TEXTS: [(&str, &str); 12] = [
    ("#extm3u", "a playlist (HLS or m3u)"),
    ("ffconcat", "a list of files to concatenate"),
    (";ffmetadata", "FFmpeg's metadata"),
    ("[playlist]", "a playlist (pls)"),
    ("[reference]", "a playlist (asx)"),
    ("<asx", "a playlist (asx)"),
    ("<smil", "a playlist (smil)"),
    ("<!doctype html", "a web page"),
    ("<html", "a web page"),
    ("webvtt", "subtitles"),
    ("v=0", "a description of a network session (SDP)"),
    ("[script info]", "subtitles"),
];
/// What texts hold anywhere, in lower case.
const WITHIN: [(&str, &str); 3] = [
    ("<mpd", "a manifest of other files (DASH)"),
    ("compositionplaylist", "a playlist (IMF)"),
    ("<smoothstreamingmedia", "a manifest of other files (Smooth Streaming)"),
];
/// Names by which FFmpeg calls what is not read, and what they are called here.
const NAMES: [(&str, &str); 8] = [
    ("hls", "a playlist (HLS or m3u)"),
    ("dash", "a manifest of other files (DASH)"),
    ("concat", "a list of files to concatenate"),
    ("imf", "a playlist (IMF)"),
    ("ffmetadata", "FFmpeg's metadata"),
    ("sdp", "a description of a network session (SDP)"),
    ("image2", "a sequence of picture files"),
    ("tty", "a text"),
];

/// What `path` is called if its content is a text; `None` where it is none, or cannot be read.
///
/// No container that is read here is a text, while everything that names other files is one.
pub fn text(path: &Path) -> Option<&'static str> {
    let mut start = Vec::new();
    File::open(path).and_then(|file| file.take(START).read_to_end(&mut start)).ok()?;
    called(&start)
}

/// What a file that begins with `start` is called, if it is a text.
fn called(start: &[u8]) -> Option<&'static str> {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let text = String::from_utf8_lossy(start).to_lowercase();
    let begins = text.trim_start();
    let known = TEXTS.iter().find(|(begin, _)| begins.starts_with(begin));
    // Letters of any encoding; control characters are what every container begins with.
    let control = |byte: &u8| *byte < 0x20 && !b"\t\n\r\x0c\x1b".contains(byte);
    let printable = !start.is_empty() && !start.iter().any(control);
    // By chance bytes of a video hold one of these; FFmpeg itself names the manifests that are no text.
    let within = || WITHIN.iter().find(|(within, _)| printable && begins.contains(within));
    if let Some((_, called)) = known.or_else(within) {
        return Some(called);
    }
    (printable && std::str::from_utf8(cut(start)).is_ok()).then_some("a text")
}

/// `start` without a letter that its end may have cut.
fn cut(start: &[u8]) -> &[u8] {
    let whole = start.utf8_chunks().next().map_or(0, |chunk| chunk.valid().len());
    if start.len() - whole < 4 { &start[..whole] } else { start }
}

/// What a file is called whose format has FFmpeg's name `format`.
pub(super) fn named(format: &str) -> String {
    let format: String = format.chars().filter(|c| c.is_ascii_graphic()).take(40).collect();
    let known = NAMES.iter().find(|(name, _)| format == *name);
    match known {
        Some((_, called)) => (*called).to_owned(),
        None if format.ends_with("_pipe") => {
            format!("a picture ({})", format.trim_end_matches("_pipe"))
        }
        None => format!("of the format `{format}`"),
    }
}

/// The refusal of a file whose content is `called` so.
pub(super) fn refusal(called: &str) -> String {
    format!("its content is {called}, which is not read: expected a video or a sound in one file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_called_by_what_they_are() {
        for (start, expected) in [
            (&b"#EXTM3U\n/etc/passwd\n"[..], Some("a playlist (HLS or m3u)")),
            (b"\xef\xbb\xbf \n#extm3u", Some("a playlist (HLS or m3u)")),
            (b"ffconcat version 1.0\nfile x", Some("a list of files to concatenate")),
            (b"<?xml version='1.0'?>\n<!-- x -->\n<MPD>", Some("a manifest of other files (DASH)")),
            (b"{\"a\": 1}\n", Some("a text")),
            ("gr\u{fc}n".as_bytes(), Some("a text")),
            (b"", None),
            (b"\0\0\0\x18ftypmp42", None),
            (b"RIFF\x24\0\0\0WAVEfmt ", None),
            (b"ID3\x03\0\0\0\0\0\x21", None),
            (b"fLaC\0\0\0\x22", None),
        ] {
            assert_eq!(called(start), expected, "{}", String::from_utf8_lossy(start));
        }
        let long = "\u{e4}".repeat(3_000);
        assert_eq!(called(&long.as_bytes()[..4_095]), Some("a text"), "cut within a letter");
    }

    #[test]
    fn formats_have_plain_names() {
        assert_eq!(named("png_pipe"), "a picture (png)");
        assert_eq!(named("dash"), "a manifest of other files (DASH)");
        assert_eq!(named("x\n`y"), "of the format `x`y`");
    }
}
