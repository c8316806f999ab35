//! The four bytes that every frame of MPEG audio begins with.

/// Room for the longest frame and the header behind it, in bytes.
pub(super) const LONGEST: usize = 2_881 + 4;

/// Bit rates in kbit/s by their number, from 1 on: MPEG 1 layers 1 to 3, later versions layer 1, layers 2
/// and 3.
const BIT_RATES: [[u16; 14]; 5] = [
    [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
    [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
    [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

/// What a frame says of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Header {
    /// Whether it is of MPEG 1, whose frames are the longest.
    pub(super) first_version: bool,
    /// 1 to 3; only 3 is mp3.
    pub(super) layer: u8,
    /// Samples per second, in Hz.
    pub(super) rate: u32,
    /// Whether there is one channel.
    pub(super) mono: bool,
    /// In bytes, with the header.
    pub(super) length: usize,
    /// Samples of each channel.
    pub(super) samples: u64,
}

impl Header {
    /// Of a frame that `bytes` begin with; `None` if they do not, or it is of a free bit rate.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let [sync, kind, rates, mode] = *bytes.first_chunk::<4>()?;
        if sync != 0xff || kind & 0xe0 != 0xe0 {
            return None;
        }
        let (version, layer) = (kind >> 3 & 3, 4 - (kind >> 1 & 3));
        let (first_version, shift) = match version {
            0 => (false, 2),
            2 => (false, 1),
            3 => (true, 0),
            _ => return None,
        };
        let table = match (first_version, layer) {
            (_, 4) => return None,
            (true, layer) => usize::from(layer) - 1,
            (false, 1) => 3,
            (false, _) => 4,
        };
        let number = usize::from(rates >> 4);
        let bits = u32::from(*BIT_RATES[table].get(number.checked_sub(1)?)?) * 1_000;
        let rate = [44_100, 48_000, 32_000].get(usize::from(rates >> 2 & 3))? >> shift;
        let padding = u32::from(rates >> 1 & 1);
        let (length, samples) = match (layer, first_version) {
            (1, _) => (4 * (12 * bits / rate + padding), 384),
            (3, false) => (72 * bits / rate + padding, 576),
            _ => (144 * bits / rate + padding, 1_152),
        };
        let mono = mode >> 6 == 3;
        Some(Self { first_version, layer, rate, mono, length: length as usize, samples })
    }

    /// Whether frames of both may stand in one stream, be they of one channel or of two.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.samples == other.samples && self.layer == other.layer && self.rate == other.rate
    }
}
