//! What a file is, by its first bytes; its name does not count, and nothing is decoded.

use std::io::{self, Read, Seek};

use super::tags;
use super::window::Window;

/// How many bytes are looked at.
const HEAD: usize = 1 << 14;

/// What a file is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Content {
    /// What people call it, as the end of a sentence that begins with "is".
    pub(super) name: String,
    /// Who reads it.
    pub(super) reader: Reader,
    /// Where it begins, behind tags that may stand in front.
    pub(super) place: u64,
    /// How long the file must be at least, where a container says so that FFmpeg reads short without a word.
    pub(super) told: Option<u64>,
}

/// Who reads sounds of a kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reader {
    /// The own decoder of wavs, if they hold plain samples.
    Wave,
    /// The own decoder of flac.
    Flac,
    /// The own decoder of vorbis and flac in ogg.
    Ogg,
    /// The own decoder of mp3.
    Mpeg,
    /// FFmpeg, by the named demuxer; and how names of such files end.
    Ffmpeg(&'static str, &'static str),
    /// Nobody: it is no sound.
    Nobody,
}

impl Reader {
    /// FFmpeg's name of the format; `None` of what is no sound.
    pub(super) fn demuxer(self) -> Option<&'static str> {
        match self {
            Self::Wave => Some("wav"),
            Self::Flac => Some("flac"),
            Self::Ogg => Some("ogg"),
            Self::Mpeg => Some("mp3"),
            Self::Ffmpeg(demuxer, _) => Some(demuxer),
            Self::Nobody => None,
        }
    }
}

/// Formats by bytes at a place. What FFmpeg may guess of other bytes is never asked for.
const FORMATS: [(usize, &[u8], &str, &str, &str); 32] = [
    (4, b"ftypM4A", "an m4a file", "mov", "m4a"),
    (4, b"ftypM4B", "an m4a file", "mov", "m4a"),
    (4, b"ftypqt", "a QuickTime file", "mov", "mov"),
    (4, b"ftyp3g", "a 3gp file", "mov", "3gp"),
    (4, b"ftyp", "an mp4 file", "mov", "mp4"),
    (4, b"moov", "a QuickTime file", "mov", "mov"),
    (4, b"mdat", "a QuickTime file", "mov", "mov"),
    (4, b"wide", "a QuickTime file", "mov", "mov"),
    (0, b"\x1a\x45\xdf\xa3", "a webm or matroska file", "matroska", "webm"),
    (8, b"AIFF", "an AIFF sound", "aiff", "aiff"),
    (8, b"AIFC", "an AIFF-C sound", "aiff", "aiff"),
    (8, b"8SVX", "an 8SVX sound", "iff", "iff"),
    (0, b"FRM8", "a DSDIFF sound", "iff", "iff"),
    (0, b"caff", "a CAF sound", "caf", "caf"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a wma or asf file", "asf", "wma"),
    (0, b"#!AMR", "an AMR sound", "amr", "amr"),
    (0, b"riff\x2e\x91\xcf\x11", "a Wave64 sound", "w64", "w64"),
    (0, b"RIFX", "a big-endian wav", "wav", "wav"),
    (0, b".snd", "an au sound", "au", "au"),
    (0, b"NIST_1A", "a NIST SPHERE sound", "nistsphere", "sph"),
    (0, b"Creative Voice File", "a voc sound", "voc", "voc"),
    (0, b"MAC ", "a Monkey's Audio sound", "ape", "ape"),
    (0, b"wvpk", "a WavPack sound", "wv", "wv"),
    (0, b"TTA1", "a TTA sound", "tta", "tta"),
    (0, b"MPCK", "a Musepack sound", "mpc8", "mpc"),
    (0, b"MP+", "a Musepack sound", "mpc", "mpc"),
    (0, b"DSD ", "a DSF sound", "dsf", "dsf"),
    (0, b"FLV\x01", "an flv file", "flv", "flv"),
    (0, b".RMF", "a RealMedia file", "rm", "rm"),
    (0, b"\x00\x00\x01\xba", "an MPEG program stream", "mpeg", "mpg"),
    (0, b"\x7f\xfe\x80\x01", "a DTS sound", "dts", "dts"),
    (0, b".SoX", "a SoX sound", "sox", "sox"),
];

/// Kinds of RIFF that FFmpeg reads.
const RIFFS: [(&[u8], &str, &str); 3] = [
    (b"AVI ", "an avi file", "avi"),
    (b"XWMA", "an xWMA sound", "xwma"),
    (b"QLCM", "a QCP sound", "qcp"),
];

/// What is in an ogg.
const OGGS: [(&[u8], &str, Reader); 6] = [
    (b"OpusHead", "opus", Reader::Ffmpeg("ogg", "opus")),
    (b"\x01vorbis", "vorbis", Reader::Ogg),
    (b"\x7fFLAC", "flac", Reader::Ogg),
    (b"fLaC", "flac", Reader::Ffmpeg("ogg", "ogg")),
    (b"Speex   ", "speex", Reader::Ffmpeg("ogg", "spx")),
    (b"PCM     ", "PCM", Reader::Ffmpeg("ogg", "ogg")),
];

/// Files that are no sound, by their first bytes.
const OTHERS: [(&[u8], &str); 14] = [
    (b"\x89PNG", "a png picture"),
    (b"\xff\xd8\xff", "a jpg picture"),
    (b"GIF8", "a gif picture"),
    (b"BM", "a bmp picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a rar archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x7fELF", "a program"),
    (b"MThd", "a MIDI file, which holds notes instead of a sound"),
];

impl Content {
    /// Looks at the first bytes of `source`.
    pub(super) fn of(source: &mut (impl Read + Seek)) -> io::Result<Self> {
        let mut window = Window::new(source, 0)?;
        let mut tagged = false;
        while window.look(3)? == b"ID3"
            && let Some(length) = tags::length(&mut window)?
        {
            window.skip(length)?;
            tagged = true;
        }
        let place = window.place();
        let head = window.look(HEAD)?;
        let told = told(head).map(|told| place + told);
        let (name, reader) = known(head).unwrap_or_else(|| match tagged {
            true => ("an ID3 tag and no sound that is known behind it".to_owned(), Reader::Mpeg),
            false => (other(head), Reader::Nobody),
        });
        // What has no name may be an mp3 with something in front; only its frames can tell.
        let place = if tagged && reader == Reader::Mpeg { 0 } else { place };
        Ok(Self { name, reader, place, told })
    }
}

/// A format with a mark of its own, and who reads it.
fn known(head: &[u8]) -> Option<(String, Reader)> {
    let at =
        |place: usize, mark: &[u8]| head.get(place..).is_some_and(|rest| rest.starts_with(mark));
    if (at(0, b"RIFF") || at(0, b"RF64") || at(0, b"BW64")) && at(8, b"WAVE") {
        return Some(("a wav sound".to_owned(), Reader::Wave));
    }
    if at(0, b"fLaC") {
        return Some(("a flac sound".to_owned(), Reader::Flac));
    }
    if at(0, b"OggS") {
        // The first page of each stream tells what it is of, and these stand at the start.
        let found = OGGS.iter().find(|(mark, ..)| memchr::memmem::find(head, mark).is_some());
        let (name, reader) =
            found.map_or(("unknown", Reader::Ffmpeg("ogg", "ogg")), |found| (found.1, found.2));
        return Some((format!("{name} sound in an ogg container"), reader));
    }
    if at(0, b"RIFF") {
        let (_, name, demuxer) = RIFFS.iter().find(|(mark, ..)| at(8, mark))?;
        return Some(((*name).to_owned(), Reader::Ffmpeg(demuxer, demuxer)));
    }
    // The size in front of a box of QuickTime keeps words of a text from being taken for one.
    let format = FORMATS
        .iter()
        .find(|(place, mark, ..)| at(*place, mark) && (*place != 4 || head.first() == Some(&0)));
    let format = format.map(|(_, _, name, demuxer, suffix)| (*name, *demuxer, *suffix));
    let format = format.or_else(|| is_adts(head).then_some(("an AAC sound", "aac", "aac")));
    let stream = ("an MPEG transport stream", "mpegts", "ts");
    let format = format.or_else(|| is_transport(head).then_some(stream));
    format.map(|(name, demuxer, suffix)| (name.to_owned(), Reader::Ffmpeg(demuxer, suffix)))
}

/// How long a file of plain samples must be by its head; `None` where it does not know.
fn told(head: &[u8]) -> Option<u64> {
    let number = |at: usize| {
        let four = head.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_be_bytes(*four))
    };
    // From here on they are those of writers that do not know better.
    let known = |length: &u64| (1..0x7f00_0000).contains(length);
    let length = |at: usize| number(at).map(u64::from).filter(known);
    match head.first_chunk::<4>()? {
        b"FORM" | b"RIFX" => length(4).map(|length| 8 + length),
        b".snd" => Some(length(4)? + length(8)?),
        b"riff" => {
            let eight = head.get(16..)?.first_chunk::<8>()?;
            Some(u64::from_le_bytes(*eight)).filter(known)
        }
        _ => None,
    }
}

/// Whether three frames of AAC stand one behind another.
fn is_adts(head: &[u8]) -> bool {
    let mut at = 0;
    (0..3).all(|_| {
        let Some([sync, kind, _, high, middle, low]) = head.get(at..at + 6) else { return false };
        at += usize::from(high & 3) << 11 | usize::from(*middle) << 3 | usize::from(low >> 5);
        *sync == 0xff && kind & 0xf6 == 0xf0
    })
}

/// Whether packets of a transport stream stand one behind another, be they with time codes or without.
fn is_transport(head: &[u8]) -> bool {
    let packets = |first: usize, step: usize| {
        (0..5).all(|number| head.get(first + number * step) == Some(&0x47))
    };
    packets(0, 188) || packets(4, 192)
}

/// What a file is called that is no sound.
fn other(head: &[u8]) -> String {
    if head.iter().all(|byte| *byte == 0) {
        return "nothing but zero bytes, no sound: its download or its disk may have failed"
            .to_owned();
    }
    if let Some((_, name)) = OTHERS.iter().find(|(mark, _)| head.starts_with(mark)) {
        return format!("{name}, no sound");
    }
    if head.get(257..262) == Some(b"ustar") {
        return "a tar archive, no sound".to_owned();
    }
    if head.get(8..12) == Some(b"WEBP") {
        return "a webp picture, no sound".to_owned();
    }
    let end = head.len().min(1_024);
    let text = String::from_utf8_lossy(&head[..end]).to_lowercase();
    let odd = text.chars().filter(|c| *c == '\u{fffd}' || c.is_control() && !c.is_whitespace());
    // A letter may be cut at the end of what is looked at.
    if odd.count() > 1 {
        return "no known format: noise, or samples without a header that says what they are"
            .to_owned();
    }
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let begins = |marks: &[&str]| marks.iter().any(|mark| text.starts_with(mark));
    let name = match () {
        () if begins(&["<!doctype html", "<html", "<head", "<body"]) => {
            "an HTML page, no sound: its download may have failed"
        }
        () if begins(&["version https://git-lfs"]) => {
            "a pointer of Git LFS, no sound: fetch what it stands for with `git lfs pull`"
        }
        () if begins(&["#extm3u", "ffconcat", "<mpd"]) => "a playlist, no sound",
        () if begins(&["<?xml", "<"]) => "a text in XML, no sound",
        () if begins(&["{", "["]) => "a text in JSON, no sound",
        () => "a text, no sound",
    };
    name.to_owned()
}
