//! The chunks of a wav: where its samples lie, in which format, and how many there must be.
//!
//! A walk of our own in front of the decoder, since what writes wavs gets lengths wrong: pipes do not know
//! them, recorders that crash leave zeros, chunks of odd length lack their pad byte. What is found goes to
//! the decoder behind a plain header, so that it meets nothing but one format and the samples.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use super::refusal::Refusal;

/// Lengths from here on are those of writers that do not know better, where the file is shorter.
const UNKNOWN: u64 = 0x7fff_0000;
/// The most chunks in front of the samples.
const MOST_CHUNKS: usize = 4_096;
/// How far a `data` chunk is looked for that no chain of chunks leads to, in bytes.
const FARTHEST: u64 = 1 << 20;
/// Chunks that are common enough to be known by their names alone.
const KNOWN: [&[u8; 4]; 24] = [
    b"data", b"fmt ", b"LIST", b"fact", b"bext", b"JUNK", b"junk", b"id3 ", b"ID3 ", b"PEAK",
    b"cue ", b"smpl", b"inst", b"iXML", b"axml", b"chna", b"cart", b"_PMX", b"ds64", b"PAD ",
    b"FLLR", b"afsp", b"DISP", b"acid",
];
/// The last fourteen bytes of a sub-format that stands for the two bytes in front of it.
const SUB_FORMAT: [u8; 14] = *b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71";

/// What a wav holds.
#[derive(Debug, PartialEq)]
pub(super) struct Wave {
    /// A plain header for the samples.
    pub(super) header: Vec<u8>,
    /// Where the samples lie.
    pub(super) samples: Range<u64>,
    /// How many samples of a channel there must be; `None` where the file does not know.
    pub(super) promised: Option<u64>,
}

/// The format of the samples.
#[derive(Clone, Copy, Debug)]
struct Format {
    tag: u16,
    channels: u16,
    rate: u32,
    /// Bits from one sample to the next.
    bits: u16,
}

/// What the chunks say.
#[derive(Debug, Default)]
struct Chunks {
    format: Option<Vec<u8>>,
    /// The length of the samples by an RF64's `ds64` chunk.
    long: Option<u64>,
    /// Where the samples begin, and how many bytes of them there are said to be.
    data: Option<(u64, u64)>,
}

/// Looks through the chunks of `source`, which begins with `RIFF`, `RF64` or `BW64`.
pub(super) fn read(source: &mut (impl Read + Seek)) -> Result<Wave, Refusal> {
    let length = source.seek(SeekFrom::End(0))?;
    let head = bytes_at(source, 0, 12)?;
    if head.len() < 12 {
        return Err(Refusal::cut());
    }
    let riff_end = 8 + u64::from(number(&head, 4));
    let mut chunks = walk(source, length)?;
    if chunks.data.is_none() || chunks.format.is_none() {
        search(source, length, &mut chunks)?;
    }
    let format = match chunks.format {
        Some(bytes) => Format::of(&bytes)?,
        None if length < 36 => return Err(Refusal::cut()),
        None => return Err(Refusal::broken("corrupt: it has no `fmt ` chunk")),
    };
    let Some((start, told)) = chunks.data else {
        let cut = length < riff_end && riff_end < UNKNOWN;
        return Err(match cut {
            true => Refusal::cut(),
            false => Refusal::broken("corrupt: it has no `data` chunk"),
        });
    };
    let told = chunks.long.filter(|_| told == u64::from(u32::MAX)).unwrap_or(told);
    let there = length - start;
    let told = match told {
        0 if there == 0 || leads_to_end(source, start, length)? => Some(0),
        0 => None,
        _ if told <= there => Some(told),
        _ if told >= UNKNOWN => None,
        // The whole file is there by its own count: it is this length that is wrong.
        _ if start < riff_end && riff_end <= length => Some(riff_end - start),
        _ => Some(told),
    };
    let frame = u64::from(format.channels) * u64::from(format.bits / 8);
    let samples = told.unwrap_or(there).min(there) / frame;
    Ok(Wave {
        header: format.header(samples * frame),
        samples: start..start + samples * frame,
        promised: told.map(|told| told / frame),
    })
}

/// Goes from chunk to chunk, up to the samples.
fn walk(source: &mut (impl Read + Seek), length: u64) -> Result<Chunks, Refusal> {
    let mut chunks = Chunks::default();
    let mut at = 12;
    for _ in 0..MOST_CHUNKS {
        let head = bytes_at(source, at, 8)?;
        let Some((name, size)) = name_and_size(&head) else { break };
        let body = at + 8;
        match &name {
            b"fmt " if chunks.format.is_none() => {
                chunks.format = Some(bytes_at(source, body, size.min(64))?);
            }
            b"ds64" => {
                let sizes = bytes_at(source, body, size.min(16))?;
                let low_first = |at: usize| sizes.get(at..at + 8)?.try_into().ok();
                chunks.long = low_first(8).map(u64::from_le_bytes);
            }
            b"data" if chunks.data.is_none() => {
                chunks.data = Some((body, size));
                if chunks.format.is_some() {
                    break;
                }
            }
            _ if !name.iter().all(|byte| (0x20..0x7f).contains(byte)) => break,
            _ => {}
        }
        at = behind(source, body, size)?;
        if at >= length {
            break;
        }
    }
    Ok(chunks)
}

/// Where the chunk behind one of `size` bytes at `body` begins: a chunk of odd length is followed by a pad
/// byte, or by none where its writer forgot.
fn behind(source: &mut (impl Read + Seek), body: u64, size: u64) -> io::Result<u64> {
    let end = body + size;
    if size.is_multiple_of(2) {
        return Ok(end);
    }
    let near = bytes_at(source, end, 5)?;
    let known = |at: usize| {
        let name = near.get(at..at + 4);
        name.is_some_and(|name| KNOWN.iter().any(|known| known.as_slice() == name))
    };
    Ok(if known(0) && !known(1) { end } else { end + 1 })
}

/// Looks for what no chain of chunks leads to: one with a wrong length stands in front of it.
fn search(
    source: &mut (impl Read + Seek),
    length: u64,
    chunks: &mut Chunks,
) -> Result<(), Refusal> {
    let bytes = bytes_at(source, 12, FARTHEST)?;
    let at = |name: &[u8; 4], from: usize| {
        memchr::memmem::find(&bytes[from..], name).map(|place| from + place)
    };
    let mut from = 0;
    if chunks.format.is_none() {
        let fits = |place: &usize| (14..=64).contains(&number(&bytes, place + 4));
        let Some(place) = at(b"fmt ", 0).filter(fits) else { return Ok(()) };
        let end = bytes.len().min(place + 8 + number(&bytes, place + 4) as usize);
        chunks.format = Some(bytes[(place + 8).min(end)..end].to_vec());
        from = end;
    }
    while chunks.data.is_none()
        && let Some(place) = at(b"data", from)
    {
        let (body, size) = (12 + place as u64 + 8, u64::from(number(&bytes, place + 4)));
        if body <= length && (size <= length - body || size >= UNKNOWN) {
            chunks.data = Some((body, size));
        }
        from = place + 4;
    }
    Ok(())
}

/// Whether nothing but well-known chunks stands from `at` to the end: then a sound of no length is one.
fn leads_to_end(source: &mut (impl Read + Seek), mut at: u64, length: u64) -> io::Result<bool> {
    for _ in 0..MOST_CHUNKS {
        let head = bytes_at(source, at, 8)?;
        let known = |name: &[u8; 4]| KNOWN.contains(&name);
        let Some((_, size)) = name_and_size(&head).filter(|(name, _)| known(name)) else { break };
        at = behind(source, at + 8, size)?;
        if at >= length {
            return Ok(at <= length + 1);
        }
    }
    Ok(false)
}

fn name_and_size(head: &[u8]) -> Option<([u8; 4], u64)> {
    let name = head.first_chunk::<4>()?;
    (head.len() >= 8).then(|| (*name, number(head, 4).into()))
}

/// The number at `at`, 0 where `bytes` end before it does.
fn number(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    four.map_or(0, |four| u32::from_le_bytes(*four))
}

/// Up to `length` bytes of `source` from `at` on.
fn bytes_at(source: &mut (impl Read + Seek), at: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.seek(SeekFrom::Start(at))?;
    source.by_ref().take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Format {
    /// Of the content of a `fmt ` chunk.
    fn of(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() < 14 {
            return Err(Refusal::cut());
        }
        let short = |at: usize| {
            let two = bytes.get(at..).and_then(|rest| rest.first_chunk::<2>());
            two.map_or(0, |two| u16::from_le_bytes(*two))
        };
        let mut tag = short(0);
        let (channels, rate, block) = (short(2), number(bytes, 4), short(12));
        // The oldest format has no such field.
        let bits = if bytes.len() < 16 { 8 } else { short(14) };
        if tag == 0xfffe && bytes.len() >= 40 && bytes[26..40] == SUB_FORMAT {
            tag = short(24);
        }
        if channels == 0 {
            return Err(Refusal::broken("its `fmt ` chunk says that it has no channel"));
        }
        // What is not a whole number of bytes stands at the upper end of as many as a block has.
        let wide = (block / channels).saturating_mul(8);
        let bits = match tag {
            1 | 3 if wide >= bits && block % channels == 0 => wide,
            1 | 3 => bits.div_ceil(8).saturating_mul(8),
            _ => bits,
        };
        match (tag, bits) {
            (1 | 3, 0) => Err(Refusal::broken("its `fmt ` chunk says that a sample has no bits")),
            // The decoder has names for so many channels.
            _ if channels > 26 => Err(Refusal::foreign(format!("is a wav of {channels} channels"))),
            (1, 8 | 16 | 24 | 32) | (3, 32 | 64) | (6 | 7, 8) => {
                Ok(Self { tag, channels, rate, bits })
            }
            _ => Err(Refusal::foreign(format!("is a wav of {}", codec(tag, bits)))),
        }
    }

    /// A plain header for `bytes` of samples.
    fn header(self, bytes: u64) -> Vec<u8> {
        let Self { tag, channels, rate, bits } = self;
        let block = channels.wrapping_mul(bits / 8);
        let mut header = b"RIFF\xff\xff\xff\xffWAVEfmt \x12\x00\x00\x00".to_vec();
        header.extend([tag, channels].iter().flat_map(|short| short.to_le_bytes()));
        let second = rate.wrapping_mul(block.into());
        header.extend([rate, second].iter().flat_map(|long| long.to_le_bytes()));
        header.extend([block, bits, 0].iter().flat_map(|short| short.to_le_bytes()));
        header.extend(b"data");
        header.extend(u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes());
        header
    }
}

/// What a format tag stands for.
fn codec(tag: u16, bits: u16) -> String {
    let name = match tag {
        1 => return format!("{bits}-bit samples"),
        3 => return format!("{bits}-bit floating-point samples"),
        2 => "Microsoft ADPCM",
        6 => "A-law",
        7 => "mu-law",
        0x11 => "IMA ADPCM",
        0x31 => "GSM 6.10",
        0x45 | 0x64 | 0x40 => "G.72x ADPCM",
        0x50 => "MPEG audio layer 2",
        0x55 => "mp3",
        0x160..=0x163 => "WMA",
        0x2000 => "AC-3",
        0x2001 => "DTS",
        0xff | 0x1600 | 0x1610 => "AAC",
        0x674f..=0x6771 => "vorbis",
        _ => return format!("format {tag:#06x}"),
    };
    format!("{name} sound")
}
