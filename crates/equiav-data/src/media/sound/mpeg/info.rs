//! The frame without sound that some encoders put first: how many frames follow, and what frames them.

use super::header::Header;

/// What it says; all zero and `None` where there is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Info {
    /// How many frames follow.
    pub(super) frames: Option<u64>,
    /// How many samples of decoder and encoder stand in front of the sound.
    pub(super) delay: usize,
    /// How many stand behind it.
    pub(super) padding: u64,
    /// Whether the encoder is one that counts frames exactly.
    pub(super) exact: bool,
}

impl Info {
    /// Of `frame`, if it is such a one: Xing's, of which LAME's is an extension, or Fraunhofer's.
    pub(super) fn of(frame: &[u8], header: &Header) -> Option<Self> {
        let side = match (header.first_version, header.mono) {
            (true, false) => 32,
            (true, true) | (false, false) => 17,
            (false, true) => 9,
        };
        let xing = frame.get(4 + side..)?;
        if xing.starts_with(b"Xing") || xing.starts_with(b"Info") {
            // The bytes of a checksum are no side information.
            let begin = if frame[1] & 1 == 0 { 6 } else { 4 };
            let silent = frame[begin..4 + side].iter().all(|byte| *byte == 0);
            return silent.then(|| Self::xing(&xing[4..]));
        }
        let vbri = frame.get(36..).filter(|rest| rest.starts_with(b"VBRI"))?;
        let frames = long(vbri, 14).map(u64::from);
        Some(Self { frames, ..Self::default() })
    }

    fn xing(fields: &[u8]) -> Self {
        let flags = long(fields, 0).unwrap_or(0);
        let frames = if flags & 1 != 0 { long(fields, 4).map(u64::from) } else { None };
        let lengths = [(1, 4), (2, 4), (4, 100), (8, 4)];
        let known = lengths.iter().filter(|(flag, _)| flags & flag != 0);
        let at = 4 + known.map(|(_, length)| length).sum::<usize>();
        let lame = fields.get(at..at + 24).filter(|lame| {
            [b"LAME", b"Lavf", b"Lavc"].iter().any(|encoder| lame.starts_with(*encoder))
        });
        let Some(lame) = lame else { return Self { frames, ..Self::default() } };
        let trim = u32::from_be_bytes([0, lame[21], lame[22], lame[23]]);
        // What every decoder of layer 3 delays by.
        const DECODER: u32 = 528 + 1;
        let delay = (DECODER + (trim >> 12)) as usize;
        let padding = u64::from((trim & 0xfff).saturating_sub(DECODER));
        Self { frames, delay, padding, exact: true }
    }
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|four| u32::from_be_bytes(*four))
}
